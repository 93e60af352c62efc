package transactions

import (
	"slices"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/locks"
)

// Seat is an instance as the protocols see it: its state and its lock. It is the participant's half of the protocol, a pure
// machine. The zero Seat with a type in its Cell is an instance that does not exist and is not locked.
//
// A transaction's changes are made to the cell in place, under the exclusive lock, with the state before them kept in its
// [Visit]; an abort puts that back. Plain calls and calls of sagas take the lock too, for as long as they run, but only have to
// touch it when it is not free.
type Seat[R any] struct {
	Cell instances.Cell
	Lock locks.Lock[*Visit[R]]

	writer *Visit[R] // the visit whose undecided changes are in Cell
}

// Visit is somebody's stay at a seat: a transaction's, from its first call there to its decision, or that of one plain call.
type Visit[R any] struct {
	Seat    *Seat[R]
	Ref     R // what the engine wants back when the claim is granted
	Claim   locks.Claim[*Visit[R]]
	Effects *instances.Effects // held back until the decision; nil if there are none
	Deleted bool               // the instance was deleted, and perhaps made again

	before instances.Image // the state to go back to, if this is the seat's writer
}

// Init makes v the visit of an owner to a seat; ref is for the engine.
func (v *Visit[R]) Init(seat *Seat[R], ref R, owner locks.Owner) {
	v.Seat, v.Ref = seat, ref
	v.Claim.Owner, v.Claim.Ref = owner, v
}

// Committed is the instance's state without the changes of a transaction that is not decided.
func (s *Seat[R]) Committed() instances.Image {
	if s.writer != nil {
		return s.writer.before
	}
	return s.Cell.Image()
}

// Prepare runs an operation of a transaction that holds the lock in the operation's mode. What the operation collected in
// effects is added to the visit's if it succeeds and check accepts it. A failure leaves the seat as it was before the operation.
//
// Invariant: of the timers among the visit's effects that the instance has set for itself, each was set by the instance that is there
// now, or by the operation that has deleted it. So a transaction that replaces an instance sets none of its predecessor's.
func (v *Visit[R]) Prepare(op *instances.Operation, ctx *instances.Ctx, arg []byte, maxBytes int, effects *instances.Effects, check func(*instances.Effects) error) (*instances.Result, error) {
	s := v.Seat
	before := s.Cell.Image()
	result, err := s.Cell.Run(op, ctx, arg, maxBytes)
	if err == nil && !effects.Empty() {
		if err = check(effects); err != nil {
			s.Cell.Restore(before)
		}
	}
	if err != nil {
		return nil, err
	}
	if op.Kind == instances.KindDelete {
		v.Deleted = true
		v.dropOwnTimers(ctx.Self())
	}
	if !effects.Empty() {
		if v.Effects == nil {
			v.Effects = new(instances.Effects)
		}
		v.Effects.Append(effects)
	}
	if !op.Kind.Reads() && s.writer == nil {
		s.writer, v.before = v, before
	}
	return result, nil
}

// dropOwnTimers drops what an instance that is deleted has set for itself in the visit.
func (v *Visit[R]) dropOwnTimers(self format.Address) {
	if v.Effects != nil {
		v.Effects.Timers = slices.DeleteFunc(v.Effects.Timers, func(t instances.Timer) bool { return t.Message.IsFor(self) })
	}
}

// Commit makes the visit's changes the instance's state, ends the visit, and reports whether there were any. Claims that are
// granted by that are appended to granted. The visit's Effects are now due.
func (v *Visit[R]) Commit(granted []*locks.Claim[*Visit[R]]) (changed bool, _ []*locks.Claim[*Visit[R]]) {
	changed = v.Seat.writer == v
	if changed {
		v.Seat.writer = nil
	}
	return changed, v.Seat.Lock.Release(&v.Claim, granted)
}

// Abort undoes the visit's changes and ends the visit. Claims that are granted by that are appended to granted.
func (v *Visit[R]) Abort(granted []*locks.Claim[*Visit[R]]) []*locks.Claim[*Visit[R]] {
	if v.Seat.writer == v {
		v.Seat.Cell.Restore(v.before)
		v.Seat.writer = nil
	}
	v.Effects = nil
	return v.Seat.Lock.Release(&v.Claim, granted)
}
