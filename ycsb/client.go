package ycsb

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// client makes one operation after the other. It shares the processor with what it measures, so an operation costs a few
// random numbers, one id, one look at the clock, and no memory that another client writes.
type client struct {
	run   *mixRun
	rng   *rand.Rand
	ids   requestIDs
	tally tally
	done  atomic.Uint64 // operations, for the progress; written by this client only
	_     [64]byte
}

func newClient(r *mixRun, number int, began time.Time) *client {
	c := &client{
		run: r,
		rng: rand.New(rand.NewPCG(r.config.Seed, uint64(number))),
		ids: newRequestIDs(began, number),
	}
	c.tally.to = r.latencies
	return c
}

// closedLoop makes operations until the time is over. The end of one is the start of the next, so that the client's own time
// counts as latency rather than being lost.
func (c *client) closedLoop() {
	for now := time.Now(); now.Before(c.run.to) && !c.run.stop.Load(); {
		now = c.operate(now)
	}
	c.tally.flush()
}

// openLoop makes an operation for each arrival.
func (c *client) openLoop(arrivals <-chan time.Time) {
	for intended := range arrivals {
		c.operate(intended)
	}
	c.tally.flush()
}

// operate makes one operation, which counts if its start is in the measured part, and returns when it ended.
func (c *client) operate(start time.Time) (end time.Time) {
	kind := c.run.config.Mix.pick(c.rng.Float64())
	err := c.call(kind)
	end = time.Now()
	if !start.Before(c.run.from) {
		c.tally.count(kind, err, end.Sub(start))
		c.tally.last = end
	}
	c.done.Store(c.done.Load() + 1)
	return end
}

// call draws an operation of this kind and has the target do it.
func (c *client) call(kind Kind) error {
	r, ctx := c.run, context.Background() // operations are never cancelled: their outcomes are wanted
	id := ""
	if kind != Read && !r.config.NoIDs {
		id = c.ids.next()
	}
	switch kind {
	case Read:
		return r.target.Read(ctx, r.keys.draw(c.rng))
	case Update:
		u := FieldUpdate{Key: r.keys.draw(c.rng), Field: c.rng.IntN(NumFields), Value: newField(c.rng)}
		return r.target.Update(ctx, id, u)
	default:
		t := Transfer{Amount: 1}
		t.From, t.To = r.keys.drawPair(c.rng)
		t.Refuse = r.config.Rollbacks > 0 && c.rng.Float64() < r.config.Rollbacks
		return r.target.Transfer(ctx, id, t)
	}
}
