package ycsb

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestClosedLoopCountsWhatStartsInTheMeasuredPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 10, Driving: Driving{Clients: 2, Warmup: time.Second, Duration: time.Second}}
		r, err := runBubble(t.Context(), c, newMemory(10*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if r.Committed != 200 || r.Failed+r.Unknown != 0 || r.Elapsed != time.Second || r.PerSecond() != 200 {
			t.Errorf("2 clients for 1 s with 10 ms each: %+v", r)
		}
		if all := r.Latency("all"); !near(all.P50, 10) || !near(all.Max, 10) || r.Latency("transfer") != all {
			t.Errorf("latency %+v", r.Kinds)
		}
		if before, after := sums(r); before != 10*OpeningBalance || after != before || r.Interrupted {
			t.Errorf("sums %+v", r)
		}
	})
}

// near allows for the histogram's three digits.
func near(ms, want float64) bool { return ms > want*0.998 && ms < want*1.002 }

// TestSlowLastOperation: an operation that outlasts the measured part is waited for, and makes the run longer.
func TestSlowLastOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := runBubble(t.Context(), Config{Keys: 2, Driving: Driving{Clients: 1, Duration: time.Second}}, newMemory(700*time.Millisecond))
		if err != nil || r.Committed != 2 || r.Elapsed != 1400*time.Millisecond {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestOpenLoopLatencyCountsFromTheIntendedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Every 50 ms one arrives, each takes 100 ms, one at a time: number k starts at 100k instead of 50k ms. The last to
		// start is number 10, at 1000 ms; it ends 600 ms late. Numbers 11 to 20 never start.
		c := Config{Keys: 2, Driving: Driving{Clients: 1, Rate: 20, Duration: 1050 * time.Millisecond}}
		r, err := runBubble(t.Context(), c, newMemory(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if r.Committed != 11 || r.NotStarted != 10 {
			t.Errorf("committed %d, not started %d, want 11 and 10", r.Committed, r.NotStarted)
		}
		if all := r.Latency("all"); !near(all.Max, 600) {
			t.Errorf("latency %+v, want at most 600 ms", all)
		}
	})
}

// TestOpenLoopWakesSeldom: with 20 arrivals a millisecond the generator sleeps 5 times, and all arrive, late by up to minSleep.
func TestOpenLoopWakesSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleeps := 0
		c := Config{Keys: 2, Driving: Driving{Clients: 64, Rate: 20_000, Duration: 100 * time.Millisecond}}
		r, err := run(t.Context(), c, newMemory(time.Millisecond), func(until time.Time) {
			sleeps++
			sleepByTimer(until)
		})
		if err != nil || r.Committed != 2000 || r.NotStarted != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		const last = 4 // arrivals within minSleep of the end, where it wakes for each
		if most := int(100*time.Millisecond/minSleep) + last; sleeps > most {
			t.Errorf("slept %d times in 100 ms, want at most %d", sleeps, most)
		}
		if all := r.Latency("all"); all.P50 < 1 || all.Max > 1.25 {
			t.Errorf("latency %+v", all)
		}
	})
}

func TestOpenLoopWithinItsMeans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 2, Driving: Driving{Clients: 8, Rate: 100, Warmup: time.Second, Duration: 2 * time.Second}}
		r, err := runBubble(t.Context(), c, newMemory(30*time.Millisecond))
		if err != nil || r.Committed != 200 || r.NotStarted != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if all := r.Latency("all"); !near(all.P50, 30) || !near(all.Max, 30) {
			t.Errorf("latency %+v", all)
		}
	})
}

// TestOpenLoopOverload: the rate is measured although most arrivals never start, also after a warm-up that left a backlog.
func TestOpenLoopOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 2, Driving: Driving{Clients: 10, Rate: 10_000, Warmup: time.Second, Duration: time.Second}}
		r, err := runBubble(t.Context(), c, newMemory(30*time.Millisecond))
		if err != nil || r.Committed < 310 || r.Committed > 340 || r.NotStarted+r.Committed != 10_000 {
			t.Errorf("committed %d, not started %d, %v; 10 clients with 30 ms each can do 333", r.Committed, r.NotStarted, err)
		}
		if all := r.Latency("all"); all.P50 < 450 || all.P50 > 520 {
			t.Errorf("latency %+v", all)
		}
	})
}

func TestMixIsRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 100, Mix: Mix{Read: 0.5, Update: 0.25, Transfer: 0.25}, Distribution: Zipfian, Driving: Driving{Clients: 4, Duration: 10 * time.Second, Seed: 7}}
		first, second := newMemory(time.Millisecond), newMemory(time.Millisecond)
		a, errA := runBubble(t.Context(), c, first)
		b, errB := runBubble(t.Context(), c, second)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if a.Committed != 40_000 || b.Committed != a.Committed || first.calls["Read"] != second.calls["Read"] {
			t.Errorf("committed %d and %d, reads %d and %d", a.Committed, b.Committed, first.calls["Read"], second.calls["Read"])
		}
		if share := float64(first.calls["Read"]) / 40_000; share < 0.49 || share > 0.51 {
			t.Errorf("share of reads %g, want 0.5", share)
		}
		for key := range c.Keys {
			if first.balances[key] != second.balances[key] {
				t.Fatalf("key %d: %d and %d", key, first.balances[key], second.balances[key])
			}
		}
	})
}

func TestOutcomesAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		m := newMemory(time.Millisecond)
		m.transfer = func(m *memory, t Transfer) error {
			switch n++; n % 4 {
			case 0:
				return fmt.Errorf("%w: have 0, need 1", ErrInsufficientFunds)
			case 1:
				return fmt.Errorf("%w: closed", ErrUnknown)
			}
			return m.move(t)
		}
		r, err := runBubble(t.Context(), Config{Keys: 5, Driving: Driving{Clients: 1, Duration: time.Second}}, m)
		if err != nil || r.Committed != 500 || r.Failed != 250 || r.Unknown != 250 {
			t.Errorf("%+v, %v", r, err)
		}
		if !errors.Is(r.FirstFailure, ErrInsufficientFunds) || !errors.Is(r.FirstUnknown, ErrUnknown) {
			t.Errorf("examples %v, %v", r.FirstFailure, r.FirstUnknown)
		}
	})
}

func TestRollbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 5, Rollbacks: 0.25, Driving: Driving{Clients: 4, Duration: 5 * time.Second}}
		r, err := runBubble(t.Context(), c, newMemory(time.Millisecond))
		if share := float64(r.Failed) / float64(r.Failed+r.Committed); err != nil || share < 0.23 || share > 0.27 {
			t.Errorf("share of failures %g, want 0.25; %v", share, err)
		}
	})
}

func TestWrongSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(10 * time.Millisecond)
		m.transfer = func(m *memory, t Transfer) error {
			m.balances[t.To]++
			return nil
		}
		r, err := runBubble(t.Context(), Config{Keys: 2, Driving: Driving{Clients: 1, Duration: time.Second}}, m)
		if before, after := sums(r); !errors.Is(err, ErrAudit) || after != before+100 || r.Committed != 100 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestInterrupted: what was measured until then is audited and returned.
func TestInterrupted(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 505*time.Millisecond)
			defer cancel()
			c := Config{Keys: 4, Driving: Driving{Clients: 1, Rate: rate, Duration: time.Hour}}
			r, err := runBubble(ctx, c, newMemory(10*time.Millisecond))
			if _, after := sums(r); err != nil || !r.Interrupted || r.Committed != 51 || r.Elapsed != 510*time.Millisecond || after != 4*OpeningBalance {
				t.Errorf("rate %g: %+v, %v", rate, r, err)
			}
		})
	}
}

func TestInterruptedBeforeTheMix(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{}, newMemory(0)); !errors.Is(err, ErrInterrupted) {
		t.Errorf("error %v, want ErrInterrupted", err)
	}
}

func TestBadConfigRunsNothing(t *testing.T) {
	m := newMemory(0)
	if _, err := Run(t.Context(), Config{Keys: -1}, m); err == nil || len(m.balances) > 0 {
		t.Errorf("error %v, %d rows loaded", err, len(m.balances))
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stages []string
		last := Progress{}
		c := Config{Keys: 4, Driving: Driving{Clients: 1, Warmup: time.Second, Duration: time.Second, OnProgress: func(p Progress) {
			if p.Stage != last.Stage {
				stages = append(stages, p.Stage)
			} else if p.Done < last.Done || p.Count < last.Count {
				t.Errorf("progress went back from %+v to %+v", last, p)
			}
			if p.Done < 0 || p.Done > 1 {
				t.Errorf("progress %+v", p)
			}
			last = p
		}}}
		if _, err := runBubble(t.Context(), c, newMemory(10*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(stages) != "[load audit warm-up run audit]" {
			t.Errorf("stages %v", stages)
		}
	})
}

// TestLatencyBeyondTheHistogram: it counts as the longest that is told apart.
func TestLatencyBeyondTheHistogram(t *testing.T) {
	var h Histogram
	h.record(micros(11*time.Minute), 1)
	h.record(micros(-time.Second), 1)
	if l := h.Latency(); !near(l.Max, float64(MaxLatency.Milliseconds())) || l.P50 > 0.001 {
		t.Errorf("%+v", l)
	}
}

// TestSleepUntil: it is never early.
func TestSleepUntil(t *testing.T) {
	sleep, done := newSleep()
	defer done()
	for _, d := range []time.Duration{-time.Second, 0, 50 * time.Microsecond, 3 * time.Millisecond} {
		until := time.Now().Add(d)
		if sleep(until); time.Now().Before(until) {
			t.Errorf("woke before %v had passed", d)
		}
	}
}

// TestOnMeasured: who wants to look at the measured part is told when it begins and when its last operation is answered, before the
// audit; and nothing of a run that ends in the warm-up.
func TestOnMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, over time.Duration
		start := time.Now()
		c := Config{Keys: 2, Driving: Driving{Clients: 1, Warmup: time.Second, Duration: time.Second}}
		c.OnMeasured = func() func() {
			began = time.Since(start)
			return func() { over = time.Since(start) }
		}
		memory := newMemory(700 * time.Millisecond) // what is loaded and audited takes no time
		if _, err := runBubble(t.Context(), c, memory); err != nil || began != time.Second || over != 2100*time.Millisecond {
			t.Errorf("from %v to %v, %v", began, over, err)
		}
		began, start = 0, time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if r, err := runBubble(ctx, c, memory); err != nil || !r.Interrupted || began != 0 {
			t.Errorf("told after %v of a run that ended in its warm-up, %v", began, err)
		}
	})
}
