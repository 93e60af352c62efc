package engine

import (
	"slices"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/locks"
)

// Deadlocks are broken while all workers are at rest, by whoever conducts.

// untangle breaks all cycles of the wait-for graph and reports whether there were any.
func (e *Engine) untangle() bool {
	began := e.clocks.Elapsed()
	if began < e.lookAfter && e.restsSoon() {
		return false
	}
	broken := e.breakAll()
	// Where many wait a look takes long, and all workers rest meanwhile. It is owed at rest, where nothing else goes on; at cuts by force
	// it is to take a fifth of the time at most.
	now := e.clocks.Elapsed()
	e.lookAfter = now + 4*(now-began)
	return broken
}

// restsSoon reports whether the epoch is cut by force and there is another rest soon: the sealer sees to that. Where it has nothing to do,
// everybody may be waiting for a lock, and nothing would ever happen again.
func (e *Engine) restsSoon() bool { return e.cutting.Load() && (e.sealing.Load() || e.hasWork()) }

func (e *Engine) breakAll() bool {
	e.tangled = e.tangled[:0]
	waiters := 0
	for _, w := range e.workers {
		w.pruneContended()
		e.tangled = append(e.tangled, w.contended...)
		for _, i := range w.contended {
			waiters += i.seat.Lock.Waiters()
		}
	}
	if waiters == 0 {
		return false
	}
	if spent := e.options.Seams.Spent; spent != nil {
		defer spent(seams.SpentOnLook)
	}
	if waiters > fewWaiters || e.options.Seams.Stepped { // a simulator has few, and is to see that no cycle is left out
		e.leaveOutFree()
	}
	e.graph.Reset()
	for resource, i := range e.tangled {
		deadlock.AddLock(&e.graph, resource, &i.seat.Lock)
	}
	e.leaving = e.leaving[:0]
	if e.cutting.Load() {
		e.findLeaving()
	}
	cycles := e.graph.Break()
	if e.options.Seams.Tangled != nil {
		e.tellTangle(cycles)
	}
	if len(cycles) == 0 {
		return false
	}
	e.breakCycles(cycles)
	return true
}

// fewWaiters is up to how many waiters the graph is built of all of them, which costs less than to look who may be on a cycle.
const fewWaiters = 1024

// leaveOutFree leaves out the locks that are on no cycle. A cycle comes to a lock by one transaction and leaves it by another, and each of
// the two stands in another lock too, or twice in this one. So a lock in which there are not two such is on none. Often all are left
// out, and one look at each who waits was enough.
func (e *Engine) leaveOutFree() {
	for before := -1; len(e.tangled) != before; {
		before = len(e.tangled)
		e.looks++
		for _, i := range e.tangled {
			for _, claim := range i.seat.Lock.Levels {
				if c := claim.Ref.Ref.coord; c != nil {
					c.look(e.looks)
				}
			}
		}
		e.tangled = slices.DeleteFunc(e.tangled, (*instance).isFree)
	}
}

// look counts how often a transaction stands in the locks that are looked at.
func (c *coord) look(number uint64) {
	if c.seenIn != number {
		c.seenIn, c.stands = number, 0
	}
	c.stands++
}

// isFree reports whether fewer than two of the claims of an instance's lock are of transactions that stand in the locks twice.
func (i *instance) isFree() bool {
	twice := 0
	for _, claim := range i.seat.Lock.Levels {
		if c := claim.Ref.Ref.coord; c != nil && c.stands > 1 {
			if twice++; twice == 2 {
				return false
			}
		}
	}
	return true
}

// findLeaving finds the transactions that have given way, or are about to hear that they must, and still stand in the locks: where
// an epoch is cut by force they have not come to release them. The graph is broken as if they had.
func (e *Engine) findLeaving() {
	for _, i := range e.tangled {
		for _, claim := range i.seat.Lock.Levels {
			if c := claim.Ref.Ref.coord; c != nil && c.tx != nil && claim.Waiting() && c.tx.IsDoomed() {
				e.leave(claim.Owner)
			}
		}
	}
	for _, w := range e.workers {
		w.eachBegun(func(m message) {
			if m.kind == msgConflict && m.coord().tx != nil {
				e.leave(locks.Owner{ID: m.run, Attempt: m.which})
			}
		})
	}
}

func (e *Engine) leave(o locks.Owner) {
	e.leaving = append(e.leaving, o)
	e.graph.Leave(o)
}

// breakCycles tells the victims, and keeps a record of each deadlock.
func (e *Engine) breakCycles(cycles []deadlock.Cycle) {
	runs := e.coordsWaiting()
	now := e.clocks.Wall.Now()
	for i := range cycles {
		c := runs[cycles[i].Victim.ID]
		if c == nil {
			panic("engine: a victim waits for a lock")
		}
		c.shard.on.begun.Push(message{kind: msgConflict, run: c.id, which: cycles[i].Victim.Attempt, about: c})
		e.deadlocks.add(e.describeCycle(&cycles[i], runs, now))
	}
	e.stats.deadlocks.Add(uint64(len(cycles)))
}

// coordsWaiting finds the transactions that wait somewhere, by id.
func (e *Engine) coordsWaiting() map[uint64]*coord {
	runs := map[uint64]*coord{}
	for _, i := range e.tangled {
		for _, claim := range i.seat.Lock.Levels {
			if c := claim.Ref.Ref.coord; c != nil {
				runs[c.id] = c
			}
		}
	}
	return runs
}
