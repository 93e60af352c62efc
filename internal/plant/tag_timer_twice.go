//go:build plant_timer_twice

package plant

const active = "timer-twice"
