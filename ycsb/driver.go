package ycsb

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what a run measured. Only operations that started in the measured part count, and every one of them does: the
// run waits for the answer of the last.
type Result struct {
	Committed  uint64 // operations that took effect, or read
	Failed     uint64 // operations that had no effect
	Unknown    uint64 // operations of which that is not known
	NotStarted uint64 // open loop: arrivals that found no free client before the end
	// Elapsed is from the start of the measured part to the answer of its last operation.
	Elapsed time.Duration
	// Counters are what the target counted meanwhile.
	Counters Counters
	// SumBefore and SumAfter are the sums of all balances before and after the mix.
	SumBefore, SumAfter int64
	// Latency has the percentiles of each kind of operation that there was, under its name, and of "all". In an open loop an
	// arrival that was never started counts with the time that it waited.
	Latency map[string]Latency
	// Interrupted: the context was cancelled and the run ended early.
	Interrupted bool
	// FirstFailure and FirstUnknown are examples of errors; nil if there were none.
	FirstFailure, FirstUnknown error
}

// PerSecond is the rate of committed operations.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Committed) / r.Elapsed.Seconds()
}

// Run loads the rows into the target, audits, runs the mix, and audits again. It blocks until all is done.
//
// When the context is cancelled the mix ends early, and what was measured is audited and returned with Interrupted set; when
// it is cancelled before the mix began the error is [ErrInterrupted]. A sum that changed is [ErrWrongSum], along with the
// result. Other errors: a configuration that does not validate, a row that can not be loaded or audited.
func Run(ctx context.Context, config Config, target Target) (Result, error) {
	return run(ctx, config, target, sleepUntil)
}

func run(ctx context.Context, config Config, target Target, sleep func(time.Time)) (Result, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return Result{}, err
	}
	if err := load(ctx, config, target); err != nil {
		return Result{}, err
	}
	before, err := audit(config, target)
	if err != nil {
		return Result{}, err
	}
	result := newMixRun(config, target, sleep).measure(ctx)
	result.SumBefore = before
	if result.SumAfter, err = audit(config, target); err != nil {
		return result, err
	}
	if result.SumBefore != result.SumAfter {
		return result, fmt.Errorf("%w: %d before, %d after, a difference of %+d", ErrWrongSum,
			result.SumBefore, result.SumAfter, result.SumAfter-result.SumBefore)
	}
	return result, nil
}

// mixRun is stage 2 of a run.
type mixRun struct {
	config    Config
	target    Target
	keys      *keySource
	latencies *latencies
	clients   []*client
	sleep     func(until time.Time)

	start    time.Time // of the warm-up
	from, to time.Time // the measured part
	stop     atomic.Bool
}

func newMixRun(config Config, target Target, sleep func(time.Time)) *mixRun {
	r := &mixRun{
		config:    config,
		target:    target,
		keys:      newKeySource(config.Keys, config.Distribution, config.Theta),
		latencies: newLatencies(),
		sleep:     sleep,
	}
	began := time.Now()
	for i := range config.Clients {
		r.clients = append(r.clients, newClient(r, i, began))
	}
	return r
}

// measure runs the mix and returns all but the sums.
func (r *mixRun) measure(ctx context.Context) Result {
	r.start = time.Now()
	r.from = r.start.Add(r.config.Warmup)
	r.to = r.from.Add(r.config.Duration)
	defer r.reportProgress()()
	defer context.AfterFunc(ctx, func() { r.stop.Store(true) })()

	var running sync.WaitGroup
	lost := uint64(0)
	if r.config.Rate > 0 {
		running.Go(func() { lost = r.pace(ctx, &running) })
	} else {
		for _, c := range r.clients {
			running.Go(c.closedLoop)
		}
	}
	counted := r.countersWhenWarm(ctx)
	running.Wait()
	return r.result(counted, lost, ctx.Err() != nil)
}

// countersWhenWarm returns the counters at the start of the measured part.
func (r *mixRun) countersWhenWarm(ctx context.Context) Counters {
	warm := time.NewTimer(time.Until(r.from))
	defer warm.Stop()
	select {
	case <-warm.C:
	case <-ctx.Done():
	}
	return r.target.Counters()
}

func (r *mixRun) result(counted Counters, lost uint64, interrupted bool) Result {
	now := r.target.Counters()
	result := Result{
		Counters:    Counters{Retries: now.Retries - counted.Retries, Deadlocks: now.Deadlocks - counted.Deadlocks},
		NotStarted:  lost,
		Latency:     r.latencies.summary(),
		Interrupted: interrupted,
	}
	last := r.from
	for _, c := range r.clients {
		t := &c.tally
		result.Committed += t.committed
		result.Failed += t.failed
		result.Unknown += t.unknown
		if result.FirstFailure == nil {
			result.FirstFailure = t.firstFailure
		}
		if result.FirstUnknown == nil {
			result.FirstUnknown = t.firstUnknown
		}
		if t.last.After(last) {
			last = t.last
		}
	}
	if !interrupted && last.Before(r.to) {
		last = r.to // an open loop with a low rate: the last arrival was answered before the end
	}
	result.Elapsed = last.Sub(r.from)
	return result
}
