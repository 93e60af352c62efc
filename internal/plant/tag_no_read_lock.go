//go:build plant_no_read_lock

package plant

const active = "no-read-lock"
