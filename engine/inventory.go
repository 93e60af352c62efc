package engine

import "github.com/concordat-dev/concordat/internal/seams"

// stock is an inventory in the making.
type stock struct{ seams.Inventory }

// inventory takes stock of a stepped engine, between two steps.
func (e *Engine) inventory() seams.Inventory {
	var v stock
	v.InFlight.Kept, v.Timers.Kept, v.Queued.Kept = e.inFlight.Load(), e.timers.Load(), e.queued.Load()
	v.Charged, v.Undecided = e.charged(), e.undecided.Load()
	v.Background.Kept, v.Journals.Kept, v.Left.Kept = e.background.Load(), e.journals.Load(), e.left.Load()
	for _, g := range e.egresses {
		v.Held.Kept += g.held.Load()
	}
	for _, w := range e.workers {
		v.add(w)
	}
	for _, s := range e.shards {
		for _, q := range s.requests {
			if !q.isSettled() {
				v.InFlight.Found += q.waiting()
			}
		}
	}
	for _, f := range e.feeds {
		for _, p := range f.all() {
			v.Unsealed += len(p.slots)
		}
	}
	return v.Inventory
}

// add adds what a worker has.
func (v *stock) add(w *worker) {
	v.Queued.Kept += w.queued
	v.Timers.Kept += w.timersSet
	v.Undecided += w.undecided
	v.Background.Kept += w.background
	v.Journals.Kept += w.journals
	for _, n := range w.heldEmits {
		v.Held.Kept += n
	}
	w.eachRun(func(*coord) { v.Runs++ })
	v.Messages += len(w.inbox) + len(w.mail) + w.taken.Len() + w.urgent.Len() + w.underWay()
	w.eachBegun(func(m message) { v.Queued.Found += m.queued() })
	for _, line := range w.waitingLines() {
		v.Messages += line.Len()
		for _, m := range line.All() {
			v.Queued.Found += m.queued()
			if c := m.call(); c != nil && c.left != nil {
				v.Left.Found++
			}
			if c := m.coord(); m.kind == msgStart && c.shard.runs[c.id] != c {
				v.addRun(c)
			}
		}
	}
	for _, s := range w.shards {
		for _, t := range s.timers.heap {
			if t.coord == nil {
				v.Timers.Found += t.weight()
				v.Background.Found += runsOf(&t.env)
			}
			if t.left {
				v.Left.Found++
			}
		}
	}
	w.eachRun(func(c *coord) {
		v.addRun(c)
		if c.req != nil && c.req.env.RequestID == "" {
			v.InFlight.Found += c.req.waiting()
		}
	})
	v.addCache(&w.cache)
}

func (v *stock) addRun(c *coord) {
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

func (v *stock) addCache(c *cache) {
	v.Cached.Kept += c.bytes
	for i := c.ring.next; i != &c.ring; i = i.next {
		v.Cached.Found += i.bytes()
		if !i.seat.Lock.Free() {
			v.Locks++
			v.addHeld(i)
		}
	}
}

// addHeld adds what transactions hold back at an instance.
func (v *stock) addHeld(i *instance) {
	for _, claim := range i.seat.Lock.Levels {
		h := claim.Ref.Ref.held
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
	switch m.kind {
	case msgCall:
		if c := m.call(); c.isMessage() {
			return c.weight()
		}
	case msgStart:
		return weight(m.coord().input)
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
