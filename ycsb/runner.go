package ycsb

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// runner has a client make one operation after the other. It shares the processor with what it measures, so beyond the
// client's own work an operation costs one id, one or two looks at the clock, and no memory that another runner writes.
type runner struct {
	run    *mixRun
	client Client
	ready  Preparer // the client if it is one
	ids    requestIDs
	left   uint64 // operations of the measured part that it may still make
	tally  tally
	begun  atomic.Uint64 // operations of an open loop; written by this runner only, as is done
	done   atomic.Uint64 // those that were answered
	_      [64]byte
}

func newRunner(r *mixRun, number int, began time.Time) *runner {
	c := &runner{
		run:    r,
		client: r.workload.Client(number, rand.New(rand.NewPCG(r.driving.Seed, uint64(number)))),
		ids:    newRequestIDs(began, number),
		left:   math.MaxUint64,
	}
	c.ready, _ = c.client.(Preparer)
	if r.driving.Operations > 0 && r.driving.Rate == 0 {
		clients := uint64(r.driving.Clients)
		c.left = r.driving.Operations / clients
		if uint64(number) < r.driving.Operations%clients {
			c.left++
		}
	}
	return c
}

// closedLoop makes operations until the time or the operations are over. What the runner does itself between them is lost to the
// throughput and is no latency; only where it does next to nothing the end of one is the start of the next.
func (c *runner) closedLoop() {
	c.tally.begin(c.run)
	for now := time.Now(); c.left > 0 && now.Before(c.run.to) && !c.run.stop.Load(); {
		now = c.operate(nil, now)
	}
	c.tally.flush()
}

// openLoop makes an operation for each arrival.
func (c *runner) openLoop(arrivals <-chan arrival) {
	c.tally.begin(c.run)
	for a := range arrivals {
		if a.due.IsZero() {
			a.due = time.Now()
		}
		c.operate(&a, time.Time{})
	}
	c.tally.flush()
}

// operate makes one operation and returns when it ended. Its latency counts from when it was meant to start, or else from when it did;
// it counts at all if that is in the measured part. now is when the last one ended, of a closed loop.
func (c *runner) operate(a *arrival, now time.Time) (end time.Time) {
	kind := c.client.Next()
	short := c.ready != nil && c.ready.Prepare()
	id := ""
	if c.run.withID[kind] {
		id = c.ids.next()
	}
	start := now
	if a != nil {
		c.begun.Store(c.begun.Load() + 1)
	}
	if !short || a != nil || c.tally.used == 0 { // or the last one was handed in, which may take a while
		start = time.Now()
	}
	intended := start
	if a != nil {
		intended = a.at
	}
	err := c.client.Do(context.Background(), id) // operations are never cancelled: their outcomes are wanted
	end = time.Now()
	if !intended.Before(c.run.from) {
		if a != nil {
			c.tally.lag(start.Sub(a.due))
		}
		c.tally.count(kind, err, intended, end)
		c.left--
	}
	if err != nil && errors.Is(err, ErrStore) {
		c.run.fail(err)
	}
	c.done.Store(c.done.Load() + 1)
	return end
}
