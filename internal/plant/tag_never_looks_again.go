//go:build plant_never_looks_again

package plant

const active = "never-looks-again"
