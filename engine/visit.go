package engine

import (
	"time"

	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/locks"
)

type (
	seat  = transactions.Seat[*visit]
	claim = locks.Claim[*transactions.Visit[*visit]]
)

// visit is somebody's stay at an instance, as its worker has it: a transaction's, from its first call there to its decision, or that of a
// plain call that waits for the lock, or has waited for it and runs.
type visit struct {
	transactions.Visit[*visit]

	inst  *instance
	call  *call         // that waits for the lock, or runs; of a transaction's that is elsewhere, the last one
	coord *coord        // the transaction; nil of a plain call
	waits time.Duration // since when the call has waited for the lock, if it does: see clocks.elapsed
	holds int64         // since when it has held the lock, if it does, Unix nanoseconds

	op *instances.Operation // that is called, or was called last; nil while a lock is taken up front

	// Of a transaction.
	held      *held // what it holds back
	tentative int   // the largest state that it has made here
	grown     int   // all that it has changed here, as Engine.undecided counts it
}

// newVisit makes the visit of a call's owner to an instance.
func (x *executor) newVisit(c *call, owner locks.Owner) *visit {
	v := x.idleVisits.Take()
	v.inst, v.call, v.coord, v.op = x.instance(c), c, c.coord, c.op
	v.Init(&v.inst.seat, v, owner)
	return v
}

// endVisit keeps the memory of a visit that is over: its owner neither holds the lock nor waits for it.
func (x *executor) endVisit(v *visit) {
	*v = visit{}
	x.idleVisits.Put(v)
}

// isPlain reports whether a visit is no transaction's.
func (v *visit) isPlain() bool { return v.Claim.Owner.Single }

// visitOf is the visit that a message for a transaction is about.
func (m *message) visitOf() *visit {
	if v := m.about.(*visit); v.Claim.Owner.ID == m.run && v.Claim.Owner.Attempt == m.which {
		return v
	}
	panic("engine: a message is about the visit of the attempt that sent it")
}

// waitsForLock reports whether a call waits for its instance's lock.
func (c *call) waitsForLock() bool {
	return c.visit != nil && c.visit.call == c && c.visit.Claim.Waiting()
}
