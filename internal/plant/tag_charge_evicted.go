//go:build plant_charge_evicted

package plant

const active = "charge-evicted"
