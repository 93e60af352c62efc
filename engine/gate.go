package engine

import (
	"sync"
	"sync/atomic"
)

// gate knows which workers are awake, and lets the last one that goes to rest conduct: look at all workers at once, while
// none of them moves.
//
// Lock order: gate.mu, then worker.mu.
type gate struct {
	mu         sync.Mutex
	awake      int  // workers that are awake
	conducting bool // somebody conducts; whoever is woken meanwhile starts when that is over
	again      bool // conduct once more: something changed meanwhile
	over       bool // the engine is at its end: nobody starts again
	late       []*worker

	conduct func()

	asleep  atomic.Bool   // the watchdog sleeps
	stirred chan struct{} // wakes it
}

// isAtRest reports whether no worker is awake.
func (g *gate) isAtRest() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.awake == 0
}

// wake makes a parked worker run. It does nothing for one that is awake.
func (g *gate) wake(w *worker) {
	g.mu.Lock()
	if !w.awake {
		if g.conducting {
			g.late = append(g.late, w)
		} else {
			g.start(w)
		}
	}
	g.mu.Unlock()
}

// wakeAll makes all parked workers run.
func (g *gate) wakeAll(workers []*worker) {
	for _, w := range workers {
		g.wake(w)
	}
}

// start marks w awake and lets it run. The caller holds mu.
func (g *gate) start(w *worker) {
	if w.awake || g.over {
		return
	}
	w.awake = true
	g.awake++
	if g.asleep.Load() && g.asleep.CompareAndSwap(true, false) {
		g.stirred <- struct{}{}
	}
	w.mu.Lock()
	w.parked = false
	w.mu.Unlock()
	w.unpark()
}

// rest is called by a worker that found nothing to do. If something came in meanwhile it returns false and the worker goes on.
// Otherwise the worker is parked, and if it was the last one it conducts before rest returns.
func (g *gate) rest(w *worker) bool {
	g.mu.Lock()
	w.mu.Lock()
	if w.hasInput() {
		w.mu.Unlock()
		g.mu.Unlock()
		return false
	}
	w.parked = true
	w.mu.Unlock()
	w.awake = false
	g.awake--
	g.conductIfAtRest()
	g.mu.Unlock()
	return true
}

// end lets no worker start any more. A clock may still want to wake them after Close.
func (g *gate) end() {
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
}

// nudge conducts now if all are at rest, and otherwise leaves it to the last that goes to rest.
func (g *gate) nudge() {
	g.mu.Lock()
	if g.conducting {
		g.again = true
	} else {
		g.conductIfAtRest()
	}
	g.mu.Unlock()
}

// conductIfAtRest conducts if nobody is awake. The caller holds mu, which is released meanwhile.
func (g *gate) conductIfAtRest() {
	for g.awake == 0 && !g.conducting {
		g.conducting, g.again = true, false
		g.mu.Unlock()
		g.conduct()
		g.mu.Lock()
		g.conducting = false
		for _, w := range g.late {
			g.start(w)
		}
		g.late = g.late[:0]
		if !g.again {
			return
		}
	}
}
