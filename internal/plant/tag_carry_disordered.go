//go:build plant_carry_disordered

package plant

const active = "carry-disordered"
