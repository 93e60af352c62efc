//go:build plant_costly_twice

package plant

const active = "costly-twice"
