package ycsb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

// machine pretends to be something that commits at most so many operations a second, with a p99 that grows from a millisecond
// to infinity as that is approached.
func machine(capacity float64) func(context.Context, float64) (Report, error) {
	return func(_ context.Context, rate float64) (Report, error) {
		p99 := 1e6
		if rate < capacity {
			p99 = 1 / (1 - rate/capacity)
		}
		return Report{CommittedPerS: min(rate, capacity), LatencyMS: map[string]Latency{"all": {P99: p99}}}, nil
	}
}

// TestSearch: the highest rate of which 95 % is achieved is found to the precision, from whatever start, in few probes; so is
// the highest within a bound of the p99.
func TestSearch(t *testing.T) {
	for _, capacity := range []float64{3, 950, 1000, 12_345, 700_000} {
		for _, start := range []float64{1, 1000, 100_000} {
			r, err := Search(t.Context(), Searching{Start: start, P99: 2 * time.Millisecond}, machine(capacity))
			if err != nil || len(r.Goals) != 2 || r.Schema != SearchSchema {
				t.Fatalf("capacity %g, start %g: %+v, %v", capacity, start, r, err)
			}
			for i, want := range []float64{capacity / 0.95, capacity / 2} {
				g := r.Goals[i]
				if g.Rate > want*1.000001 || g.Rate*1.051 < want || r.Probes[g.Probe].Rate != g.Rate {
					t.Errorf("capacity %g, start %g: %s: %g, want %g or up to 5 %% less", capacity, start, g.Goal, g.Rate, want)
				}
			}
			if n := len(r.Probes); n > 60 {
				t.Errorf("capacity %g, start %g: %d probes", capacity, start, n)
			}
		}
	}
}

// TestSearchUpToItsMaximum: a machine that keeps up with all that is tried.
func TestSearchUpToItsMaximum(t *testing.T) {
	r, err := Search(t.Context(), Searching{Max: 5000}, machine(math.Inf(1)))
	if err != nil || len(r.Goals) != 1 || r.Goals[0].Rate != 5000 || len(r.Probes) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	for i, p := range r.ByRate() {
		if want := []float64{1000, 2000, 4000, 5000}[i]; p.Rate != want {
			t.Errorf("probe %d at %g, want %g", i, p.Rate, want)
		}
	}
}

// TestProbesThatFailByChance: every third does. With three tries the right rate is found, with one too low a rate.
func TestProbesThatFailByChance(t *testing.T) {
	for tries, found := range map[int]bool{1: false, 3: true} {
		probes := 0
		r, err := Search(t.Context(), Searching{Tries: tries}, func(ctx context.Context, rate float64) (Report, error) {
			if probes++; probes%3 == 0 {
				return machine(1)(ctx, rate)
			}
			return machine(20_000)(ctx, rate)
		})
		if err != nil || (r.Goals[0].Rate > 20_000) != found {
			t.Errorf("%d tries: %+v, %v", tries, r.Goals, err)
		}
	}
}

// TestOutOfReach: the goals that were reached are there nevertheless.
func TestOutOfReach(t *testing.T) {
	r, err := Search(t.Context(), Searching{P99: time.Microsecond}, machine(5000))
	if !errors.Is(err, ErrOutOfReach) || !matches(err, "p99 at most 1µs") || len(r.Goals) != 1 || r.Goals[0].Rate < 5000 {
		t.Errorf("%+v, %v", r.Goals, err)
	}
	if _, err := Search(t.Context(), Searching{}, machine(0.5)); !errors.Is(err, ErrOutOfReach) {
		t.Errorf("error %v", err)
	}
}

// TestUsefulShare: operations that are meant to be refused need not commit.
func TestUsefulShare(t *testing.T) {
	half := func(ctx context.Context, rate float64) (Report, error) {
		r, err := machine(4000)(ctx, rate)
		r.CommittedPerS /= 2
		return r, err
	}
	if r, err := Search(t.Context(), Searching{Useful: 0.5}, half); err != nil || r.Goals[0].Rate < 4000 {
		t.Errorf("%+v, %v", r.Goals, err)
	}
	if _, err := Search(t.Context(), Searching{}, half); !errors.Is(err, ErrOutOfReach) {
		t.Errorf("error %v", err)
	}
}

// TestSearchThatEnds: an error, an interrupt in a probe and one between two keep what was measured.
func TestSearchThatEnds(t *testing.T) {
	for _, test := range []struct {
		report      Report
		err         error
		interrupted bool
	}{{Report{}, ErrAudit, false}, {Report{}, ErrInterrupted, true}, {Report{Interrupted: true}, nil, true}} {
		probes := 0
		r, err := Search(t.Context(), Searching{}, func(ctx context.Context, rate float64) (Report, error) {
			if probes++; probes == 3 {
				return test.report, test.err
			}
			return machine(1e5)(ctx, rate)
		})
		if r.Interrupted != test.interrupted || len(r.Probes) != 2 || !test.interrupted && !errors.Is(err, test.err) || test.interrupted && err != nil {
			t.Errorf("%+v: %+v, %v", test, r, err)
		}
	}
}

func TestBadSearches(t *testing.T) {
	for _, test := range []struct {
		s    Searching
		want string
	}{
		{Searching{Start: -1}, "start-rate"}, {Searching{Start: math.NaN()}, "start-rate"}, {Searching{Start: 10, Max: 5}, "start-rate: 10"},
		{Searching{Max: MaxRate + 1}, "max-rate"}, {Searching{Precision: -1}, "precision"}, {Searching{Achieved: 1.1}, "achieved"},
		{Searching{P99: -1}, "p99"}, {Searching{Tries: -1}, "tries"}, {Searching{Tries: MaxTries + 1}, "tries"}, {Searching{Useful: -0.5}, "meant to commit"},
	} {
		probed := false
		_, err := Search(t.Context(), test.s, func(context.Context, float64) (Report, error) {
			probed = true
			return Report{}, nil
		})
		if !matches(err, test.want) || probed {
			t.Errorf("%+v: error %v, want %q; probed: %v", test.s, err, test.want, probed)
		}
	}
}

// TestSearchJSON: what is found, in the form in which others read it; it is no report of a run.
func TestSearchJSON(t *testing.T) {
	r, err := Search(t.Context(), Searching{Max: 2000}, machine(1500))
	var out bytes.Buffer
	if err := errors.Join(err, r.WriteJSON(&out)); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Schema int `json:"search_schema"`
		Goals  []struct {
			Goal string
			Rate float64
		}
		Probes []struct{ Rate, Achieved float64 }
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Schema != 1 || back.Goals[0].Goal != "95 % achieved" || len(back.Probes) < 3 {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := ParseReports(out.Bytes()); !errors.Is(err, ErrSchema) {
		t.Errorf("a search was read as a report: %v", err)
	}
}
