//go:build plant_few_last_cuts

package plant

const active = "few-last-cuts"
