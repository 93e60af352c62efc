package ycsb

import "math"

// Yardsticks are the protocols that others are measured by, as far as they were run beside them: what the log alone allows, careful
// hand-written Go, and sagas.
func Yardsticks() []string { return []string{"limit", "floor", "saga"} }

// Relate notes in each report the ratio of its throughput to that of each yardstick among the reports of its round, see [Report.Of].
func Relate(reports []Report) {
	rates := make(map[int]map[string]float64) // by round and protocol
	for _, r := range reports {
		if rates[r.Round] == nil {
			rates[r.Round] = make(map[string]float64)
		}
		rates[r.Round][r.Protocol] = r.CommittedPerS
	}
	for i := range reports {
		r := &reports[i]
		r.Of = nil
		for _, yardstick := range Yardsticks() {
			rate := rates[r.Round][yardstick]
			if rate == 0 {
				continue
			}
			if r.Of == nil {
				r.Of = make(map[string]float64)
			}
			r.Of[yardstick] = math.Round(r.CommittedPerS/rate*1000) / 1000
		}
	}
}
