//go:build plant_upgrade_forgets_readers

package plant

const active = "upgrade-forgets-readers"
