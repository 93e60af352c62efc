//go:build plant_wound_nobody

package plant

const active = "wound-nobody"
