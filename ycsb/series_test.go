package ycsb

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestSeries: an entry for each interval, with what ended in it; the last has also what ended later. All entries together are
// the run.
func TestSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(30 * time.Millisecond)
		c := Config{Keys: 10, Driving: Driving{Clients: 10, Warmup: 60 * time.Millisecond, Duration: time.Second, Interval: 100 * time.Millisecond}}
		r, err := runBubble(t.Context(), c, m)
		if err != nil || len(r.Series) != 10 {
			t.Fatalf("%d entries, %v", len(r.Series), err)
		}
		var sum Counts
		for i, e := range r.Series {
			sum = sum.plus(e.Counts)
			if want := float64(i+1) / 10; i < 9 && e.At != want {
				t.Errorf("entry %d ends at %g, want %g", i, e.At, want)
			}
			if e.Committed < 30 || e.Committed > 50 || math.Abs(e.P50-30) > 0.5 || math.Abs(e.P99-30) > 0.5 {
				t.Errorf("entry %d: %+v", i, e)
			}
		}
		if sum != r.Counts || r.Series[9].At != r.Elapsed.Seconds() {
			t.Errorf("the entries have %+v and end at %g, the run %+v and %v", sum, r.Series[9].At, r.Counts, r.Elapsed)
		}
	})
}

// TestSeriesOfAnInterruptedRun ends where the run ended, also exactly between two entries.
func TestSeriesOfAnInterruptedRun(t *testing.T) {
	for _, after := range []time.Duration{195 * time.Millisecond, 255 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			c := Config{Keys: 10, Driving: Driving{Clients: 1, Duration: time.Minute, Interval: 100 * time.Millisecond}}
			r, err := runBubble(ctx, c, newMemory(10*time.Millisecond))
			if err != nil || len(r.Series) != int(math.Ceil(r.Elapsed.Seconds()*10)) {
				t.Fatalf("%d entries of %v, %v", len(r.Series), r.Elapsed, err)
			}
			var sum Counts
			for _, e := range r.Series {
				sum = sum.plus(e.Counts)
			}
			if last := r.Series[len(r.Series)-1]; sum != r.Counts || last.At != r.Elapsed.Seconds() {
				t.Errorf("the entries have %+v and end at %g, the run %+v and %v", sum, last.At, r.Counts, r.Elapsed)
			}
		})
	}
}

// TestQuietSeries: intervals in which nothing ends are entries like any other.
func TestQuietSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 10, Driving: Driving{Clients: 1, Duration: time.Second, Interval: 100 * time.Millisecond}}
		r, err := runBubble(t.Context(), c, newMemory(450*time.Millisecond))
		var committed []uint64
		for _, e := range r.Series {
			committed = append(committed, e.Committed)
		}
		if want := []uint64{0, 0, 0, 0, 1, 0, 0, 0, 0, 2}; err != nil || !slices.Equal(committed, want) {
			t.Errorf("%v, %v, want %v", committed, err, want)
		}
	})
}

// counting is a target that counts time: a retry a millisecond, and a wait for a lock of the same time.
type counting struct {
	*memory
	began time.Time
}

func (c counting) Counters() Counters {
	spent := time.Since(c.began)
	return Counters{Retries: uint64(spent.Milliseconds()), Deadlocks: 7, LockWaits: uint64(spent.Milliseconds()), LockWaitTime: spent}
}

// TestSeriesOfCounters: each entry has what was counted in it, and together they are what the run counted after its warm-up.
func TestSeriesOfCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 10, Driving: Driving{Clients: 1, Warmup: 300 * time.Millisecond, Duration: time.Second, Interval: 250 * time.Millisecond}}
		r, err := runBubble(t.Context(), c, counting{newMemory(10 * time.Millisecond), time.Now()})
		if err != nil || len(r.Series) != 4 {
			t.Fatalf("%+v, %v", r.Series, err)
		}
		for i, e := range r.Series {
			if e.Retries != 250 || e.LockWaits != 250 || e.LockWaitMS != 250 || e.Deadlocks != 0 {
				t.Errorf("entry %d: %+v", i, e)
			}
		}
		if want := (Counters{Retries: 1000, LockWaits: 1000, LockWaitTime: time.Second}); r.Counters != want {
			t.Errorf("%+v, want %+v", r.Counters, want)
		}
	})
}

// TestProgressHasTheP99 of the last interval, once there is one.
func TestProgressHasTheP99(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []time.Duration
		c := Config{Keys: 10, Driving: Driving{Clients: 3, Duration: 2 * time.Second, Interval: 500 * time.Millisecond}}
		c.OnProgress = func(p Progress) {
			if p.Stage == "run" && p.Spent > 600*time.Millisecond {
				seen = append(seen, p.P99)
			}
		}
		if _, err := runBubble(t.Context(), c, newMemory(20*time.Millisecond)); err != nil || len(seen) < 5 {
			t.Fatalf("%v, %v", seen, err)
		}
		for _, p99 := range seen {
			if !near(p99.Seconds()*1000, 20) && math.Abs(p99.Seconds()*1000-20) > 0.2 {
				t.Errorf("a p99 of %v, want 20 ms", p99)
			}
		}
	})
}

// TestPoissonArrivals: the intervals are exponential (chi-square over twenty equally likely classes), have the mean that the
// rate asks for, do not depend on each other, and are the same for the same seed.
func TestPoissonArrivals(t *testing.T) {
	const rate, n, classes = 1000.0, 100_000, 20
	s := newSchedule(time.Unix(0, 0), Driving{Rate: rate, Arrivals: Poisson, Seed: 3})
	again := newSchedule(time.Unix(0, 0), Driving{Rate: rate, Arrivals: Poisson, Seed: 3})
	counts, repeats := make([]int, classes), make([]int, 4)
	last, before := time.Unix(0, 0), 0.0
	for range n {
		gap := s.at.Sub(last).Seconds()
		counts[min(int((1-math.Exp(-gap*rate))*classes), classes-1)]++
		long, wasLong := gap*rate > math.Ln2, before*rate > math.Ln2
		repeats[2*btoi(long)+btoi(wasLong)]++
		last, before = s.at, gap
		if !s.at.Equal(again.at) {
			t.Fatal("the same seed gave another arrival")
		}
		s.advance()
		again.advance()
	}
	fits(t, "gaps", counts, slices.Repeat([]float64{1.0 / classes}, classes))
	fits(t, "pairs of gaps", repeats, []float64{0.25, 0.25, 0.25, 0.25})
	if mean := last.Sub(time.Unix(0, 0)).Seconds() / n * rate; math.Abs(mean-1) > 0.02 {
		t.Errorf("the mean gap is %g of what the rate asks for", mean)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestConstantArrivals: even intervals, without an error that adds up.
func TestConstantArrivals(t *testing.T) {
	s := newSchedule(time.Unix(0, 0), Driving{Rate: 3, Arrivals: Constant})
	for range 3_000_000 {
		s.advance()
	}
	if got := s.at.Sub(time.Unix(0, 0)); got != 1_000_000*time.Second {
		t.Errorf("arrival 3,000,000 at %v, want 1,000,000 s", got)
	}
}

// TestPoissonLoop: the rate is kept, and bursts wait for one another, as they would not with even intervals.
func TestPoissonLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 10, Driving: Driving{Clients: 1, Rate: 50, Duration: 40 * time.Second}}
		even, err := runBubble(t.Context(), c, newMemory(10*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		c.Arrivals = Poisson
		r, err := runBubble(t.Context(), c, newMemory(10*time.Millisecond))
		if err != nil || r.Committed < 1850 || r.Committed > 2150 {
			t.Errorf("%d operations in 40 s, want about 2,000; %v", r.Committed, err)
		}
		if r.Offered != float64(r.Committed+r.NotStarted)/40 || even.Offered != 50 {
			t.Errorf("offered %g and %g a second", r.Offered, even.Offered)
		}
		if evenMax, max := even.Latency("all").Max, r.Latency("all").P95; !near(evenMax, 10) || max < 15 {
			t.Errorf("latency up to %g ms with even intervals, p95 %g ms with Poisson's", evenMax, max)
		}
	})
}

// TestLostArrivalsHaveKinds: what never started counts as what it would have been.
func TestLostArrivalsHaveKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 10, Mix: Mix{Read: 0.25, Transfer: 0.75}, Driving: Driving{Clients: 1, Rate: 10_000, Duration: time.Second}}
		r, err := runBubble(t.Context(), c, newMemory(100*time.Millisecond))
		reads, transfers := r.Kinds["read"].Latency, r.Kinds["transfer"].Latency
		share := float64(reads.Count()) / float64(reads.Count()+transfers.Count())
		if err != nil || r.NotStarted < 9980 || reads.Count()+transfers.Count() != int64(r.NotStarted+r.Committed) || math.Abs(share-0.25) > 0.02 {
			t.Errorf("%d reads and %d transfers, %+v, %v", reads.Count(), transfers.Count(), r, err)
		}
	})
}

// TestHistogramOfRandomLatencies: quantiles are those of the samples, to three digits.
func TestHistogramOfRandomLatencies(t *testing.T) {
	var h Histogram
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]int64, 10_000)
	for i := range all {
		all[i] = int64(rng.ExpFloat64() * 5000)
		h.record(all[i], 1)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.99, 0.999} {
		want := float64(all[int(math.Ceil(q*10_000))-1])
		if got := float64(h.Quantile(q).Microseconds()); math.Abs(got-want) > want*0.002+1 {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
	if (&Histogram{}).Quantile(0.5) != 0 || (&Histogram{}).Latency() != (Latency{}) {
		t.Error("an empty histogram has a latency")
	}
}
