//go:build plant_ingress_early

package plant

const active = "ingress-early"
