//go:build plant_undo_in_order

package plant

const active = "undo-in-order"
