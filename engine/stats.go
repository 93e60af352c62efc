package engine

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/locks"
)

// Stats counts what has happened since the engine was opened.
type Stats struct {
	Epochs    uint64 // epochs cut
	Retries   uint64 // further attempts of transactions
	Deadlocks uint64 // cycles broken
	Carried   uint64 // messages carried from one epoch to the next
	Swept     uint64 // expired outcomes deleted
	Changed   uint64 // requests that were repeated with an argument of another shape; see ErrReusedID
	Parked    uint64 // records that an egress could not take
	Dropped   uint64 // effects of outcomes that an earlier opening had accepted and this one cannot carry out
	Slow      uint64 // times that user code held a worker for more than 100 ms

	FalseAlarms uint64 // new request ids that were looked for in the store; see Options.FilterBytes
	Lost        uint64 // bodies that ended their goroutine, or did not let themselves be unwound

	LockWaits    uint64        // waits of calls for a lock that are over, because it was granted or the wait given up
	LockWaitTime time.Duration // how long those took together
	Waits        WaitCounts    // how long each of them took
}

type counters struct {
	changed, epochs, retries, deadlocks, carried, swept, parked, dropped, slow, lost, alarms atomic.Uint64
}

// Stats returns the counts. It does not block.
func (e *Engine) Stats() Stats {
	s := Stats{
		Epochs: e.stats.epochs.Load(), Retries: e.stats.retries.Load(), Deadlocks: e.stats.deadlocks.Load(),
		Carried: e.stats.carried.Load(), Swept: e.stats.swept.Load(), Changed: e.stats.changed.Load(), Parked: e.stats.parked.Load(),
		Dropped: e.stats.dropped.Load(), Slow: e.stats.slow.Load(), Lost: e.stats.lost.Load(), FalseAlarms: e.stats.alarms.Load(),
	}
	for _, w := range e.workers {
		w.waits.addTo(&s)
	}
	return s
}

// Deadlock is the record of a cycle that was broken.
type Deadlock struct {
	At     time.Time // when it was broken
	Closed time.Time // when the last of the cycle began to wait
	Epoch  uint64
	Victim uint64 // the Transaction that gave way: the youngest of those that the cycle could be broken at
	Waits  []Wait // the cycle: each waits for the next, the last for the first
}

// Wait is one edge of a deadlock.
type Wait struct {
	Transaction uint64            // who waits; a smaller number is older. A plain call has a number of its own
	Attempt     uint32            // in which attempt, from 1
	Function    string            // its coordinator function; "" for a plain call
	RequestID   string            // "" if it has none
	Since       time.Time         // since when
	For         functions.Address // the instance whose lock it waits for
	Mode        string            // in which mode: "shared" or "exclusive"
	BlockedBy   uint64            // who holds the lock, or stands before it in the queue
	Holds       bool              // BlockedBy holds the lock
}

// maxDeadlocks bounds the deadlocks that are kept; older ones are forgotten.
const maxDeadlocks = 1024

type deadlockLog struct {
	mu    sync.Mutex
	ring  []Deadlock
	count int
}

func (l *deadlockLog) init() { l.ring = make([]Deadlock, 0, 16) }

func (l *deadlockLog) add(d Deadlock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxDeadlocks {
		l.ring = append(l.ring, d)
	} else {
		l.ring[l.count%maxDeadlocks] = d
	}
	l.count++
}

// Deadlocks returns the last deadlocks, at most 1,024, the oldest first.
func (e *Engine) Deadlocks() []Deadlock {
	l := &e.deadlocks
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < maxDeadlocks {
		return append([]Deadlock(nil), l.ring...)
	}
	oldest := l.count % maxDeadlocks
	return append(append([]Deadlock(nil), l.ring[oldest:]...), l.ring[:oldest]...)
}

// describeCycle makes the record of a deadlock.
func (e *Engine) describeCycle(c *deadlock.Cycle, runs map[uint64]*coord, now time.Time) Deadlock {
	waited, elapsed := time.Duration(math.MaxInt64), e.clocks.Elapsed()
	d := Deadlock{At: now, Epoch: e.epoch, Victim: c.Victim.ID, Waits: make([]Wait, 0, len(c.Edges))}
	for _, edge := range c.Edges {
		inst := e.tangled[edge.Resource]
		w := Wait{
			Transaction: edge.Waiter.ID, Attempt: edge.Waiter.Attempt, BlockedBy: edge.Blocker.ID,
			For: functions.Address{Type: inst.entry.Info.Name, ID: inst.id}, Mode: edge.Wants.String(), Holds: edge.Holds != locks.None,
		}
		if run := runs[edge.Waiter.ID]; run != nil {
			w.Function = run.function.Name
			if run.req != nil {
				w.RequestID = run.req.env.RequestID
			}
		}
		waits := elapsed - inst.waitsSince(edge.Waiter.ID)
		w.Since = now.Add(-waits)
		d.Waits = append(d.Waits, w)
		waited = min(waited, waits)
	}
	d.Closed = now.Add(-waited)
	return d
}

// space watches the disk's free space, so that requests are refused before it runs out.
type space struct {
	table   *table.Table
	reserve int64
	clocks  *clock.Times
	full    atomic.Bool
	free    atomic.Uint64 // when it was checked last
	checked atomic.Int64  // when it was checked last, in engine time
	since   atomic.Int64  // bytes written since then
}

func (s *space) init(st *table.Table, o Options, c *clock.Times) {
	s.table, s.reserve, s.clocks = st, o.ReserveBytes, c
	s.check()
}

func (s *space) check() {
	if s.reserve < 0 {
		return
	}
	free, known := s.table.FreeBytes()
	s.free.Store(free)
	s.full.Store(known && free < uint64(s.reserve))
	s.checked.Store(s.clocks.Now())
	s.since.Store(0)
}

// err is ErrNoSpace with how much is free and how much is wanted.
func (s *space) err() error {
	return fmt.Errorf("%w: %d bytes are free, and Options.ReserveBytes is %d", ErrNoSpace, s.free.Load(), s.reserve)
}

// spaceLook is how long an engine that writes goes without looking how much space is left: others may write to the disk, too.
const spaceLook = time.Second

// wrote counts what was written, and looks again after an eighth of the reserve, or when it is time.
func (s *space) wrote(bytes int) {
	if s.since.Add(int64(bytes)) > s.reserve/8 || s.clocks.Now()-s.checked.Load() > int64(spaceLook) {
		s.check()
	}
}

// low reports whether the disk is too full, and looks again every 100 ms while it is.
func (s *space) low() bool {
	if !s.full.Load() {
		return false
	}
	if s.clocks.Now()-s.checked.Load() > int64(100*time.Millisecond) {
		s.check()
	}
	return s.full.Load()
}

// watchdog names the user code that holds a worker for long. It sleeps while the engine is idle.
type watchdog struct {
	stop func()
}

// slow is how long user code may hold a worker before the watchdog speaks.
const slow = 100 * time.Millisecond

func (d *watchdog) start(e *Engine) {
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	e.running.Add(1)
	go func() {
		defer e.running.Done()
		d.loop(ctx, e)
	}()
}

type watched struct {
	count uint64
	since time.Time
	told  bool
}

func (d *watchdog) loop(ctx context.Context, e *Engine) {
	seen := make([]watched, len(e.workers))
	tick := time.NewTicker(slow / 4)
	defer tick.Stop()
	idle := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.gate.stirred:
			tick.Reset(slow / 4)
		case <-tick.C:
			for i, w := range e.workers {
				d.look(e, w, &seen[i])
			}
			if epochs := e.stats.epochs.Load(); epochs == idle && e.gate.isAtRest() {
				tick.Stop()
				e.gate.asleep.Store(true)
				// A worker that started since isAtRest has not seen asleep, and might now run slow code unseen.
				if !e.gate.isAtRest() && e.gate.asleep.CompareAndSwap(true, false) {
					tick.Reset(slow / 4)
				}
			} else {
				idle = epochs
			}
		}
	}
}

// look compares a worker with when it was looked at last.
func (d *watchdog) look(e *Engine, w *worker, s *watched) {
	count := w.running.Load()
	if count&runsAny == 0 || count != s.count {
		*s = watched{count: count, since: time.Now()}
		return
	}
	held := time.Since(s.since)
	if held < slow || s.told {
		return
	}
	s.told = true
	e.stats.slow.Add(1)
	name, id := w.named(count)
	e.options.Logger.Warn("user code holds a worker", "in", name, "id", id, "for", held.Round(time.Millisecond))
}

// named names the user code that a worker runs, or has run last, when its running had this value.
func (w *worker) named(running uint64) (name, id string) {
	if running&runsOperation != 0 {
		return w.operation.Load().FullName(), w.subject.Load().id
	}
	return w.function.Load().Name, ""
}

// runsNow names the user code that a worker runs, if it runs any.
func (w *worker) runsNow() (name, id string, runs bool) {
	running := w.running.Load()
	if running&runsAny == 0 {
		return "", "", false
	}
	name, id = w.named(running)
	return name, id, true
}
