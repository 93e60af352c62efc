package engine

// Admission: what comes in from outside joins an epoch. While the gate is open that happens after each round. And each worker is
// entitled to admit what is there when an epoch begins, however soon the gate closes again: so nobody waits for longer than one
// epoch, also if every epoch is cut by force.

// maxFire bounds the timers that fire at once. The others stay where they are until the worker admits again.
const maxFire = 1024

// admitFirst admits what is there when an epoch begins.
func (w *worker) admitFirst() {
	if w.admitted != w.engine.epoch {
		w.admit()
	}
}

// takeMail takes what other workers sent, and reports whether there was anything.
func (w *worker) takeMail() bool {
	w.mu.Lock()
	w.mail, w.mailed = w.mailed[:0], w.mail
	w.mu.Unlock()
	for _, m := range w.mailed {
		w.receive(m)
	}
	took := len(w.mailed) > 0
	clear(w.mailed)
	w.mailed = keepSmall(w.mailed)
	return took
}

// admit takes the requests and ingress records that have come in, and fires the timers that are due. It reports whether there was
// anything.
func (w *worker) admit() bool {
	e := w.engine
	w.admitted = e.epoch
	w.mu.Lock()
	w.inbox, w.moved = w.moved[:0], w.inbox
	free := w.free
	w.free = nil
	w.mu.Unlock()
	w.reclaim(free)
	took := len(w.moved) > 0
	if !e.trials.frozen.Load() && w.fireTimers() {
		took = true
	}
	for _, q := range w.moved {
		w.taken.push(q)
	}
	clear(w.moved)
	w.moved = keepSmall(w.moved)
	if (took || w.hasWork()) && !e.sealing.Load() {
		e.closeGate() // the sealer is free: seal what there is
	}
	return took
}
