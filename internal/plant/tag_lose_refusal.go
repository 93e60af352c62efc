//go:build plant_lose_refusal

package plant

const active = "lose-refusal"
