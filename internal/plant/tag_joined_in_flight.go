//go:build plant_joined_in_flight

package plant

const active = "joined-in-flight"
