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

// skipTo goes on to the first arrival from t on, without those before it.
func (s *schedule) skipTo(t time.Time) {
	elapsed := t.Sub(s.start).Seconds()
	if s.random != nil {
		s.elapsed = elapsed // Poisson arrivals do not remember
		s.advance()
		return
	}
	s.number = max(s.number, uint64(math.Ceil(elapsed*s.rate)))
	for s.number--; s.at.Before(t); { // the time is rounded
		s.advance()
	}
}

// left is how many arrivals there are from this one to before end: of Poisson arrivals on average.
func (s *schedule) left(end time.Time) uint64 {
	if !s.at.Before(end) {
		return 0
	}
	return max(1, uint64(math.Ceil(end.Sub(s.at).Seconds()*s.rate)))
}

// skip goes on by so many arrivals; more than one are taken to come at even intervals.
func (s *schedule) skip(arrivals uint64) {
	s.number += arrivals - 1
	s.elapsed += float64(arrivals-1) / s.rate
	s.advance()
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

// arrival is an operation of an open loop.
type arrival struct {
	at time.Time // when it is meant to start
	// due is when it could start: later than at if all runners were busy then, which is not the load generator's fault. It is zero
	// until one is free.
	due time.Time
}

// pace is the open loop: each arrival is taken by the first runner that is free. While all are busy arrivals wait, and their
// latency counts from when they were meant to start (against what Gil Tene calls coordinated omission). It returns the number
// of arrivals in the measured part that were never started, and adds the time that they waited to the latencies: an
// overloaded target does not look better for them.
func (r *mixRun) pace(ctx context.Context, running *sync.WaitGroup) (lost uint64) {
	arrivals := make(chan arrival) // no buffer: what waits, waits here
	defer close(arrivals)
	for _, c := range r.runners {
		running.Go(func() { c.openLoop(arrivals) })
	}
	end := time.NewTimer(time.Until(r.to))
	defer end.Stop()
	woke, free := r.start, r.start // free: until then all runners were busy
	measured := uint64(0)          // arrivals of the measured part
	for s := newSchedule(r.start, r.driving); s.at.Before(r.to); s.advance() {
		if s.at.Before(r.from) && !time.Now().Before(r.from) {
			s.skipTo(r.from) // the warm-up has left a backlog; the measured part starts without it
			if !s.at.Before(r.to) {
				return 0
			}
		}
		if !r.await(s.at, &woke) || r.stop.Load() {
			return r.lose(s, earlier(time.Now(), r.to))
		}
		a := arrival{at: s.at, due: s.at}
		if a.due.Before(free) {
			a.due = free
		}
		select {
		case arrivals <- a:
		default:
			a.due = time.Time{}
			select {
			case arrivals <- a:
				free = time.Now()
			case <-end.C:
				return r.lose(s, r.to)
			case <-ctx.Done():
				return r.lose(s, earlier(time.Now(), r.to))
			}
		}
		if !s.at.Before(r.from) {
			if measured++; measured == r.driving.Operations {
				return 0
			}
		}
	}
	return 0
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// await waits until it is time for an arrival, and returns false soon after the run was interrupted. woke is when it woke last.
func (r *mixRun) await(at time.Time, woke *time.Time) bool {
	if time.Until(at) <= 0 {
		return true
	}
	if next := woke.Add(minSleep); at.Before(next) && next.Before(r.to) {
		at = next
	}
	slept := r.sleepUntil(at)
	*woke = time.Now()
	return slept
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

// maxLost bounds how many arrivals are counted one by one of those that never started; if there are more, each that is stands for
// several.
const maxLost = 1 << 20

// lose counts the arrivals from the next one on that were due before the end and were not started. A client that nobody else
// uses draws what they would have been.
func (r *mixRun) lose(s *schedule, end time.Time) (lost uint64) {
	m := r.measured
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.at.Before(r.from) {
		s.skipTo(r.from)
	}
	for each := s.left(end)/maxLost + 1; s.at.Before(end); s.skip(each) {
		each = min(each, s.left(end))
		m.kinds[r.spare.Next()].latency.record(micros(end.Sub(s.at)), int64(each))
		lost += each
	}
	return lost
}
