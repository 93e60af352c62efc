package ycsb

import (
	"maps"
	"testing"
)

// TestRelate: within each round, to the yardsticks that are there and did something.
func TestRelate(t *testing.T) {
	run := func(protocol string, round int, rate float64) Report {
		return Report{Protocol: protocol, Round: round, CommittedPerS: rate, Of: map[string]float64{"stale": 1}}
	}
	reports := []Report{
		run("serializable", 1, 70), run("floor", 1, 100), run("limit", 1, 300),
		run("serializable", 2, 90), run("saga", 2, 80), run("limit", 2, 200), run("floor", 2, 0),
		run("serializable", 3, 90), run("plain", 3, 80),
	}
	Relate(reports)
	for i, want := range []map[string]float64{
		{"floor": 0.7, "limit": 0.233}, {"floor": 1, "limit": 0.333}, {"floor": 3, "limit": 1},
		{"saga": 1.125, "limit": 0.45}, {"saga": 1, "limit": 0.4}, {"saga": 2.5, "limit": 1}, {"saga": 0, "limit": 0},
		nil, nil,
	} {
		if got := reports[i].Of; !maps.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s of round %d: %v, want %v", reports[i].Protocol, reports[i].Round, got, want)
		}
	}
}
