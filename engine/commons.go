package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/internal/seen"
	"github.com/concordat-dev/concordat/internal/table"
)

// commons is what all shards of a group have in common: what they may do, what they know, and what they count together.
type commons struct {
	options  Options
	registry *registry.Registry
	table    *table.Table
	clocks   clock.Times
	shards   []*shard
	events   atomic.Pointer[Events] // who is told of what happens; nil: nobody is told of anything

	fatal func(error) // something could not be made durable or read back: it does not return

	nextID      atomic.Uint64 // of coordinator functions, waiting calls and carried messages
	timerSeq    []paddedCount // by worker: timers ever set
	stats       counters
	measures    measures
	watching    watching
	traceRoom   traceRoom
	toldChanged sync.Map // the functions of which it was reported that an argument has changed its shape

	seen    *seen.Filter // of the ids whose outcomes have rows
	buckets buckets

	backlogs []*backlog // by egress

	inFlight   atomic.Int64 // requests that wait for their outcome
	queued     atomic.Int64 // messages that nobody waits for and that were not run yet, by weight
	timers     atomic.Int64 // that instances have set, by weight
	undecided  atomic.Int64 // bytes that undecided transactions have changed
	background atomic.Int64 // coordinator functions that no client's place counts for, by weight
	journals   atomic.Int64 // bytes of all journals

	emitted atomic.Uint64 // records for egresses: counts them where several workers emit

	left   atomic.Int64 // what an earlier process left and this one has not handled
	frozen atomic.Bool  // some of it has its turn alone: see trials

	// The running epoch.
	epoch    uint64 // the conductor changes it, while no worker runs
	budget   budget
	open     atomic.Bool   // it takes requests
	asked    atomic.Bool   // a request has come in since it began, or waited then
	cutting  atomic.Bool   // it has gone on for too long: urgent messages only
	closedAt atomic.Int64  // when it ceased to take requests, in engine time
	drainFor time.Duration // how long it may go on then: half of MaxDrain, less what the operation takes that runs at the end
	lookout  lookout

	sealed  atomic.Uint64 // the last epoch that is durable
	sealing atomic.Bool   // an epoch is with the sealer
	down    atomic.Bool   // nothing is cut any more, since the log takes no more epochs
}

// closeGate ends admission to the running epoch.
func (g *commons) closeGate() {
	if g.open.CompareAndSwap(true, false) {
		g.closedAt.Store(g.clocks.Now())
	}
}

// cutIfLate cuts an epoch that has gone on for too long after admission has closed. A request that comes in then has to wait for
// this epoch and for the next, in which it is admitted at once: so each may take half of MaxDrain.
func (g *commons) cutIfLate() {
	if g.clocks.Now()-g.closedAt.Load() > int64(g.drainFor) {
		g.cutting.Store(true)
	}
}
