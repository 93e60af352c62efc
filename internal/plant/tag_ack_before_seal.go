//go:build plant_ack_before_seal

package plant

const active = "ack-before-seal"
