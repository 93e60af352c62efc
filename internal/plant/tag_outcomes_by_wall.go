//go:build plant_outcomes_by_wall

package plant

const active = "outcomes-by-wall"
