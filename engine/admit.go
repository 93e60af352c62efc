package engine

// Admission: what comes in from outside joins an epoch. While the gate is open that happens before each round. And each worker is
// entitled to admit what is there when an epoch begins, however soon the gate closes again: so nobody waits for longer than one
// epoch, also if every epoch is cut by force.

// maxFire bounds the timers that fire at once. The others stay where they are until the worker admits again.
const maxFire = 1024

// take takes what other workers have sent, and what has come in from outside if that may join the running epoch. It reports whether there
// was anything.
func (w *worker) take() bool {
	e := w.engine
	admits := w.admitted != e.epoch || e.open.Load()
	var free []*portion
	w.mu.Lock()
	w.mail, w.mailed = w.mailed[:0], w.mail
	if admits {
		w.inbox, w.moved = w.moved[:0], w.inbox
		free, w.free = w.free, nil
	}
	w.mu.Unlock()
	for _, m := range w.mailed {
		w.receive(m)
	}
	took := len(w.mailed) > 0
	clear(w.mailed)
	w.mailed = keepSmall(w.mailed)
	if admits {
		w.reclaim(free)
		took = w.admit() || took
	}
	return took
}

// admit takes over the requests and ingress records that have come in, and fires the timers that are due. It reports whether there was
// anything.
func (w *worker) admit() bool {
	e := w.engine
	w.admitted = e.epoch
	took := len(w.moved) > 0
	if !e.frozen.Load() && w.fireTimers() {
		took = true
	}
	for _, q := range w.moved {
		w.taken.Push(q)
	}
	clear(w.moved)
	w.moved = keepSmall(w.moved)
	if !e.sealing.Load() && (took || w.handlesWhenClosed()) {
		e.closeGate() // the sealer is free: seal what there is
	}
	return took
}
