package functions

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/petermattis/goid"
)

// MaxEffects bounds the sends, timers, cancellations and egress records of one operation together.
const MaxEffects = 10_000

// Ctx is what an operation may do besides changing its state. Its effects are part of the operation: dropped if it fails,
// and inside a transaction held back until the transaction is decided. A Ctx is valid during the operation only, and on its
// goroutine: used on another one it drops the effect, and the operation fails with [ErrBadCall] if it is not over. Used when it is over
// it does nothing. It is deliberately no context.Context: operations do no I/O.
type Ctx struct {
	self    Address
	now     time.Time
	timers  *uint64
	effects *Effects
	arg     any  // the argument itself, in the place of its encoding
	kind    Kind // of the operation
	exists  bool
	bad     error
	err     error

	over      bool   // as is the operation
	goroutine int64  // on which the operation runs; 0 if it is not told
	misused   uint32 // set, atomically, by a call on another one
}

// WithArg lets the operation have its argument as it is, in the place of an encoded one. For the engine.
func (c Ctx) WithArg(value any) Ctx {
	c.arg = value
	return c
}

// Begin makes the zero Ctx that of one operation, like [NewCtx] and [Ctx.WithArg], in its place.
func (c *Ctx) Begin(self Address, now time.Time, timers *uint64, effects *Effects, arg any) {
	c.self, c.now, c.timers, c.effects, c.arg, c.goroutine = self, now, timers, effects, arg, goid.Get()
}

// Effects are what an operation or a coordinator function asked for besides state changes. Programs have no use for it.
type Effects struct {
	Sends   []Envelope
	Timers  []Timer
	Cancels []TimerID
	Emits   []Emitted
}

// Empty reports whether there is nothing to do.
func (e *Effects) Empty() bool {
	return len(e.Sends) == 0 && len(e.Timers) == 0 && len(e.Cancels) == 0 && len(e.Emits) == 0
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

// TimerID names a timer set with [Ctx.SendAfter]. It can be kept in state. It belongs to the instance that set it.
type TimerID struct {
	Due int64  `cbor:"1,keyasint"` // Unix time in nanoseconds
	Seq uint64 `cbor:"2,keyasint"`
}

// Emitted is a record on its way to an egress.
type Emitted struct {
	Egress string `cbor:"1,keyasint"`
	Key    string `cbor:"2,keyasint,omitempty"`
	Value  []byte `cbor:"3,keyasint"`
}

// NewCtx makes the Ctx of one operation, for the engine: timers counts the timers ever set, effects collects. No other operation may
// have it after that: user code may have kept it.
func NewCtx(self Address, now time.Time, timers *uint64, effects *Effects) Ctx {
	return Ctx{self: self, now: now, timers: timers, effects: effects, goroutine: goid.Get()}
}

// End is called when the operation is over, for the engine.
func (c *Ctx) End() { c.over = true }

// Self is the instance that the operation runs on.
func (c *Ctx) Self() Address { return c.self }

// Exists reports whether the instance existed when the operation began: always in an [Update], [View] or [Delete], never in a
// [Create], and in an [Upsert] it says which of the two this one is.
func (c *Ctx) Exists() bool { return c.exists }

// BadState says, in a [Delete], why the state of the instance does not decode; see [Migrate]. It is nil if the state does, and in all
// other operations: they fail instead.
func (c *Ctx) BadState() error { return c.bad }

// Now is the engine's wall clock when the operation started. It does not advance during an operation.
func (c *Ctx) Now() time.Time { return c.now }

// Send sends a message to another instance, to this one, or starts a coordinator function. It arrives exactly once, after
// this operation; messages from one instance to another keep their order. Nobody waits for it: see [OnFailure]. A message
// that can not be sent (empty id, argument that does not encode) fails this operation.
func (c *Ctx) Send(m Message) {
	if e, ok := c.accept(m); ok {
		c.effects.Sends = append(c.effects.Sends, e)
	}
}

// SendAfter sends a message once d has passed on the wall clock, also over restarts; a negative d counts as zero. The
// returned id cancels it, from an operation of this instance only. What an instance sends to itself this way is taken back when the
// instance is deleted, unless the deleting operation sends it; what it sends to others is not.
func (c *Ctx) SendAfter(d time.Duration, m Message) TimerID {
	e, ok := c.accept(m)
	if !ok {
		return TimerID{}
	}
	*c.timers++
	id := TimerID{Due: DueAfter(c.now, d), Seq: *c.timers}
	c.effects.Timers = append(c.effects.Timers, Timer{ID: id, Message: e})
	return id
}

// DueAfter is the Unix time in nanoseconds that is d after now; a negative d counts as zero. What is beyond the last time that
// can be told so (in the year 2262) is due then, not long ago.
func DueAfter(now time.Time, d time.Duration) int64 {
	at := now.UnixNano()
	if d > 0 && at > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return at + int64(max(d, 0))
}

// Cancel cancels a timer that this instance set. One that has fired or was cancelled before is left alone.
func (c *Ctx) Cancel(id TimerID) {
	if !c.isForeign() && c.room() {
		c.effects.Cancels = append(c.effects.Cancels, id)
	}
}

// Emit hands a record to its egress. Records of one egress are numbered without gaps and delivered in order.
func (c *Ctx) Emit(r Record) {
	switch {
	case c.isForeign():
	case r.err != nil:
		c.fail(r.err)
	case c.room():
		c.effects.Emits = append(c.effects.Emits, r.emitted)
	}
}

func (c *Ctx) accept(m Message) (Envelope, bool) {
	if m == nil {
		c.fail(fmt.Errorf("%w: the message is nil", ErrBadCall))
		return Envelope{}, false
	}
	e := m.Envelope()
	switch {
	case c.isForeign():
		return e, false
	case e.Err != nil:
		c.fail(e.Err)
	case e.Into != nil:
		c.fail(fmt.Errorf("%w: a message that is sent has nobody to take its result", ErrBadCall))
	case e.Op != nil && CheckID("instance", e.ID) != nil:
		c.fail(CheckID("instance", e.ID))
	default:
		return e, c.room()
	}
	return e, false
}

// room reports whether the operation may have one more effect.
func (c *Ctx) room() bool {
	if c.kind.Reads() {
		c.fail(fmt.Errorf("%w: a view has no effects: it can not send, emit, set or cancel timers", ErrBadCall))
		return false
	}
	if c.effects.Len() >= MaxEffects {
		c.fail(fmt.Errorf("%w: more than %d sends, timers and records in one operation", ErrTooLarge, MaxEffects))
		return false
	}
	return true
}

// fail remembers the first effect that could not be accepted; the operation then fails with it.
func (c *Ctx) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// isForeign reports whether it is called when the operation is over, or on another goroutine than the operation's. The effect is
// dropped. In the second case the operation fails, if it still can: it may have meant the effect to be its own.
func (c *Ctx) isForeign() bool {
	if c.goroutine == 0 || goid.Get() == c.goroutine {
		return c.over
	}
	atomic.StoreUint32(&c.misused, 1)
	return true
}

// Err is the first effect that could not be accepted, or nil.
func (c *Ctx) Err() error {
	if c.err == nil && atomic.LoadUint32(&c.misused) != 0 {
		return fmt.Errorf("%w: a Ctx was used on another goroutine than the operation's", ErrBadCall)
	}
	return c.err
}

// Egress is a named way out for records of type T, see [NewEgress].
type Egress[T any] struct {
	name   string
	values *Values
}

// NewEgress names an egress; make it once, at package level. Where its records go is decided at engine.Open.
func NewEgress[T any](name string) Egress[T] { return Egress[T]{name, RecordsOf[T]()} }

// Name returns the egress's name.
func (g Egress[T]) Name() string { return g.name }

// Record makes a record for the egress: a key, which may be empty, and a value, which is encoded now.
func (g Egress[T]) Record(key string, value T) Record {
	if g.values == nil {
		return Record{err: fmt.Errorf("%w: the zero Egress; make it with NewEgress", ErrBadCall)}
	}
	data, err := g.values.Encode(value)
	if err != nil {
		err = fmt.Errorf("%w: record for egress %s: %w", ErrBadCall, g.name, err)
	}
	return Record{emitted: Emitted{Egress: g.name, Key: key, Value: data}, err: err}
}

// Record is a record for an egress: an inert value for [Ctx.Emit] or an outcome effect.
type Record struct {
	emitted Emitted
	err     error
}

// Effect is what can follow from the outcome of a coordinator function: a [Call] or the start of a coordinator function,
// which are sent, or a [Record], which is emitted.
type Effect interface{ AddTo(effects *Effects) error }

// AddTo implements [Effect].
func (c Call) AddTo(effects *Effects) error { return AddMessage(effects, c) }

// AddTo implements [Effect].
func (r Record) AddTo(effects *Effects) error {
	ctx := Ctx{effects: effects}
	ctx.Emit(r)
	return ctx.err
}

// AddMessage adds the sending of m to effects, for packages that define messages of their own.
func AddMessage(effects *Effects, m Message) error {
	ctx := Ctx{effects: effects}
	ctx.Send(m)
	return ctx.err
}

// Emitted returns the record in the form in which the engine takes it, or why it can not be emitted.
func (r Record) Emitted() (Emitted, error) { return r.emitted, r.err }
