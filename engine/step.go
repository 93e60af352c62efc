package engine

import "fmt"

// Step lets one thing happen in a stepped engine: a worker handles one message or takes what has come in, or the sealer seals an
// epoch, or an egress delivers. choose picks one of n things that can happen next; the same choices give the same run. It
// reports false if there is nothing to do.
func (e *Engine) Step(choose func(n int) int) bool {
	var ready []func()
	e.gate.mu.Lock() // other goroutines may submit meanwhile
	for _, w := range e.workers {
		if w.awake {
			ready = append(ready, w.stepOnce)
		}
	}
	e.gate.mu.Unlock()
	if len(e.toSeal) > 0 {
		ready = append(ready, func() { e.seal(<-e.toSeal) })
	}
	for _, g := range e.egresses {
		if g.hasNews() {
			ready = append(ready, func() { g.deliver() })
		}
	}
	if len(ready) == 0 {
		return false
	}
	ready[choose(len(ready))]()
	return true
}

func (w *worker) stepOnce() {
	if !w.round(1) {
		w.engine.gate.rest(w)
	}
}

var kindNames = [...]string{"", "call", "prepare", "lock", "withdraw", "granted", "commit", "abort", "done", "vote", "conflict", "start", "go-on"}

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
