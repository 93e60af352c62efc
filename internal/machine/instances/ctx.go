package instances

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/petermattis/goid"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
)

// Ctx is functions.Ctx, with what only the engine asks of it. It is valid during the operation only, and on its goroutine: used on
// another one it drops the effect, and the operation fails with failures.ErrBadCall if it is not over. Used when it is over it does
// nothing, and tells zeros.
type Ctx struct {
	frame *Frame
	run   uint64 // of the frame, which is the operation's
}

// Frame is what the operations have that run on one goroutine, one after the other; each has a [Ctx] of its own, which user code may keep.
type Frame struct {
	self    format.Address
	now     time.Time
	timers  *uint64
	effects *Effects
	arg     any  // the argument itself, in the place of its encoding
	kind    Kind // of the operation
	exists  bool
	bad     error
	err     error

	run       uint64 // which operation runs; no Ctx has the number while none does
	goroutine int64  // on which they run; 0 if any may
	misused   uint64 // the last run, atomically, whose Ctx was used on another one
	free      []Ctx
}

// ctxsAtOnce is the number of Ctxs that a Frame makes at once. None is used again: an operation may have kept it.
const ctxsAtOnce = 64

// NewFrame makes the Frame of the goroutine that calls it.
func NewFrame() *Frame { return &Frame{goroutine: goid.Get()} }

// IsHere reports whether it is the Frame of the goroutine that calls it.
func (f *Frame) IsHere() bool { return f != nil && f.goroutine == goid.Get() }

// Begin begins an operation: timers counts the timers ever set, effects collects, arg is the argument itself if that is at hand.
func (f *Frame) Begin(self format.Address, now time.Time, timers *uint64, effects *Effects, arg any) *Ctx {
	f.run++
	f.self, f.now, f.timers, f.effects, f.arg = self, now, timers, effects, arg
	f.exists, f.bad, f.err = false, nil, nil
	if len(f.free) == 0 {
		f.free = make([]Ctx, ctxsAtOnce)
	}
	c := &f.free[0]
	f.free = f.free[1:]
	c.frame, c.run = f, f.run
	return c
}

// End is called when the operation is over, if one runs.
func (f *Frame) End() { f.run++ }

// NewCtx makes the Ctx of an operation on the goroutine that calls it, in a [Frame] of its own.
func NewCtx(self format.Address, now time.Time, timers *uint64, effects *Effects) Ctx {
	return *NewFrame().Begin(self, now, timers, effects, nil)
}

// running is the operation's frame, or nil if the operation is over, or runs on another goroutine. In that case the operation fails, if
// it still can: what was asked of the Ctx may have been meant to be part of it.
func (c *Ctx) running() *Frame {
	f := c.frame
	if f.goroutine == 0 || f.goroutine == goid.Get() {
		if f.run != c.run {
			return nil
		}
		return f
	}
	for last := atomic.LoadUint64(&f.misused); last < c.run && !atomic.CompareAndSwapUint64(&f.misused, last, c.run); {
		last = atomic.LoadUint64(&f.misused)
	}
	return nil
}

// Self is the instance that the operation runs on.
func (c *Ctx) Self() (self format.Address) {
	if f := c.running(); f != nil {
		self = f.self
	}
	return self
}

// Exists reports whether the instance existed when the operation began: always in an Update, View or Delete, never in a
// Create, and in an Upsert it says which of the two this one is.
func (c *Ctx) Exists() bool {
	f := c.running()
	return f != nil && f.exists
}

// BadState says, in a Delete, why the state of the instance does not decode; see functions.Migrate. It is nil if the state does, and in all
// other operations: they fail instead.
func (c *Ctx) BadState() (why error) {
	if f := c.running(); f != nil {
		why = f.bad
	}
	return why
}

// Now is the engine's wall clock when the operation started. It does not advance during an operation.
func (c *Ctx) Now() (now time.Time) {
	if f := c.running(); f != nil {
		now = f.now
	}
	return now
}

// Send sends a message to another instance, to this one, or starts a coordinator function. It arrives exactly once, after
// this operation; messages from one instance to another keep their order. Nobody waits for it: see functions.OnFailure. A message
// that cannot be sent (empty id, argument that does not encode) fails this operation.
func (c *Ctx) Send(m Message) {
	f := c.running()
	if e, ok := f.accept(m); ok {
		f.effects.Sends = append(f.effects.Sends, e)
	}
}

// SendAfter sends a message once d has passed on the wall clock, also over restarts; a negative d counts as zero. The
// returned id cancels it, from an operation of this instance only. What an instance sends to itself this way is taken back when the
// instance is deleted, unless the deleting operation sends it; what it sends to others is not.
func (c *Ctx) SendAfter(d time.Duration, m Message) TimerID {
	f := c.running()
	e, ok := f.accept(m)
	if !ok {
		return TimerID{}
	}
	*f.timers++
	id := TimerID{Due: format.DueAfter(f.now, d), Seq: *f.timers}
	f.effects.Timers = append(f.effects.Timers, Timer{ID: id, Message: e})
	return id
}

// Cancel cancels a timer that this instance set. One that has fired or was cancelled before is left alone.
func (c *Ctx) Cancel(id TimerID) {
	if f := c.running(); f != nil && f.room() {
		f.effects.Cancels = append(f.effects.Cancels, id)
	}
}

// Emit hands a record to its egress. Records of one egress are numbered without gaps and delivered in order.
func (c *Ctx) Emit(r Record) {
	f := c.running()
	switch {
	case f == nil:
	case r.Err != nil:
		f.fail(r.Err)
	case f.room():
		f.effects.Emits = append(f.effects.Emits, r.Made)
	}
}

// Arg is the argument itself, if it is at hand in the place of its encoding.
func (c *Ctx) Arg() any { return c.frame.arg }

// Err is the first effect that could not be accepted, or nil. The engine asks it at the end of the operation.
func (c *Ctx) Err() error {
	f := c.running()
	if f == nil {
		return nil
	}
	if f.err == nil && atomic.LoadUint64(&f.misused) == c.run {
		return fmt.Errorf("%w: a Ctx was used on another goroutine than the operation's", failures.ErrBadCall)
	}
	return f.err
}

// accept takes a message, unless it cannot be sent. A nil Frame takes none.
func (f *Frame) accept(m Message) (e Envelope, ok bool) {
	if f == nil {
		return e, false
	}
	if m == nil {
		f.fail(fmt.Errorf("%w: the message is nil", failures.ErrBadCall))
		return e, false
	}
	e = m.Envelope()
	switch {
	case e.Err != nil:
		f.fail(e.Err)
	case e.Into != nil:
		f.fail(fmt.Errorf("%w: a message that is sent has nobody to take its result", failures.ErrBadCall))
	case e.Op != nil && CheckID("instance", e.ID) != nil:
		f.fail(CheckID("instance", e.ID))
	default:
		return e, f.room()
	}
	return e, false
}

// room reports whether the operation may have one more effect.
func (f *Frame) room() bool {
	if f.kind.Reads() {
		f.fail(fmt.Errorf("%w: a view has no effects: it cannot send, emit, set or cancel timers", failures.ErrBadCall))
		return false
	}
	if f.effects.Len() >= MaxEffects {
		f.fail(fmt.Errorf("%w: more than %d sends, timers and records in one operation", failures.ErrTooLarge, MaxEffects))
		return false
	}
	return true
}

// fail remembers the first effect that could not be accepted; the operation then fails with it.
func (f *Frame) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}
