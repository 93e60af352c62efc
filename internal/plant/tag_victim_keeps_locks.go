//go:build plant_victim_keeps_locks

package plant

const active = "victim-keeps-locks"
