package ycsb

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// runner has a client make one operation after the other. It shares the processor with what it measures, so beyond the
// client's own work an operation costs one id, one look at the clock, and no memory that another runner writes.
type runner struct {
	run    *mixRun
	client Client
	ids    requestIDs
	left   uint64 // operations of the measured part that it may still make
	tally  tally
	done   atomic.Uint64 // operations, for the progress; written by this runner only
	_      [64]byte
}

func newRunner(r *mixRun, number int, began time.Time) *runner {
	c := &runner{
		run:    r,
		client: r.workload.Client(number, rand.New(rand.NewPCG(r.driving.Seed, uint64(number)))),
		ids:    newRequestIDs(began, number),
		left:   math.MaxUint64,
	}
	if r.driving.Operations > 0 && r.driving.Rate == 0 {
		clients := uint64(r.driving.Clients)
		c.left = r.driving.Operations / clients
		if uint64(number) < r.driving.Operations%clients {
			c.left++
		}
	}
	return c
}

// closedLoop makes operations until the time or the operations are over. The end of one is the start of the next, so that the
// runner's own time counts as latency rather than being lost.
func (c *runner) closedLoop() {
	c.tally.begin(c.run)
	for now := time.Now(); c.left > 0 && now.Before(c.run.to) && !c.run.stop.Load(); {
		now = c.operate(now)
	}
	c.tally.flush()
}

// openLoop makes an operation for each arrival.
func (c *runner) openLoop(arrivals <-chan time.Time) {
	c.tally.begin(c.run)
	for intended := range arrivals {
		c.operate(intended)
	}
	c.tally.flush()
}

// operate makes one operation, which counts if its start is in the measured part, and returns when it ended.
func (c *runner) operate(start time.Time) (end time.Time) {
	kind := c.client.Next()
	id := ""
	if c.run.withID[kind] {
		id = c.ids.next()
	}
	err := c.client.Do(context.Background(), id) // operations are never cancelled: their outcomes are wanted
	end = time.Now()
	if !start.Before(c.run.from) {
		c.tally.count(kind, err, start, end)
		c.left--
	}
	c.done.Store(c.done.Load() + 1)
	return end
}
