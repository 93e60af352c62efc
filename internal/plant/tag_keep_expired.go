//go:build plant_keep_expired

package plant

const active = "keep-expired"
