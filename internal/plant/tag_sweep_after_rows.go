//go:build plant_sweep_after_rows

package plant

const active = "sweep-after-rows"
