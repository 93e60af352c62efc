package functions

import (
	"time"

	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// MaxEffects bounds the sends, timers, cancellations and egress records of one operation together: 10,000.
const MaxEffects = instances.MaxEffects

// Ctx is what an operation may do besides changing its state. Its effects are part of the operation: dropped if it fails,
// and inside a transaction held back until the transaction is decided. A Ctx is valid during the operation only, and on its
// goroutine: used on another one it drops the effect, and the operation fails with [ErrBadCall] if it is not over. Used when it is over
// it does nothing, and tells zeros. It is deliberately no context.Context: operations do no I/O.
type Ctx instances.Ctx

func (c *Ctx) inside() *instances.Ctx { return (*instances.Ctx)(c) }

// Self is the instance that the operation runs on.
func (c *Ctx) Self() Address { return Address(c.inside().Self()) }

// Exists reports whether the instance existed when the operation began: always in an [Update], [View] or [Delete], never in a
// [Create], and in an [Upsert] it says which of the two this one is.
func (c *Ctx) Exists() bool { return c.inside().Exists() }

// BadState says, in a [Delete], why the state of the instance does not decode; see [Migrate]. It is nil if the state does, and in all
// other operations: they fail instead.
func (c *Ctx) BadState() (why error) { return c.inside().BadState() }

// Now is the engine's wall clock when the operation started. It does not advance during an operation.
func (c *Ctx) Now() time.Time { return c.inside().Now() }

// Send sends a message to another instance, to this one, or starts a coordinator function. It arrives exactly once, after
// this operation; messages from one instance to another keep their order. Nobody waits for it: see [OnFailure]. A message
// that cannot be sent (empty id, argument that does not encode) fails this operation.
func (c *Ctx) Send(m Message) { c.inside().Send(m) }

// SendAfter sends a message once d has passed on the wall clock, also over restarts; a negative d counts as zero. The
// returned id cancels it, from an operation of this instance only. What an instance sends to itself this way is taken back when the
// instance is deleted, unless the deleting operation sends it; what it sends to others is not.
func (c *Ctx) SendAfter(d time.Duration, m Message) TimerID {
	return TimerID(c.inside().SendAfter(d, m))
}

// Cancel cancels a timer that this instance set. One that has fired or was cancelled before is left alone.
func (c *Ctx) Cancel(id TimerID) { c.inside().Cancel(instances.TimerID(id)) }

// Emit hands a record to its egress. Records of one egress are numbered without gaps and delivered in order.
func (c *Ctx) Emit(r Record) { c.inside().Emit(r.Record) }

// TimerID names a timer set with [Ctx.SendAfter]. It can be kept in state. It belongs to the instance that set it.
type TimerID struct {
	Due int64  `cbor:"1,keyasint"` // Unix time in nanoseconds
	Seq uint64 `cbor:"2,keyasint"`
}
