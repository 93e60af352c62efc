package engine

import (
	"fmt"
	"sync/atomic"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/functions"
)

// Step lets one thing happen in a stepped engine: a worker handles one message or takes what has come in, or the sealer seals an
// epoch, or an egress delivers. choose picks one of n things that can happen next; the same choices give the same run. It
// reports false if there is nothing to do.
func (e *Engine) Step(choose func(n int) int) bool { return e.step(choose, e.egresses) }

func (e *Engine) step(choose func(n int) int, egresses []*egress) bool {
	var ready []func()
	e.gate.mu.Lock() // other goroutines may submit meanwhile
	for _, w := range e.workers {
		if w.awake {
			ready = append(ready, func() { w.stepOnce(choose) })
		}
	}
	e.gate.mu.Unlock()
	if len(e.toSeal) > 0 {
		ready = append(ready, func() { e.seal(<-e.toSeal) })
	}
	for _, g := range egresses {
		if g.hasNews() {
			ready = append(ready, func() { _ = g.deliver() })
		}
	}
	if len(ready) == 0 {
		return false
	}
	ready[choose(len(ready))]()
	return true
}

func (w *worker) stepOnce(choose func(n int) int) {
	if w.hasNew() && choose(4) == 3 { // in another order than the worker's own
		w.pace.prefer(linePlain + line(choose(int(numLines)-1)))
	}
	if !w.round(1) {
		w.engine.gate.rest(w)
	}
}

// Abandon ends a stepped engine where it stands, as a crash does: nothing more is sealed and nobody is answered. It gives back
// what the engine holds: coroutines of users' functions, whose defers run, and the files. Whoever waits is told ErrUnknown.
func (e *Engine) Abandon() error {
	if !e.options.Seams.Stepped {
		panic("engine: only a stepped engine can be abandoned")
	}
	e.closed.Store(true)
	e.gate.end()
	e.die()
	for _, g := range e.egresses {
		g.cancel()
	}
	for _, w := range e.workers {
		for _, c := range w.epoch.touched {
			if c.routine != nil && w.coords[c.id] != c {
				closeRoutine(c.routine)
			}
		}
		w.closeRoutines(new(atomic.Pointer[string]))
	}
	return e.store.Close()
}

// contended is all instances whose locks are waited for.
func (e *Engine) contended() (all []*instance) {
	for _, w := range e.workers {
		all = append(all, w.contended...)
	}
	return all
}

// tellTangle tells a simulator who waits for whom.
func (e *Engine) tellTangle(cycles []deadlock.Cycle) {
	var t Tangle
	for _, i := range e.contended() {
		l := TangledLock{At: functions.Address{Type: i.entry.info.Name, ID: i.id}}
		for level, claim := range i.seat.Lock.Levels {
			mode := claim.Held()
			if level > 0 {
				mode = claim.Wanted()
			}
			l.Claims = append(l.Claims, TangledClaim{level, claim.Owner, mode})
		}
		t.Locks = append(t.Locks, l)
	}
	t.Leaving = e.leaving
	for i := range cycles {
		t.Victims = append(t.Victims, cycles[i].Victim)
	}
	e.options.Seams.Tangled(t)
}

var kindNames = [...]string{"", "call", "prepare", "lock", "withdraw", "granted", "commit", "abort", "done", "vote", "conflict", "start", "go-on", "wake"}

// trace tells a simulator about a message that a worker handles.
func (w *worker) trace(m message) {
	switch {
	case m.call != nil && m.call.op != nil:
		w.engine.trace("worker %d: %s %s(%s)", w.id, kindNames[m.kind], m.call.op.FullName(), m.call.id)
	case m.call != nil:
		w.engine.trace("worker %d: %s %s", w.id, kindNames[m.kind], m.call.id)
	default:
		w.engine.trace("worker %d: %s %s %s", w.id, kindNames[m.kind], m.coord.function.Name, fmt.Sprint(m.coord.id))
	}
}
