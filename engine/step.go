package engine

import (
	"sync/atomic"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
)

// stepper runs a stepped engine.
type stepper struct{ *Engine }

func (s stepper) Step(choose func(n int) int) bool { return s.step(choose, s.egresses) }

func (s stepper) Inventory() seams.Inventory { return s.inventory() }

func (e *Engine) step(choose func(n int) int, egresses []*egress) bool {
	select {
	case <-e.log.Down():
		e.stepDown(seams.ErrStepDown)
	default:
	}
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

func (s stepper) Abandon() error {
	s.closed.Store(true)
	s.gate.end()
	s.die()
	for _, g := range s.egresses {
		g.cancel()
	}
	for _, w := range s.workers {
		for _, c := range w.epoch.touched {
			if c.routine != nil && c.shard.runs[c.id] != c {
				closeRoutine(c.routine)
			}
		}
		w.closeRoutines(new(atomic.Pointer[string]))
	}
	return s.table.Abandon()
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
	var t seams.Tangle
	for _, i := range e.contended() {
		l := seams.TangledLock{At: functions.Address{Type: i.entry.Info.Name, ID: i.id}}
		for level, claim := range i.seat.Lock.Levels {
			mode := claim.Held()
			if level > 0 {
				mode = claim.Wanted()
			}
			l.Claims = append(l.Claims, seams.TangledClaim{Level: level, Owner: claim.Owner, Mode: mode})
		}
		t.Locks = append(t.Locks, l)
	}
	t.Leaving = e.leaving
	for i := range cycles {
		t.Victims = append(t.Victims, cycles[i].Victim)
	}
	e.options.Seams.Tangled(t)
}
