package engine

import (
	"context"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
)

// Step is [seams.Stepped]'s.
func (e *Engine) Step(choose func(n int) int) bool { return stepper{e}.Step(choose) }

// Abandon is [seams.Stepped]'s.
func (e *Engine) Abandon() error { return stepper{e}.Abandon() }

// Inventory is [seams.Stepped]'s.
func (e *Engine) Inventory() seams.Inventory { return e.inventory() }

// CacheBytes adds up what the workers' caches hold, and the most that they may. Only while nothing runs.
func (e *Engine) CacheBytes() (bytes, budget int64, instances int) {
	for _, w := range e.workers {
		bytes += w.cache.bytes
		budget += w.cache.budget
		for _, s := range w.shards {
			for i := s.instances; i != nil; i = i.after {
				instances++
			}
		}
	}
	return bytes, budget, instances
}

// IsCached reports whether a worker's cache holds an instance with the id. Only while nothing runs.
func (e *Engine) IsCached(id string) bool {
	for _, s := range e.shards {
		for i := s.instances; i != nil; i = i.after {
			if i.id == id {
				return true
			}
		}
	}
	return false
}

// Queued counts the messages that nobody waits for and that were not run yet, by weight.
func (e *Engine) Queued() int64 { return e.queued.Load() }

// Behind is how many bytes of the log are not in the store's tables yet.
func (e *Engine) Behind() int64 { return e.table.OverlayBytes() }

// Sealed is the last epoch that counts as sealed.
func Sealed(e *Engine) uint64 { return e.sealed.Load() }

// Readable reports whether the store shows an instance's row to who reads it now, sealed or not.
func Readable(e *Engine, typeName, id string) bool {
	snapshot := e.table.View()
	defer snapshot.Close()
	_, found, err := snapshot.Get(format.InstanceKey(nil, format.InstanceShard(format.NameHash(typeName), id, uint64(e.options.Shards)), typeName, id))
	return err == nil && found
}

// The room that others than clients have.
const (
	QuestionReserve = questionReserve
	OperatorReserve = operatorReserve
)

// IsAlike reports whether all states of a type in the directory are of its shape.
func IsAlike(e *Engine, part functions.Part) bool { return e.registry.IsAlike(part.Definition()) }

// InFlight is how many requests wait for their outcome.
func InFlight(e *Engine) int { return int(e.inFlight.Load()) }

// IsClosed reports whether Close was called, or the engine has failed.
func IsClosed(e *Engine) bool { return e.closed.Load() }

// IsStopping reports whether the epochs that are cut now are the last.
func IsStopping(e *Engine) bool { return e.stopping.Load() }

// IsOpen reports whether requests are admitted to the running epoch.
func IsOpen(e *Engine) bool { return e.open.Load() }

// Runs names the user code that a worker runs.
func Runs(e *Engine) string {
	for _, w := range e.workers {
		if name, _, runs := w.runsNow(); runs {
			return name
		}
	}
	return ""
}

// TimersSet is how many timers instances have set.
func TimersSet(e *Engine) int { return int(e.timers.Load()) }

// MaxUnsealed is how many records of an ingress may be taken, and not handled and sealed yet.
const MaxUnsealed = maxUnsealed

// SealNow seals the epoch of a stepped engine that waits for that, if one does.
func SealNow(e *Engine) {
	if len(e.toSeal) > 0 {
		e.seal(<-e.toSeal)
	}
}

// NextSize is how many suspects have their first turn together, after a turn.
var NextSize = nextSize

// HaveTurns reports whether suspects have their turns in the background, or will have them.
func HaveTurns(e *Engine) bool { return e.frozen.Load() }

// Unwind unwinds the bodies that are left, as Close does, when hard is over.
func Unwind(e *Engine, hard context.Context) error { return e.unwind(hard) }

// LookNow is what Engine.Transactions and Engine.Locks would tell of a stepped engine between two steps.
func LookNow(e *Engine) (transactions []TransactionInfo, held []LockInfo) {
	parts := make([]map[format.Address]bool, len(e.workers))
	for i := range parts {
		parts[i] = map[format.Address]bool{}
	}
	for _, w := range e.workers {
		w.eachTransaction(func(c *coord) bool { transactions = append(transactions, c.describe()); return true })
		w.eachTransaction(w.noteParts(parts))
	}
	for i, w := range e.workers {
		held = append(held, w.describeLocks(parts[i], MaxListedLocks)...)
	}
	return transactions, held
}

// DurationIndex is the entry of DurationCounts that counts a duration.
func DurationIndex(d time.Duration) int { return durationIndex(d) }

// WaitCounter counts waits for instances.
type WaitCounter struct{ hot hotInstances }

// Add counts a wait for an instance, in a watch.
func (c *WaitCounter) Add(watch uint64, id string, waited time.Duration) {
	c.hot.add(watch, format.Address{Type: "t", ID: id}, waited)
}

// Count is how many instances it counts, and how many waits for one of them.
func (c *WaitCounter) Count(id string) (instances int, waits uint64) {
	if of := c.hot.byKey[format.Address{Type: "t", ID: id}]; of != nil {
		waits = of.waits
	}
	return len(c.hot.byKey), waits
}

// Cancelling is a question that was asked to cancel something.
type Cancelling struct{ asked *request }

// BeginCancelRequest is Engine.CancelRequest, which does not wait.
func BeginCancelRequest(e *Engine, of functions.Address, requestID string) (c Cancelling, err error) {
	request, err := e.registry.RequestFor(of, requestID)
	if err != nil {
		return c, err
	}
	s := e.shards[request.Shard(e.registry.Shards)]
	c.asked = e.cancellingRequest(s, request)
	return c, e.beginCancel([]*worker{e.workerOf(s)}, c.asked)
}

// BeginCancelTransaction is Engine.CancelTransaction, which does not wait.
func BeginCancelTransaction(e *Engine, id uint64) (Cancelling, error) {
	c := Cancelling{e.cancellingTransaction(id)}
	return c, e.beginCancel(e.workers, c.asked)
}

// Wait waits for the answer, once.
func (c Cancelling) Wait(ctx context.Context) error { return c.asked.wait(ctx) }

// IsAnswered reports whether Wait would return at once.
func (c Cancelling) IsAnswered() bool { return len(c.asked.done) > 0 }

// LastNumber is the last number that a run or a call was given.
func LastNumber(e *Engine) uint64 { return e.nextID.Load() }

// Slice is how long a round lasts at most, but for the operation that runs.
const Slice = slice

// IsLate reports whether half of MaxDrain is over since the epoch was opened.
func IsLate(e *Engine) bool { return e.lookout.due.Load() }

// SizeIndex is the entry of SizeCounts that counts a size.
func SizeIndex(n uint64) int { return sizeIndex(n) }
