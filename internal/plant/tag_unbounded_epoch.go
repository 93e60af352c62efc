//go:build plant_unbounded_epoch

package plant

const active = "unbounded-epoch"
