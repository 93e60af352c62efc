//go:build plant_sends_of_failed

package plant

const active = "sends-of-failed"
