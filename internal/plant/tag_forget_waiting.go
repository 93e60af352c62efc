//go:build plant_forget_waiting

package plant

const active = "forget-waiting"
