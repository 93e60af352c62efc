package instances

import "github.com/concordat-dev/concordat/internal/format"

// MaxEffects bounds the sends, timers, cancellations and egress records of one operation together.
const MaxEffects = 10_000

// Effects are what an operation or a coordinator function asked for besides state changes.
type Effects struct {
	Sends   []Envelope
	Timers  []Timer
	Cancels []TimerID
	Emits   []format.Emitted
}

// Empty reports whether there is nothing to do, as with nil.
func (e *Effects) Empty() bool {
	return e == nil || len(e.Sends) == 0 && len(e.Timers) == 0 && len(e.Cancels) == 0 && len(e.Emits) == 0
}

// Append adds the effects of other behind those of e.
func (e *Effects) Append(other *Effects) {
	e.Sends = append(e.Sends, other.Sends...)
	e.Timers = append(e.Timers, other.Timers...)
	e.Cancels = append(e.Cancels, other.Cancels...)
	e.Emits = append(e.Emits, other.Emits...)
}

// Len counts them.
func (e *Effects) Len() int {
	if e == nil {
		return 0
	}
	return len(e.Sends) + len(e.Timers) + len(e.Cancels) + len(e.Emits)
}

// Reset empties e, keeping its memory.
func (e *Effects) Reset() {
	clear(e.Sends)
	clear(e.Timers)
	clear(e.Emits)
	e.Sends, e.Timers, e.Cancels, e.Emits = e.Sends[:0], e.Timers[:0], e.Cancels[:0], e.Emits[:0]
}

// Timer is a message that is sent later.
type Timer struct {
	ID      TimerID
	Message Envelope
}

// TimerID names a timer set with [Ctx.SendAfter]. It belongs to the instance that set it. It is instances.TimerID.
type TimerID struct {
	Due int64 // Unix time in nanoseconds
	Seq uint64
}

// Effect is functions.Effect.
type Effect interface{ AddTo(effects *Effects) error }

// Record is the inside of functions.Record: a record for an egress, or why there is none.
type Record struct {
	Made format.Emitted
	Err  error
}

// AddTo implements [Effect].
func (r Record) AddTo(effects *Effects) error {
	f := Frame{effects: effects}
	(&Ctx{frame: &f}).Emit(r)
	return f.err
}

// AddTo implements [Effect].
func (c Call) AddTo(effects *Effects) error { return AddMessage(effects, c) }

// AddMessage adds the sending of m to effects.
func AddMessage(effects *Effects, m Message) error {
	f := Frame{effects: effects}
	(&Ctx{frame: &f}).Send(m)
	return f.err
}
