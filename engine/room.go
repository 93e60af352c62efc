package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
)

// What waits to happen, as the bounds of Options count it, by weight: messages, timers, and records that egresses have not taken. Workers
// count in their own memory and tell the engine once in a round.
//
// What a transaction's calls send, emit and set timers of is held back until the decision, and counts from when the call has succeeded:
// else any number of calls would each find the same room. With the decision it is given back, and counted again if it happens.

// held is what a transaction's visit holds back.
type held struct {
	queued, timers, runs int64
	own                  int     // timers that the instance sets for itself
	emits                []int64 // by egress
}

// hold counts what a transaction's call has added to its visit's effects.
func (w *worker) hold(stay *call, e *functions.Effects) {
	if stay.held == nil {
		stay.held = &held{}
	}
	more := held{own: countOwn(stay.address(), e.Timers)}
	for i := range e.Sends {
		more.queued += weightOf(&e.Sends[i])
		more.runs += runsOf(&e.Sends[i])
	}
	for i := range e.Timers {
		more.timers += weightOf(&e.Timers[i].Message)
		more.runs += runsOf(&e.Timers[i].Message)
	}
	if len(e.Emits) > 0 {
		more.emits = make([]int64, len(w.engine.egresses))
		for i := range e.Emits {
			more.emits[w.engine.registry.egresses[e.Emits[i].Egress]]++
		}
	}
	stay.held.add(&more)
	w.countHeld(&more, 1)
}

// giveBack ends the counting of what a transaction's visit held back.
func (w *worker) giveBack(stay *call) {
	if stay.held != nil {
		w.countHeld(stay.held, -1)
		stay.held = nil
	}
}

func (w *worker) countHeld(h *held, sign int64) {
	w.queued += sign * h.queued
	w.timersSet += sign * h.timers
	w.background += sign * h.runs
	if len(h.emits) > 0 && w.heldEmits == nil {
		w.heldEmits = make([]int64, len(w.engine.egresses))
	}
	for i, n := range h.emits {
		w.heldEmits[i] += sign * n
	}
}

func (h *held) add(more *held) {
	h.queued += more.queued
	h.timers += more.timers
	h.runs += more.runs
	h.own += more.own
	if h.emits == nil {
		h.emits = more.emits
		return
	}
	for i, n := range more.emits {
		h.emits[i] += n
	}
}

// heldBy is what a visit that stands in a lock holds back, or nil.
func heldBy(v *transactions.Visit[*call]) *held {
	if v.Ref.stay == nil {
		return nil
	}
	return v.Ref.stay.held
}

// tell tells the engine what this worker has counted in the round.
func (w *worker) tell() {
	e := w.engine
	if w.queued != 0 {
		e.queued.Add(w.queued)
		w.queued = 0
	}
	if w.timersSet != 0 {
		e.timers.Add(w.timersSet)
		w.timersSet = 0
	}
	if w.background != 0 {
		e.background.Add(w.background)
		w.background = 0
	}
	for i, n := range w.heldEmits {
		if n != 0 {
			e.egresses[i].held.Add(n)
			w.heldEmits[i] = 0
		}
	}
}

// weight is how much a message that nobody waits for counts towards Options.MaxMessages: 1, and 1 more for each KiB of its argument.
// It counts from when it is sent until it is run; so one that leads to another always has room for it. Timers count so towards
// Options.MaxTimers.
func weight(arg []byte) int64 { return 1 + int64(len(arg))>>10 }

// weightOf is the weight of a message, also of one whose argument is not encoded.
func weightOf(env *functions.Envelope) int64 {
	return 1 + int64(argBytes(env.Op, env.Arg, env.Value))>>10
}

// weight is the weight of a call that is a message.
func (c *call) weight() int64 { return 1 + int64(argBytes(c.op, c.arg, c.value))>>10 }

// argBytes is how many bytes an argument takes in a row, at most about; one of fixed size is encoded only when it is written.
func argBytes(op *functions.Operation, arg []byte, value any) int {
	if arg != nil || value == nil || op == nil {
		return len(arg)
	}
	return 2 * op.ArgSize
}

// checkRoom reports whether there is room for more messages that nobody waits for.
func (w *worker) checkRoom(sends []functions.Envelope) error {
	more := int64(0)
	for i := range sends {
		more += weightOf(&sends[i])
	}
	if limit := int64(w.engine.options.MaxMessages); w.engine.queued.Load()+w.queued+more > limit {
		return fmt.Errorf("%w: %d", ErrTooManyMessages, limit)
	}
	return nil
}

// checkTimers reports whether there is room for timers that an operation sets.
func (w *worker) checkTimers(timers []functions.Timer) error {
	more := int64(0)
	for i := range timers {
		more += weightOf(&timers[i].Message)
	}
	if limit := int64(w.engine.options.MaxTimers); w.engine.timers.Load()+w.timersSet+more > limit {
		return fmt.Errorf("%w: %d", ErrTooManyTimers, limit)
	}
	return w.checkOwnTimers(timers)
}

// checkOwnTimers reports whether the instance whose operation has run would have more timers for itself than one deletion can take back.
func (w *worker) checkOwnTimers(timers []functions.Timer) error {
	c := w.entered
	more := countOwn(c.address(), timers)
	if more == 0 {
		return nil
	}
	have := 0
	if c.op.Kind != functions.KindDelete { // it drops those that were set before
		have = w.timers.countOwn(c.address())
	}
	if c.stay != nil && c.stay.held != nil {
		have += c.stay.held.own
	}
	if have+more > functions.MaxEffects {
		return fmt.Errorf("%w: %v would have %d for itself, at most %d at a time", ErrTooManyTimers, c.address(), have+more, functions.MaxEffects)
	}
	return nil
}

// countOwn counts the timers that an instance sets for itself.
func countOwn(of functions.Address, timers []functions.Timer) (n int) {
	for i := range timers {
		if timers[i].Message.IsFor(of) {
			n++
		}
	}
	return n
}
