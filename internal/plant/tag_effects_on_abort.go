//go:build plant_effects_on_abort

package plant

const active = "effects-on-abort"
