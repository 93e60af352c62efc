//go:build plant_count_cancelled

package plant

const active = "count-cancelled"
