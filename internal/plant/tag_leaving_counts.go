//go:build plant_leaving_counts

package plant

const active = "leaving-counts"
