//go:build plant_cycles_at_rest

package plant

const active = "cycles-at-rest"
