//go:build plant_skip_sync

package plant

const active = "skip-sync"
