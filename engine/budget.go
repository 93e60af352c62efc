package engine

import (
	"fmt"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
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
func (w *worker) charge(bytes int) {
	if w.charged += int64(bytes) + w.engine.budget.row; w.charged >= w.engine.budget.portion {
		w.tellCharged()
	}
}

func (w *worker) tellCharged() {
	e := w.engine
	if e.budget.used.Add(w.charged) > e.budget.share {
		e.cutNow()
	}
	w.charged = 0
}

// fits reports whether a transaction's changes still fit into the running epoch. Otherwise the epoch is cut and the transaction is
// decided in the next one. Large changes are counted here, before other workers decide too, and once more when they are applied.
func (w *worker) fits(bytes int64) bool {
	e := w.engine
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
func (w *worker) takeRoom(bytes int64) bool {
	if !w.fits(bytes) {
		return false
	}
	if bytes >= w.engine.budget.portion {
		w.charged -= bytes
	}
	return true
}

// chargeRows counts rows that are written at the cut.
func (w *worker) chargeRows(bytes, rows int) {
	if rows > 0 {
		w.charge(bytes + (rows-1)*int(w.engine.budget.row))
	}
}

// addCharged adds a row to the running epoch, and counts it.
func (w *worker) addCharged(key, value []byte) {
	w.charge(len(value))
	w.addRow(key, value)
}

// bytesOf is what effects add to an epoch.
func bytesOf(e *functions.Effects) (bytes int) {
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

// charged is what the running epoch counts for. The conductor calls it.
func (e *Engine) charged() int64 {
	charged := e.budget.used.Load()
	for _, w := range e.workers {
		charged += w.charged
	}
	return charged
}

// Transactions that are not decided keep what they have changed in memory, as long as they wait for locks. All together may keep
// Options.MaxEpochBytes. Workers count in their own memory, and tell in portions.

// countUndecided counts bytes that a transaction has changed, or that are decided.
func (w *worker) countUndecided(bytes int64) {
	w.undecided += bytes
	if portion := w.engine.budget.portion; w.undecided >= portion || w.undecided <= -portion {
		w.engine.undecided.Add(w.undecided)
		w.undecided = 0
	}
}

// isCrowded reports whether undecided transactions have as much as they may.
func (w *worker) isCrowded() bool {
	return w.engine.undecided.Load()+w.undecided > w.engine.options.MaxEpochBytes
}

func (e *Engine) errUndecided() error {
	return fmt.Errorf("%w: all transactions that are not decided have changed more than %d bytes: Options.MaxEpochBytes", functions.ErrTooLarge, e.options.MaxEpochBytes)
}

// countAttached counts the effects that a transaction's body has attached to its outcomes by now.
func (w *worker) countAttached(c *coord) {
	success, failure := c.routine.Attached()
	if all := int64(success + failure); all != c.attached {
		w.countUndecided(all - c.attached)
		c.attached = all
	}
}

// dropAttached ends that: the attempt is over.
func (w *worker) dropAttached(c *coord) {
	if c.attached != 0 {
		w.countUndecided(-c.attached)
		c.attached = 0
	}
}

// isFull reports whether the running epoch has used its share.
func (b *budget) isFull() bool { return b.used.Load() > b.share }

// cutNow cuts the running epoch as it is.
func (e *Engine) cutNow() {
	e.closeGate()
	e.cutting.Store(true)
}

// errChanges is the failure of a transaction that changes more than fits into an epoch.
func (e *Engine) errChanges(bytes int64) error {
	return fmt.Errorf("%w: the transaction changes %d bytes, at most %d: a quarter of Options.MaxEpochBytes", functions.ErrTooLarge, bytes, e.budget.share)
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
