package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/locks"
)

// Inventory is what an engine has in memory, recounted, beside what its counters say of it.
type Inventory struct {
	InFlight Counted // requests that wait for their outcome; see Options.MaxInFlight
	Timers   Counted // of instances, by weight; see Options.MaxTimers
	Queued   Counted // messages that nobody waits for, by weight; see Options.MaxMessages
	Cached   Counted // bytes of instances; see Options.CacheBytes
	Journals Counted // bytes of the journals of sagas; see Options.MaxJournalsBytes
	Held     Counted // records that undecided transactions hold back; see Options.MaxBacklog

	Left Counted // what an earlier process left and this one has not handled

	Background Counted // coordinator functions that no client's place counts for, by weight; see Options.MaxRuns

	Runs     int   // of coordinator functions that have outlived an epoch
	Messages int   // of any kind, and requests that were not accepted yet
	Locks    int   // instances whose lock is held or waited for
	Unsealed int   // by its counter: records of ingresses that are not handled and sealed
	Charged  int64 // by its counter: bytes of the running epoch

	Undecided int64 // by its counter: bytes that undecided transactions have changed
}

// Counted is a number as the engine keeps it, and as it is found.
type Counted struct{ Kept, Found int64 }

// Inventory takes stock of a stepped engine, between two steps.
func (e *Engine) Inventory() (v Inventory) {
	if !e.options.Seams.Stepped {
		panic("engine: an inventory is for stepped engines")
	}
	v.InFlight.Kept, v.Timers.Kept, v.Queued.Kept = e.inFlight.Load(), e.timers.Load(), e.queued.Load()
	v.Charged, v.Undecided = e.charged(), e.undecided.Load()
	v.Background.Kept, v.Journals.Kept, v.Left.Kept = e.background.Load(), e.journals.Load(), e.trials.left.Load()
	for _, g := range e.egresses {
		v.Held.Kept += g.held.Load()
	}
	for _, w := range e.workers {
		v.add(w)
	}
	for i := range e.ids.parts {
		for _, q := range e.ids.parts[i].requests {
			if !q.isSettled() {
				v.InFlight.Found += q.waiting()
			}
		}
	}
	for _, f := range e.feeds {
		v.Unsealed += len(f.slots)
	}
	return v
}

// add adds what a worker has.
func (v *Inventory) add(w *worker) {
	v.Queued.Kept += w.queued
	v.Timers.Kept += w.timersSet
	v.Undecided += w.undecided
	v.Background.Kept += w.background
	v.Journals.Kept += w.journals
	for _, n := range w.heldEmits {
		v.Held.Kept += n
	}
	v.Runs += len(w.coords)
	v.Messages += len(w.inbox) + len(w.mail) + w.taken.len() + w.urgent.len() + w.underWay()
	w.eachBegun(func(m message) { v.Queued.Found += m.queued() })
	for _, line := range w.waitingLines() {
		v.Messages += line.len()
		for _, m := range line.all() {
			v.Queued.Found += m.queued()
			if m.call != nil && m.call.left != nil {
				v.Left.Found++
			}
			if m.kind == msgStart && w.coords[m.coord.id] != m.coord {
				v.addRun(m.coord)
			}
		}
	}
	for _, t := range w.timers.heap {
		if t.coord == nil {
			v.Timers.Found += t.weight()
			v.Background.Found += runsOf(&t.env)
		}
		if t.left {
			v.Left.Found++
		}
	}
	for _, c := range w.coords {
		v.addRun(c)
		if c.req != nil && c.req.env.RequestID == "" {
			v.InFlight.Found += c.req.waiting()
		}
	}
	v.addCache(&w.cache)
}

func (v *Inventory) addRun(c *coord) {
	if c.background {
		v.Background.Found += weight(c.input)
	}
	if c.saga != nil {
		v.Journals.Found += int64(c.saga.Bytes())
	}
	if c.left != nil {
		v.Left.Found++
	}
}

func (v *Inventory) addCache(c *cache) {
	v.Cached.Kept += c.bytes
	for i := c.ring.next; i != &c.ring; i = i.next {
		v.Cached.Found += i.bytes()
		if !i.seat.Lock.Free() {
			v.Locks++
			v.addHeld(&i.seat.Lock)
		}
	}
}

// addHeld adds what transactions hold back at an instance.
func (v *Inventory) addHeld(lock *locks.Lock[*visit]) {
	for _, claim := range lock.Levels {
		h := heldBy(claim.Ref)
		if h == nil || claim.Waiting() {
			continue
		}
		v.Queued.Found += h.queued
		v.Timers.Found += h.timers
		v.Background.Found += h.runs
		for _, n := range h.emits {
			v.Held.Found += n
		}
	}
}

// queued is what a message counts towards Options.MaxMessages.
func (m message) queued() int64 {
	switch {
	case m.kind == msgCall && m.call.isMessage():
		return m.call.weight()
	case m.kind == msgStart:
		return weight(m.coord.input)
	}
	return 0
}

// waiting is how many clients wait for a request's outcome.
func (q *request) waiting() (n int64) {
	for ; q != nil; q = q.next {
		if q.done != nil {
			n++
		}
	}
	return n
}

// Idle reports what an engine that has nothing to do should not have, or nil: messages, locks, and counters that say something else
// than what is found.
func (v Inventory) Idle() error {
	for _, c := range []struct {
		what string
		Counted
	}{
		{"requests in flight", v.InFlight}, {"timers", v.Timers}, {"queued messages", v.Queued}, {"bytes in the caches", v.Cached},
		{"records that are held back", v.Held}, {"coordinator functions in the background", v.Background}, {"bytes of journals", v.Journals},
		{"what was left", v.Left},
	} {
		if c.Kept != c.Found {
			return fmt.Errorf("engine: the count of %s is %d, and there are %d", c.what, c.Kept, c.Found)
		}
	}
	if v.Undecided != 0 {
		return fmt.Errorf("engine: at rest %d bytes count as changed by transactions that are not decided", v.Undecided)
	}
	if v.Messages > 0 || v.Locks > 0 || v.Unsealed > 0 || v.Charged > 0 {
		return fmt.Errorf("engine: at rest there are %d messages, %d locks, %d records and %d bytes that are not sealed", v.Messages, v.Locks, v.Unsealed, v.Charged)
	}
	return nil
}
