//go:build plant_drop_stuck

package plant

const active = "drop-stuck"
