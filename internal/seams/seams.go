// Package seams is where an engine lets a simulator in: what it can replace, how it runs an engine one step at a time, and what it sees of
// the inside. Programs of users have no use for it.
package seams

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/locks"
)

// Set is what a simulator replaces. The zero value is the real world.
type Set struct {
	// FS is the file system. Default: the operating system's.
	FS vfs.FS
	// Clock tells the time. Default: the operating system's. See also [clock.ElapsedClock].
	Clock clock.Clock
	// Stepped makes the engine start no goroutine of its own: whoever opened it runs it with [Stepped.Step], one thread and one
	// step at a time. After opening and after each seal it waits until the store has nothing to do in the background. Open calls Run
	// of each ingress, which has to return at once and keep deliver: whoever steps the engine delivers. deliver does not block then;
	// it fails with ErrOverloaded or ErrNoSpace.
	Stepped bool
	// Opened, if set, is called at the end of Open of a stepped engine, with what runs it.
	Opened func(s Stepped)
	// Spent, if set, is called after each message that was handled, and after each run of code of users: so that a simulated clock
	// can go on. Only for stepped engines.
	Spent func(s Spent)
	// Log, if set, puts another log in the place of the engine's own: over it, usually.
	Log func(own Log) Log
	// Charged, if set, is called before Log.Seal with how many bytes the epoch's rows had been counted for before it was cut: no batch has
	// more, but for a few hundred bytes a row.
	Charged func(epoch uint64, bytes int64)
	// Recovered, if set, is called by Open before anything runs, with all rows that the directory has. Its error is Open's.
	Recovered func(scan RowScan) error
	// FindAtOpen is the number of request ids that Open reads itself, so that the filters of a small directory are there at once; more are
	// read beside what else goes on. Default: 200,000.
	FindAtOpen int
	// Tangled, if set, is called when all workers are at rest and somebody waits for a lock: with all locks that have waiters
	// and the transactions that are going to be the victims. It must not call the engine.
	Tangled func(t Tangle)
}

// Log is where a group makes its epochs durable, one after the other. Its own is the table's; in a cluster it is that of a majority.
type Log interface {
	// Seal returns nil only once the batch of an epoch is durable, whole, and readers see it; the batch is empty then. After [ErrStepDown] the
	// group stops where it stands. After any other error nothing is known of the log, and the process ends.
	Seal(epoch uint64, batch *table.Batch) error
	// Down returns a channel that is closed when the log takes no more epochs, also if none is being sealed then; nil if that never happens.
	Down() <-chan struct{}
}

// ErrStepDown is the error of a log that takes no more epochs from this group: another process may go on with its rows. Whether the log
// has the epoch that it was given last is not known. Those who wait are told that their outcome is unknown, nothing runs any more but what
// cannot be stopped, and Close gives the directory back.
var ErrStepDown = errors.New("the log takes no more epochs from here")

// Over makes a [Set.Log] of what is to happen in the place of Seal; write is the Seal below.
func Over(seal func(epoch uint64, batch *table.Batch, write func() error) error) func(own Log) Log {
	return func(own Log) Log { return over{seal, own} }
}

type over struct {
	seal func(epoch uint64, batch *table.Batch, write func() error) error
	own  Log
}

func (o over) Seal(epoch uint64, batch *table.Batch) error {
	return o.seal(epoch, batch, func() error { return o.own.Seal(epoch, batch) })
}

func (o over) Down() <-chan struct{} { return o.own.Down() }

// InMemory is a new, empty file system in memory, and the real world otherwise.
func InMemory() Set { return Set{FS: vfs.NewMem()} }

// Spent is what time has gone to.
type Spent uint8

// What time goes to.
const (
	SpentOnMessage  Spent = iota + 1 // a message was handled, or a request accepted
	SpentOnFunction                  // an operation has run, or the body of a coordinator function up to its next calls
	SpentOnLook                      // whoever waits for a lock was looked at, for cycles
)

// RowScan calls visit with each row, in order of the keys, until it returns an error. Key and value are valid during the call only.
type RowScan func(visit func(key, value []byte) error) error

// Tangle is who waits for whom at a moment at which no worker moves.
type Tangle struct {
	Locks   []TangledLock
	Leaving []locks.Owner // who has given way already, or is about to hear that it must
	Victims []locks.Owner
}

// TangledLock is a lock that somebody waits for.
type TangledLock struct {
	At     functions.Address
	Claims []TangledClaim
}

// TangledClaim is one who holds a lock or waits for it; see locks.Lock.Levels.
type TangledClaim struct {
	Level int // 0 of a holder
	Owner locks.Owner
	Mode  locks.Mode // held at level 0, wanted above
}

// Stepped is an engine that does nothing by itself.
type Stepped interface {
	// Step lets one thing happen: a worker handles one message or takes what has come in, or the sealer seals an epoch, or an egress
	// delivers. choose picks one of n things that can happen next; the same choices give the same run. It reports false if there is
	// nothing to do.
	Step(choose func(n int) int) bool
	// Abandon ends the engine where it stands, as a crash does: nothing more is sealed and nobody is answered. It gives back what the
	// engine holds: coroutines of users' functions, whose defers run, and the files. Whoever waits is told ErrUnknown.
	Abandon() error
	// Inventory takes stock, between two steps.
	Inventory() Inventory
}

// Inventory is what an engine has in memory, recounted, beside what its counters say of it.
type Inventory struct {
	InFlight Counted // requests that wait for their outcome; see Options.MaxInFlight
	Timers   Counted // of instances, by weight; see Options.MaxTimers
	Queued   Counted // messages that nobody waits for, by weight; see Options.MaxMessages
	Cached   Counted // bytes of instances; see Options.CacheBytes
	Journals Counted // bytes of the journals of sagas; see Options.MaxJournalsBytes
	Held     Counted // records that undecided transactions hold back; see Options.MaxBacklog

	Left Counted // what an earlier process left and this one has not handled

	Background Counted // coordinator functions that no client's place counts for, by weight; see Options.MaxRuns

	Runs     int   // of coordinator functions that have outlived an epoch
	Messages int   // of any kind, and requests that were not accepted yet
	Locks    int   // instances whose lock is held or waited for
	Unsealed int   // by its counter: records of ingresses that are not handled and sealed
	Charged  int64 // by its counter: bytes of the running epoch

	Undecided int64 // by its counter: bytes that undecided transactions have changed
}

// Counted is a number as the engine keeps it, and as it is found.
type Counted struct{ Kept, Found int64 }

// Idle reports what an engine that has nothing to do should not have, or nil: messages, locks, and counters that say something else
// than what is found.
func (v Inventory) Idle() error {
	for _, c := range []struct {
		what string
		Counted
	}{
		{"requests in flight", v.InFlight}, {"timers", v.Timers}, {"queued messages", v.Queued}, {"bytes in the caches", v.Cached},
		{"records that are held back", v.Held}, {"coordinator functions in the background", v.Background}, {"bytes of journals", v.Journals},
		{"what was left", v.Left},
	} {
		if c.Kept != c.Found {
			return fmt.Errorf("engine: the count of %s is %d, and there are %d", c.what, c.Kept, c.Found)
		}
	}
	if v.Undecided != 0 {
		return fmt.Errorf("engine: at rest %d bytes count as changed by transactions that are not decided", v.Undecided)
	}
	if v.Messages > 0 || v.Locks > 0 || v.Unsealed > 0 || v.Charged > 0 {
		return fmt.Errorf("engine: at rest there are %d messages, %d locks, %d records and %d bytes that are not sealed", v.Messages, v.Locks, v.Unsealed, v.Charged)
	}
	return nil
}
