//go:build plant_failed_try_unlocks

package plant

const active = "failed-try-unlocks"
