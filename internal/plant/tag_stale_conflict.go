//go:build plant_stale_conflict

package plant

const active = "stale-conflict"
