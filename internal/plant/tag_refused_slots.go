//go:build plant_refused_slots

package plant

const active = "refused-slots"
