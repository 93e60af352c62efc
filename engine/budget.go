package engine

import (
	"fmt"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// budget bounds what one epoch writes: it becomes one batch of the store, which takes less than 4 GiB, and has to be in memory as a
// whole; and whoever waits for a seal waits for all of it. Workers count the bytes of each row before it is written, in their own memory,
// and tell the budget in portions. A row counts for more than its bytes, so that maxEpochRows small ones use it up too.
//
// When a quarter of Options.MaxEpochBytes is used the epoch is cut, by force if need be. A transaction's changes have to be in one
// epoch, so it may change at most a quarter. One whose changes no longer fit is decided in the next epoch. So an epoch stays below the
// bound, unless many operations with large results run at the same time.
type budget struct {
	used    atomic.Int64
	share   int64 // a quarter of the bound
	row     int64 // what a row counts for, besides its bytes
	portion int64 // how much a worker counts before it tells the budget
}

func (b *budget) init(maxBytes int64) {
	b.share = maxBytes / 4
	b.row, b.portion = b.share/maxEpochRows, b.share/chargePortions
}

const (
	// maxEpochRows is the number of rows after which an epoch is cut: to seal so many takes a tenth of a second.
	maxEpochRows = 100_000
	// chargePortions is how many portions a worker counts at most before a quarter of the bound is used.
	chargePortions = 1024
	// rowOverhead is about what a row takes besides its names and values.
	rowOverhead = 64
	// statesInEpoch is the smallest Options.MaxEpochBytes, in Options.MaxBytes: a quarter has room for a state and a result.
	statesInEpoch = 8
)

// charge counts a row that the running epoch will write, and cuts the epoch once it has too many.
func (x *executor) charge(bytes int) {
	if x.charged += int64(bytes) + x.group.budget.row; x.charged >= x.group.budget.portion {
		x.tellCharged()
	}
}

func (x *executor) tellCharged() {
	e := x.group
	if e.budget.used.Add(x.charged) > e.budget.share {
		e.cutNow()
	}
	x.charged = 0
}

// fits reports whether a transaction's changes still fit into the running epoch. Otherwise the epoch is cut and the transaction is
// decided in the next one. Large changes are counted here, before other workers decide too, and once more when they are applied.
func (x *executor) fits(bytes int64) bool {
	e := x.group
	if bytes < e.budget.portion {
		return true
	}
	if used := e.budget.used.Add(bytes); used <= e.budget.share || used == bytes {
		return true
	}
	e.budget.used.Add(-bytes)
	e.cutNow()
	return false
}

// takeRoom is fits for what the caller writes at once, which charges it: so it does not count twice.
func (x *executor) takeRoom(bytes int64) bool {
	if !x.fits(bytes) {
		return false
	}
	if bytes >= x.group.budget.portion {
		x.charged -= bytes
	}
	return true
}

// chargeRows counts rows that are written at the cut.
func (x *executor) chargeRows(bytes, rows int) {
	if rows > 0 {
		x.charge(bytes + (rows-1)*int(x.group.budget.row))
	}
}

// addCharged adds a row to the running epoch, and counts it.
func (x *executor) addCharged(key, value []byte) {
	x.charge(len(value))
	x.addRow(key, value)
}

// bytesOf is what effects add to an epoch.
func bytesOf(e *instances.Effects) (bytes int) {
	if e == nil {
		return 0
	}
	for i := range e.Sends {
		m := &e.Sends[i]
		bytes += rowOverhead + len(m.ID) + argBytes(m.Op, m.Arg, m.Value)
	}
	for i := range e.Timers {
		m := &e.Timers[i].Message
		bytes += rowOverhead + len(m.ID) + argBytes(m.Op, m.Arg, m.Value)
	}
	for i := range e.Emits {
		bytes += rowOverhead + len(e.Emits[i].Key) + len(e.Emits[i].Value)
	}
	return bytes
}

// Transactions that are not decided keep what they have changed in memory, as long as they wait for locks. All together may keep
// Options.MaxEpochBytes. Workers count in their own memory, and tell in portions.

// countUndecided counts bytes that a transaction has changed, or that are decided.
func (x *executor) countUndecided(bytes int64) {
	x.undecided += bytes
	if portion := x.group.budget.portion; x.undecided >= portion || x.undecided <= -portion {
		x.group.undecided.Add(x.undecided)
		x.undecided = 0
	}
}

// isCrowded reports whether undecided transactions have as much as they may.
func (x *executor) isCrowded() bool {
	return x.group.undecided.Load()+x.undecided > x.group.options.MaxEpochBytes
}

func (g *commons) errUndecided() error {
	return fmt.Errorf("%w: all transactions that are not decided have changed more than %d bytes: Options.MaxEpochBytes", functions.ErrTooLarge, g.options.MaxEpochBytes)
}

// countAttached counts the effects that a transaction's body has attached to its outcomes by now.
func (x *executor) countAttached(c *coord) {
	success, failure := c.routine.Attached()
	if all := int64(success + failure); all != c.attached {
		x.countUndecided(all - c.attached)
		c.attached = all
	}
}

// dropAttached ends that: the attempt is over.
func (x *executor) dropAttached(c *coord) {
	if c.attached != 0 {
		x.countUndecided(-c.attached)
		c.attached = 0
	}
}

// isFull reports whether the running epoch has used its share.
func (b *budget) isFull() bool { return b.used.Load() > b.share }

// cutNow cuts the running epoch as it is.
func (g *commons) cutNow() {
	g.closeGate()
	g.cutting.Store(true)
}

// errChanges is the failure of a transaction that changes more than fits into an epoch.
func (g *commons) errChanges(bytes int64) error {
	return fmt.Errorf("%w: the transaction changes %d bytes, at most %d: a quarter of Options.MaxEpochBytes", functions.ErrTooLarge, bytes, g.budget.share)
}

// keptMemory is how many entries a slice may have room for that is kept to be used again.
const keptMemory = 1 << 14

// keepSmall empties a slice whose memory is used again, and drops the memory if it has become large.
func keepSmall[T any](s []T) []T {
	if cap(s) > keptMemory {
		return nil
	}
	return s[:0]
}
