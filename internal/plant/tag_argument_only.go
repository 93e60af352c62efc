//go:build plant_argument_only

package plant

const active = "argument-only"
