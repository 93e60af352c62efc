//go:build plant_abort_keeps_state

package plant

const active = "abort-keeps-state"
