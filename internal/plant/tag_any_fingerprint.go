//go:build plant_any_fingerprint

package plant

const active = "any-fingerprint"
