//go:build plant_carried_twice

package plant

const active = "carried-twice"
