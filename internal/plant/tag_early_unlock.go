//go:build plant_early_unlock

package plant

const active = "early-unlock"
