//go:build plant_sweep_skips_row

package plant

const active = "sweep-skips-row"
