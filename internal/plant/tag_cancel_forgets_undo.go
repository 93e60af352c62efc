//go:build plant_cancel_forgets_undo

package plant

const active = "cancel-forgets-undo"
