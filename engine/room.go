package engine

import (
	"fmt"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
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
func (x *executor) hold(v *visit, e *instances.Effects) {
	if v.held == nil {
		v.held = &held{}
	}
	more := held{own: countOwn(v.inst.address(), e.Timers)}
	for i := range e.Sends {
		more.queued += weightOf(&e.Sends[i])
		more.runs += runsOf(&e.Sends[i])
	}
	for i := range e.Timers {
		more.timers += weightOf(&e.Timers[i].Message)
		more.runs += runsOf(&e.Timers[i].Message)
	}
	if len(e.Emits) > 0 {
		more.emits = make([]int64, len(x.group.backlogs))
		for i := range e.Emits {
			more.emits[x.group.registry.Egresses[e.Emits[i].Egress]]++
		}
	}
	v.held.add(&more)
	x.countHeld(&more, 1)
}

// giveBack ends the counting of what a transaction's visit held back.
func (x *executor) giveBack(v *visit) {
	if v.held != nil {
		x.countHeld(v.held, -1)
		v.held = nil
	}
}

func (x *executor) countHeld(h *held, sign int64) {
	x.queued += sign * h.queued
	x.timersSet += sign * h.timers
	x.background += sign * h.runs
	if len(h.emits) > 0 && x.heldEmits == nil {
		x.heldEmits = make([]int64, len(x.group.backlogs))
	}
	for i, n := range h.emits {
		x.heldEmits[i] += sign * n
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

// tell tells the engine what this worker has counted in the round.
func (x *executor) tell() {
	e := x.group
	if x.queued != 0 {
		e.queued.Add(x.queued)
		x.queued = 0
	}
	if x.timersSet != 0 {
		e.timers.Add(x.timersSet)
		x.timersSet = 0
	}
	if x.background != 0 {
		e.background.Add(x.background)
		x.background = 0
	}
	for i, n := range x.heldEmits {
		if n != 0 {
			e.backlogs[i].held.Add(n)
			x.heldEmits[i] = 0
		}
	}
}

// weight is how much a message that nobody waits for counts towards Options.MaxMessages: 1, and 1 more for each KiB of its argument.
// It counts from when it is sent until it is run; so one that leads to another always has room for it. Timers count so towards
// Options.MaxTimers.
func weight(arg []byte) int64 { return 1 + int64(len(arg))>>10 }

// weightOf is the weight of a message, also of one whose argument is not encoded.
func weightOf(env *instances.Envelope) int64 {
	return 1 + int64(argBytes(env.Op, env.Arg, env.Value))>>10
}

// weight is the weight of a call that is a message.
func (c *call) weight() int64 { return 1 + int64(argBytes(c.op, c.arg, c.value))>>10 }

// argBytes is how many bytes an argument takes in a row, at most about; one of fixed size is encoded only when it is written.
func argBytes(op *instances.Operation, arg []byte, value any) int {
	if arg != nil || value == nil || op == nil {
		return len(arg)
	}
	return 2 * op.ArgSize
}

// checkRoom reports whether there is room for more messages that nobody waits for.
func (x *executor) checkRoom(sends []instances.Envelope) error {
	more := int64(0)
	for i := range sends {
		more += weightOf(&sends[i])
	}
	if limit := int64(x.group.options.MaxMessages); x.group.queued.Load()+x.queued+more > limit {
		return fmt.Errorf("%w: %d", ErrTooManyMessages, limit)
	}
	return nil
}

// checkTimers reports whether there is room for timers that an operation sets.
func (x *executor) checkTimers(timers []instances.Timer) error {
	more := int64(0)
	for i := range timers {
		more += weightOf(&timers[i].Message)
	}
	if limit := int64(x.group.options.MaxTimers); x.group.timers.Load()+x.timersSet+more > limit {
		return fmt.Errorf("%w: %d", ErrTooManyTimers, limit)
	}
	return x.checkOwnTimers(timers)
}

// checkOwnTimers reports whether the instance whose operation has run would have more timers for itself than one deletion can take back.
func (x *executor) checkOwnTimers(timers []instances.Timer) error {
	c := x.entered
	more := countOwn(c.address(), timers)
	if more == 0 {
		return nil
	}
	have := 0
	if c.op.Kind != instances.KindDelete { // it drops those that were set before
		have = c.shard.timers.countOwn(c.address())
	}
	if c.visit != nil && c.visit.held != nil {
		have += c.visit.held.own
	}
	if have+more > functions.MaxEffects {
		return fmt.Errorf("%w: %v would have %d for itself, at most %d at a time", ErrTooManyTimers, c.address(), have+more, functions.MaxEffects)
	}
	return nil
}

// countOwn counts the timers that an instance sets for itself.
func countOwn(of format.Address, timers []instances.Timer) (n int) {
	for i := range timers {
		if timers[i].Message.IsFor(of) {
			n++
		}
	}
	return n
}

// backlog is what is on its way to an egress.
type backlog struct {
	name      string
	last      uint64        // the last record that was numbered: the conductor's
	delivered atomic.Uint64 // the last record that the receiver has taken
	held      atomic.Int64  // records that undecided transactions hold back
}
