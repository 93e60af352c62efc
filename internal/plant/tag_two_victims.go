//go:build plant_two_victims

package plant

const active = "two-victims"
