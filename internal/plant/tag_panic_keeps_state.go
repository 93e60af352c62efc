//go:build plant_panic_keeps_state

package plant

const active = "panic-keeps-state"
