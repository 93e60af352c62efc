//go:build plant_fatal_returns

package plant

const active = "fatal-returns"
