package ycsb

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// noisyRuns are rounds of a run whose throughput and latencies scatter by a share around those of speed 1.
func noisyRuns(rng *rand.Rand, n int, speed, noise float64) []Report {
	runs := make([]Report, n)
	for i := range runs {
		s := speed * math.Exp(rng.NormFloat64()*noise)
		runs[i] = Report{
			Schema: Schema, Workload: "rows", Protocol: "saga", Keys: 5000, Clients: 512, Mix: Mix{Transfer: 1}, Round: i + 1, CommittedPerS: 50_000 * s,
			LatencyMS: map[string]Latency{"transfer": {P50: 5 / s, P99: 9 / s}, "all": {P50: 5 / s, P99: 9 / s}},
		}
	}
	return runs
}

func verdicts(t *testing.T, a, b []Report, c Comparing) map[string]Verdict {
	t.Helper()
	ratios, err := Compare(a, b, c)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]Verdict)
	for _, r := range ratios {
		all[r.Figure] = r.Verdict
		if !(r.Low <= r.Ratio && r.Ratio <= r.High) || r.Pairs != len(a) || math.Abs(r.B/r.A-r.Ratio) > 1e-9 {
			t.Errorf("%+v", r)
		}
	}
	return all
}

// TestVerdicts: what is slower by more than the tolerance is seen, what is slower by less is not, and noise makes it unclear.
func TestVerdicts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		name         string
		speed, noise float64
		comparing    Comparing
		want         Verdict
	}{
		{"the same", 1, 0.01, Comparing{}, Similar},
		{"a fifth slower", 0.8, 0.01, Comparing{}, Slower},
		{"a quarter faster", 1.25, 0.01, Comparing{}, Faster},
		{"a little slower", 0.98, 0.005, Comparing{}, Similar},
		{"a little slower, without tolerance", 0.98, 0.002, Comparing{Tolerance: -1}, Slower},
		{"a fifth slower, tolerated", 0.8, 0.01, Comparing{Tolerance: 0.5}, Similar},
		{"noise", 0.97, 0.3, Comparing{}, Unclear},
	} {
		got := verdicts(t, noisyRuns(rng, 10, 1, test.noise), noisyRuns(rng, 10, test.speed, test.noise), test.comparing)
		if len(got) != 3 { // a single kind is all there is
			t.Errorf("%s: figures %v", test.name, got)
		}
		for figure, verdict := range got {
			if verdict != test.want {
				t.Errorf("%s: %s is %s, want %s", test.name, figure, verdict, test.want)
			}
		}
	}
}

// TestIdenticalRuns: a ratio of exactly 1.
func TestIdenticalRuns(t *testing.T) {
	runs := noisyRuns(rand.New(rand.NewPCG(1, 2)), 3, 1, 0.2)
	ratios, err := Compare(runs, runs, Comparing{})
	for _, r := range ratios {
		if r.Ratio != 1 || r.Low != 1 || r.High != 1 || r.Verdict != Similar {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// TestPairing takes out what both sides have in common: rounds that differ by half compare to the percent.
func TestPairing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	a := noisyRuns(rng, 6, 1, 0.5)
	b := noisyRuns(rng, 6, 1, 0.002)
	for i := range b {
		b[i].CommittedPerS *= 0.85 * a[i].CommittedPerS / 50_000
	}
	if got := verdicts(t, a, b, Comparing{})["throughput"]; got != Slower {
		t.Errorf("throughput is %s", got)
	}
}

// TestFalseAlarms: of comparisons of the same thing, fewer than one in twenty finds something slower or faster even without
// any tolerance, although each has three figures. (500 comparisons; at one in twenty, 40 would be over three standard deviations.)
func TestFalseAlarms(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	alarms := 0
	for range 500 {
		for _, verdict := range verdicts(t, noisyRuns(rng, 5, 1, 0.05), noisyRuns(rng, 5, 1, 0.05), Comparing{Tolerance: -1}) {
			if verdict == Slower || verdict == Faster {
				alarms++
				break
			}
		}
	}
	if alarms > 40 {
		t.Errorf("%d of 500 comparisons of the same thing raised an alarm", alarms)
	}
}

// TestIntervals: Student's t for five pairs, against a value computed by hand: logarithms 0.01, 0.02, 0.03, 0.04, 0.05 have mean
// 0.03 and deviation 0.0158114; t(4) at 97.5 % is 2.776445.
func TestIntervals(t *testing.T) {
	f := figure{name: "throughput"}
	for i := range 5 {
		f.a, f.b = append(f.a, 100), append(f.b, 100*math.Exp(0.01*float64(i+1)))
	}
	r := f.ratio(0.95)
	half := 2.776445 * 0.0158114 / math.Sqrt(5)
	if math.Abs(math.Log(r.Low)-(0.03-half)) > 1e-5 || math.Abs(math.Log(r.High)-(0.03+half)) > 1e-5 {
		t.Errorf("%+v, want exp(0.03 ± %g)", r, half)
	}
}

// TestKindsAreCompared: each that is in all runs, and a kind that got slower is seen though all together did not.
func TestKindsAreCompared(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	a, b := noisyRuns(rng, 8, 1, 0.01), noisyRuns(rng, 8, 1, 0.01)
	for i := range a {
		a[i].LatencyMS["read"] = Latency{P50: 1 + float64(i)/1000, P99: 2}
		b[i].LatencyMS["read"] = Latency{P50: 1.5 + float64(i)/1000, P99: 2}
	}
	a[3].LatencyMS["rare"] = Latency{P50: 1, P99: 1}
	got := verdicts(t, a, b, Comparing{})
	if len(got) != 7 || got["p50 read"] != Slower || got["p99 read"] != Similar || got["p50 all"] != Similar {
		t.Errorf("%v", got)
	}
}

// TestNothingCommitted is slower than anything.
func TestNothingCommittedIsSlower(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	a, b := noisyRuns(rng, 3, 1, 0.001), noisyRuns(rng, 3, 1, 0.001)
	for i := range b {
		b[i].CommittedPerS = 0
	}
	if got := verdicts(t, a, b, Comparing{}); got["throughput"] != Slower {
		t.Errorf("%v", got)
	}
}

func TestWhatCanNotBeCompared(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	runs := noisyRuns(rng, 3, 1, 0.01)
	other := noisyRuns(rng, 3, 1, 0.01)
	for i := range other {
		other[i].Keys = 100
	}
	wrong, stopped := noisyRuns(rng, 3, 1, 0.01), noisyRuns(rng, 3, 1, 0.01)
	wrong[1].Wrong, stopped[2].Interrupted = []string{"district 3"}, true
	for _, test := range []struct {
		name      string
		a, b      []Report
		comparing Comparing
		want      string
	}{
		{"nothing", nil, runs, Comparing{}, "A has none"},
		{"one run", runs[:1], runs[1:2], Comparing{}, "single run"},
		{"more runs", runs, runs[:2], Comparing{}, "A has 3 runs and B has 2"},
		{"another configuration", runs, other, Comparing{}, "B has no run of rows, saga, 5000 keys"},
		{"one more configuration", runs, append(runs[:3:3], other...), Comparing{}, "A has no run of rows, saga, 100 keys"},
		{"a wrong audit", runs, wrong, Comparing{}, "run 2 of B: ycsb: wrong audit: district 3"},
		{"an interrupted run", stopped, runs, Comparing{}, "run 3 of A was interrupted"},
		{"tolerance", runs, runs, Comparing{Tolerance: 1}, "tolerance"},
		{"confidence", runs, runs, Comparing{Confidence: 1}, "confidence"},
	} {
		if _, err := Compare(test.a, test.b, test.comparing); !matches(err, test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Compare(runs, wrong, Comparing{}); !errors.Is(err, ErrAudit) {
		t.Errorf("error %v", err)
	}
}
