//go:build plant_backlog_first

package plant

const active = "backlog-first"
