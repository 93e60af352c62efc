package engine

import (
	"errors"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// Code of users can end its goroutine (runtime.Goexit, which testing.T.Fatal calls), and with an operation the worker's. Nothing can
// stop that. So another goroutine takes the worker over where the operation was: it failed, with its state as before.

// errEndedGoroutine is why such an operation failed.
var errEndedGoroutine = failures.NewGoexitError()

// takeOver is deferred by the worker's goroutine. over: it has come to its end in good order.
func (w *worker) takeOver(over *bool) {
	if *over {
		w.engine.running.Done()
		return
	}
	if p := recover(); p != nil {
		panic(p) // the engine's own: it ends the process
	}
	go func() {
		over := false
		defer w.takeOver(&over)
		w.afterGoexit()
		w.work()
		w.serve()
		over = true
	}()
}

// afterGoexit ends the call whose operation, or whose failure handler, has ended the goroutine.
func (w *worker) afterGoexit() {
	c := w.entered
	if c == nil {
		w.engine.fatal(errors.New("engine: code of users has ended a worker's goroutine outside of an operation: in the Error method of its error"))
	}
	w.leave()
	w.effects.Reset()
	w.logPanic(c.op.FullName(), errEndedGoroutine)
	plain := c.visit // of a plain call that had to wait for the lock
	if c.inTransaction() {
		plain = nil
	}
	switch {
	case c.inst != nil && c.inst.seat.Cell.GaveUpReading(): // nothing of it has run
		w.again(c)
	case c.inTransaction():
		c.outcome.failure = failures.Far(errEndedGoroutine)
		w.vote(c.visit)
	case c.outcome.failure != nil: // in the handler of its failure
		w.done(c)
	default:
		w.failed(c, errEndedGoroutine)
	}
	if plain != nil {
		w.leaveLock(plain)
	}
	w.entered = nil
	w.publish() // the round is over, and there may be nothing for another one
}

// again runs a call whose instance's state is known not to decode by now.
func (w *worker) again(c *call) {
	if c.inTransaction() {
		w.runPrepare(c.visit)
	} else {
		w.carryOut(c)
	}
}

// closeRoutine unwinds a body and ends its coroutine. It returns also if the body does not let itself be unwound.
func closeRoutine(r *routines.Routine) {
	if r.Stop(); r.IsLost() {
		go r.Close()
		return
	}
	r.Close()
}
