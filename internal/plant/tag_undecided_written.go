//go:build plant_undecided_written

package plant

const active = "undecided-written"
