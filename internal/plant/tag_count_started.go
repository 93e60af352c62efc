//go:build plant_count_started

package plant

const active = "count-started"
