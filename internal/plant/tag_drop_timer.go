//go:build plant_drop_timer

package plant

const active = "drop-timer"
