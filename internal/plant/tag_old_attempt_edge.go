//go:build plant_old_attempt_edge

package plant

const active = "old-attempt-edge"
