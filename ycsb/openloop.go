package ycsb

import (
	"context"
	"sync"
	"time"
)

// pace is the open loop: arrivals at even intervals, each taken by the first client that is free. While all are busy arrivals
// wait, and their latency counts from when they were meant to start (against what Gil Tene calls coordinated omission). It
// returns the number of arrivals in the measured part that were never started, and adds the time that they waited to the
// latencies: an overloaded target does not look better for them.
func (r *mixRun) pace(ctx context.Context, running *sync.WaitGroup) (lost uint64) {
	arrivals := make(chan time.Time) // no buffer: what waits, waits here
	defer close(arrivals)
	for _, c := range r.clients {
		running.Go(func() { c.openLoop(arrivals) })
	}
	end := time.NewTimer(time.Until(r.to))
	defer end.Stop()
	for n := uint64(0); ; n++ {
		intended := r.arrival(n)
		if !intended.Before(r.to) {
			return 0
		}
		if intended.Before(r.from) && !time.Now().Before(r.from) {
			continue // the warm-up has left a backlog; the measured part starts without it
		}
		if !r.sleepUntil(intended) {
			return r.lose(n, time.Now())
		}
		select {
		case arrivals <- intended:
		case <-end.C:
			return r.lose(n, r.to)
		case <-ctx.Done():
			return r.lose(n, time.Now())
		}
	}
}

// sleepUntil sleeps until t and returns true, or returns false soon after the run was interrupted.
func (r *mixRun) sleepUntil(t time.Time) bool {
	const step = 100 * time.Millisecond
	for time.Until(t) > step && !r.stop.Load() {
		r.sleep(time.Now().Add(step))
	}
	if !r.stop.Load() {
		r.sleep(t)
	}
	return !r.stop.Load()
}

// arrival is when operation n is meant to start.
func (r *mixRun) arrival(n uint64) time.Time {
	return r.start.Add(time.Duration(float64(n) / r.config.Rate * float64(time.Second)))
}

// lose counts the arrivals from number n on that were due before the end and were not started.
func (r *mixRun) lose(n uint64, end time.Time) (lost uint64) {
	kind := r.likeliestKind()
	r.latencies.mu.Lock()
	defer r.latencies.mu.Unlock()
	for ; r.arrival(n).Before(end); n++ {
		if intended := r.arrival(n); !intended.Before(r.from) {
			r.latencies.add(kind, min(end.Sub(intended), MaxLatency).Microseconds(), 1)
			lost++
		}
	}
	return lost
}

// likeliestKind stands for the kind of an operation that was never drawn.
func (r *mixRun) likeliestKind() Kind {
	best := Read
	for k := range numKinds {
		if r.config.Mix.share(k) > r.config.Mix.share(best) {
			best = k
		}
	}
	return best
}
