//go:build plant_change_in_place

package plant

const active = "change-in-place"
