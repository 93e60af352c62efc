//go:build plant_lazy_commit

package plant

const active = "lazy-commit"
