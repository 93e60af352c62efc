//go:build plant_wait_die_reversed

package plant

const active = "wait-die-reversed"
