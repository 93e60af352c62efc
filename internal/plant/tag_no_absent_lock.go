//go:build plant_no_absent_lock

package plant

const active = "no-absent-lock"
