//go:build plant_forget_seen

package plant

const active = "forget-seen"
