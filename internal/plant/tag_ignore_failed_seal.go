//go:build plant_ignore_failed_seal

package plant

const active = "ignore-failed-seal"
