package ycsb

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// schedule says when the operations of an open loop are meant to start.
type schedule struct {
	start   time.Time
	rate    float64
	random  *rand.Rand // nil for even intervals
	number  uint64     // of the next arrival
	elapsed float64    // Poisson: seconds from the start to the arrival before it
	at      time.Time
}

// arrivalStream is the stream of random numbers for Poisson arrivals.
const arrivalStream = math.MaxUint64 - 2

func newSchedule(start time.Time, d Driving) *schedule {
	s := &schedule{start: start, rate: d.Rate, at: start}
	if d.Arrivals == Poisson {
		s.random = rand.New(rand.NewPCG(d.Seed, arrivalStream))
		s.at = s.after(s.random.ExpFloat64())
	}
	return s
}

// advance goes on to the next arrival.
func (s *schedule) advance() {
	s.number++
	if s.random != nil {
		s.at = s.after(s.random.ExpFloat64())
		return
	}
	s.at = s.start.Add(time.Duration(float64(s.number) / s.rate * float64(time.Second)))
}

// after is the arrival that follows the last one by so many mean intervals.
func (s *schedule) after(intervals float64) time.Time {
	s.elapsed += intervals / s.rate
	return s.start.Add(time.Duration(s.elapsed * float64(time.Second)))
}

// minSleep is the least time between two wakings of an open loop, but at its very end. Arrivals that are closer to each other begin
// together, late by 0.1 ms on average, which counts: to wake for each of 60,000 a second would take half a processor from what is
// measured.
const minSleep = 200 * time.Microsecond

// pace is the open loop: each arrival is taken by the first runner that is free. While all are busy arrivals wait, and their
// latency counts from when they were meant to start (against what Gil Tene calls coordinated omission). It returns the number
// of arrivals in the measured part that were never started, and adds the time that they waited to the latencies: an
// overloaded target does not look better for them.
func (r *mixRun) pace(ctx context.Context, running *sync.WaitGroup) (lost uint64) {
	arrivals := make(chan time.Time) // no buffer: what waits, waits here
	defer close(arrivals)
	for _, c := range r.runners {
		running.Go(func() { c.openLoop(arrivals) })
	}
	end := time.NewTimer(time.Until(r.to))
	defer end.Stop()
	woke := r.start
	measured := uint64(0) // arrivals of the measured part
	for s := newSchedule(r.start, r.driving); s.at.Before(r.to); s.advance() {
		if s.at.Before(r.from) && !time.Now().Before(r.from) {
			continue // the warm-up has left a backlog; the measured part starts without it
		}
		if time.Until(s.at) > 0 {
			wake := s.at
			if next := woke.Add(minSleep); wake.Before(next) && next.Before(r.to) {
				wake = next
			}
			if !r.sleepUntil(wake) {
				return r.lose(s, time.Now())
			}
			woke = time.Now()
		}
		select {
		case arrivals <- s.at:
		case <-end.C:
			return r.lose(s, r.to)
		case <-ctx.Done():
			return r.lose(s, time.Now())
		}
		if !s.at.Before(r.from) {
			if measured++; measured == r.driving.Operations {
				return 0
			}
		}
	}
	return 0
}

// sleepByTimer sleeps until a time by Go's timer.
func sleepByTimer(until time.Time) { time.Sleep(time.Until(until)) }

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

// lose counts the arrivals from the next one on that were due before the end and were not started. A client that nobody else
// uses draws what they would have been.
func (r *mixRun) lose(s *schedule, end time.Time) (lost uint64) {
	m := r.measured
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; s.at.Before(end); s.advance() {
		if !s.at.Before(r.from) {
			m.kinds[r.spare.Next()].latency.record(micros(end.Sub(s.at)), 1)
			lost++
		}
	}
	return lost
}
