//go:build plant_reuse_ids

package plant

const active = "reuse-ids"
