//go:build plant_walk_later

package plant

const active = "walk-later"
