//go:build plant_doomed_commits

package plant

const active = "doomed-commits"
