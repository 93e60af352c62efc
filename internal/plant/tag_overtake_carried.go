//go:build plant_overtake_carried

package plant

const active = "overtake-carried"
