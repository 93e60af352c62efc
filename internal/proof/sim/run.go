package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/engine"
)

// Counts says what a run did. The zero value is ready.
type Counts struct {
	Requests  int
	Answers   int
	Events    map[EventKind]int // that happened: a crash that was planned for an operation that never came is not among them
	Failures  int               // disk operations that failed
	FailStops int               // times that the engine ended the process because of one
	Refused   int               // requests for want of space
	Starts    int               // of the engine
	Carried   int
	Deadlocks int
	Retries   int
	Passed    time.Duration // simulated
	DiskOps   int
	Fed       int // records that ingresses delivered
	Expired   int // outcomes that went after their time
	Reused    int // request ids that got another outcome then
	Stocks    int // times that the engine was at rest and its counts were compared with what there is
	Oracle    OracleCounts
}

// Add adds other counts.
func (c *Counts) Add(o Counts) {
	if c.Events == nil {
		c.Events = map[EventKind]int{}
	}
	for kind, n := range o.Events {
		c.Events[kind] += n
	}
	c.Requests += o.Requests
	c.Answers += o.Answers
	c.Failures += o.Failures
	c.FailStops += o.FailStops
	c.Refused += o.Refused
	c.Starts += o.Starts
	c.Carried += o.Carried
	c.Deadlocks += o.Deadlocks
	c.Retries += o.Retries
	c.Passed += o.Passed
	c.DiskOps += o.DiskOps
	c.Stocks += o.Stocks
	c.Fed += o.Fed
	c.Expired += o.Expired
	c.Reused += o.Reused
	c.Oracle.add(o.Oracle)
}

// Result is what became of a run.
type Result struct {
	// Err is what was wrong; nil if everything is as promised.
	Err error
	// Hash covers, in order, every line of the trace: the events, what each worker handles, what is asked and answered, each
	// seal with a hash of its rows, and each operation of the disk but the removal of old files, which is up to a goroutine of the
	// store.
	Hash   uint64
	Counts Counts
}

// RunOptions say how a plan is run. The zero value is good.
type RunOptions struct {
	// Trace, if set, takes the lines of the trace.
	Trace func(line string)
	// Prepare, if set, is called with each driver before it opens its engine: to plant a bug.
	Prepare func(d *Driver)
}

// ErrEnded: the context ended, and with it the run or sweep. Nothing was found wrong until then.
var ErrEnded = errors.New("sim: ended early")

// Run carries the plan out. When ctx ends it stops at the next event, with [ErrEnded].
func (p Plan) Run(ctx context.Context, o RunOptions) Result {
	r := &run{ctx: ctx, plan: p, options: o, hash: fnv.New64a(), counts: Counts{Events: map[EventKind]int{}}}
	err := r.all()
	return Result{Err: err, Hash: r.hash.Sum64(), Counts: r.counts}
}

// run is a plan that is being carried out: one process after another, until the events are over and the last one is audited.
type run struct {
	ctx     context.Context
	plan    Plan
	options RunOptions
	hash    hash.Hash64
	counts  Counts

	next   int // event
	faults diskFaults
	start  time.Time
}

// life is a run during one process. What belongs to the process is here, so that nothing is shared with one that hangs forever in
// the write that failed.
type life struct {
	*run
	d *Driver
	p *process
}

// all runs processes until the plan is over.
func (r *run) all() error {
	shot := Snapshot{Disk: NewDisk(), Clients: NewClients(), Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ledger: newLedger(World{Prefix: "w", Tills: 8})}
	r.start = shot.Now
	r.arm()
	for n := uint64(0); n < maxLives; n++ {
		l := r.begin(shot, n)
		death, err := l.p.lead(l.live)
		l.tally()
		if err != nil || death == nil {
			return err
		}
		r.trace("died: %s", death.When)
		shot = *death
	}
	return errors.New("sim: the process dies again and again")
}

// maxLives bounds the processes of a run: no plan has so many crashes.
const maxLives = MaxOrders

// arm takes the crash or failure that is planned for the first opening, if there is one.
func (r *run) arm() {
	if len(r.plan.Events) == 0 {
		return
	}
	switch e := r.plan.Events[0]; e.Kind {
	case EvCrashAt:
		r.faults.crash = &armed{event: e, left: e.N}
	case EvFailAt:
		r.faults.fail = &armed{event: e, left: e.N}
	default:
		return
	}
	r.next = 1
}

// begin makes the process that goes on from a snapshot.
func (r *run) begin(shot Snapshot, n uint64) *life {
	l := &life{run: r, d: r.newDriver(shot, n)}
	l.p = newProcess(l)
	l.d.Options.Events = Lines(func(line string) { l.trace("%s", line) })
	l.d.AfterSealed = func(epoch uint64, rows []rowChange) {
		l.trace("sealed %d: %d rows, %x", epoch, len(rows), rowsHash(rows))
	}
	return l
}

// trace adds a line to the trace while the process lives.
func (l *life) trace(format string, args ...any) {
	if !l.p.dead() {
		l.run.trace(format, args...)
	}
}

// newDriver makes the driver of a life.
func (r *run) newDriver(shot Snapshot, life uint64) *Driver {
	d := shot.Resume(r.plan.Seed<<16+life, 0)
	d.InFlight = 1 << 30
	if r.plan.Has(FaultDrain) {
		d.Options.MaxDrain = 50 * time.Microsecond
	}
	if r.plan.Has(FaultCache) {
		d.Options.CacheBytes = 1 << 12
	}
	if r.plan.Has(FaultBusy) {
		d.FunctionCost = []time.Duration{50 * time.Microsecond, 500 * time.Microsecond, 3 * time.Millisecond}[r.plan.Seed%3]
	}
	if r.plan.Has(FaultFull) {
		d.Options.ReserveBytes = reserveBytes
	}
	if r.plan.Has(FaultDisk) { // no seal fills it, so that no log is closed in the midst of one: see mayFail. Pebble begins with no more
		d.Options.MemTableBytes = 256 << 10
	}
	if r.options.Prepare != nil {
		r.options.Prepare(d)
	}
	return d
}

const reserveBytes = 1 << 12

// trace adds a line to the trace.
func (r *run) trace(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	_, _ = r.hash.Write([]byte(line)) // never fails
	_, _ = r.hash.Write([]byte{'\n'})
	if r.options.Trace != nil {
		r.options.Trace(line)
	}
}

// tally counts what the process did that has ended.
func (l *life) tally() {
	for _, n := range l.d.Disk.Ops() {
		l.counts.DiskOps += n
	}
	l.counts.Requests, l.counts.Answers = len(l.d.Orders), len(l.d.Outcomes)
	l.counts.Refused += l.d.Refused
	l.counts.Passed += l.d.Clock.Elapsed()
	l.counts.Stocks += l.d.Stocks
	l.counts.Fed += l.d.Fed
	l.counts.Expired += l.d.ledger.outcomes.expired
	l.counts.Reused += l.d.ledger.outcomes.reused
	if e := l.d.Engine; e != nil {
		stats := e.Stats()
		l.counts.Carried += int(stats.Carried)
		l.counts.Deadlocks += int(stats.Deadlocks)
		l.counts.Retries += int(stats.Retries)
		l.counts.Oracle.add(l.d.oracle.counted)
	}
}

// live is the life of one process: it opens the engine, looks at what is there, and goes on with the events. After the last event
// everything heals and is audited.
func (l *life) live() error {
	l.counts.Starts++
	l.trace("open with %d workers, %v", l.d.Options.Workers, l.d.Options.Policy)
	if err := l.d.Open(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if l.p.dead() {
		return nil
	}
	if err := l.d.LookAtOnce(); (err != nil && !errors.Is(err, engine.ErrNoSpace)) || l.p.dead() {
		return err
	}
	for l.next < len(l.plan.Events) {
		if l.ctx.Err() != nil {
			return ErrEnded
		}
		e := l.plan.Events[l.next]
		l.next++
		l.trace("%v: %v", l.d.Clock.Now().Sub(l.start), e)
		l.d.rng = rand.New(rand.NewPCG(e.Seed, 2))
		if err := l.happen(e); err != nil || l.p.dead() {
			return err
		}
		if err := l.d.Wrong(); err != nil {
			return err
		}
	}
	return l.end()
}

// end lets everything heal, and audits.
func (l *life) end() error {
	l.faults = diskFaults{}
	l.d.Disk.SetFree(0)
	l.d.rng = rand.New(rand.NewPCG(l.plan.Seed, 3))
	l.d.Clock.Advance(time.Second) // the free space is looked at again
	l.d.Refused = 0
	l.trace("the faults are over")
	if err := l.d.Finish(maps.Clone(l.d.Outcomes)); err != nil {
		return err
	}
	for _, o := range l.d.Orders {
		l.trace("%s %s: %q", o.Kind, o.ID, l.d.Outcomes[o.ID])
	}
	err := l.d.Engine.Close()
	l.p.closed = true
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// happen carries one event out.
func (l *life) happen(e Event) error {
	d := l.d
	switch e.Kind {
	case EvGive:
		d.Give(e.Order)
	case EvAgain:
		return l.again()
	case EvGiveUp:
		if o, ok := d.GiveUp(); ok {
			l.did(e, "%s gives up", o.ID)
		}
		return nil
	case EvSteps:
		for range e.N {
			if !d.Step() {
				break
			}
		}
	case EvRest:
		l.did(e, "")
		return d.Rest()
	case EvPass:
		d.Clock.Advance(e.For)
	case EvAge:
		l.did(e, "")
		return d.Age(e.For)
	case EvReuse:
		if o, ok := d.Reuse(e.Order); ok {
			l.did(e, "%s %s uses the id %s again", o.Kind, o.ID, o.Reuses)
		}
		return nil
	case EvJump:
		d.Clock.Jump(e.For)
		d.ClockWentBack = d.ClockWentBack || e.For < 0
	case EvCrash:
		left := d.Snapshot("now", e.Keep, e.Seed)
		l.did(e, "")
		l.p.die(left)
		return nil
	case EvCrashAt:
		l.faults.crash = &armed{event: e, left: e.N}
		return nil
	case EvFailAt:
		l.faults.fail = &armed{event: e, left: e.N}
		return nil
	case EvFull:
		d.Disk.SetFree(reserveBytes / 2)
	case EvRoom:
		d.Disk.SetFree(0)
	case EvSlow:
		l.faults.slow = e.For
	case EvCancel:
		return l.cancel(e)
	case EvDecide:
		return l.decide(e)
	case EvClose:
		return l.reopen(e)
	default:
		panic(fmt.Sprintf("sim: an event has a kind, not %q", e.Kind))
	}
	l.did(e, "")
	return nil
}

// did counts an event that happened.
func (l *life) did(e Event, format string, args ...any) {
	if l.p.dead() {
		return
	}
	l.counts.Events[e.Kind]++
	if format != "" {
		l.trace(format, args...)
	}
}

func (l *life) again() error {
	d := l.d
	o := d.Orders[d.rng.IntN(len(d.Orders))]
	if o.Asked && d.Ask(o) {
		l.did(Event{Kind: EvAgain}, "%s is asked again", o.ID)
	}
	return nil
}

// sagas lists the sagas of an engine that is at rest, stuck or all.
func (l *life) sagas(stuck bool) ([]engine.SagaInfo, error) {
	if err := l.d.Rest(); err != nil || l.p.dead() {
		return nil, err
	}
	all, err := l.d.Sagas()
	if l.p.dead() || errors.Is(err, engine.ErrNoSpace) {
		return nil, nil
	}
	return slices.DeleteFunc(all, func(s engine.SagaInfo) bool { return stuck && s.Phase != "stuck" }), err
}

func (l *life) cancel(e Event) error {
	all, err := l.sagas(false)
	if err != nil || len(all) == 0 {
		return err
	}
	info := all[l.d.rng.IntN(len(all))]
	l.d.mu.Lock()
	l.d.Cancelled = maps.Clone(l.d.Cancelled)
	l.d.Cancelled[l.d.sagaOrder(info)] = true
	l.d.mu.Unlock()
	err = l.d.Blocking(func() error { return l.d.Engine.CancelSaga(context.Background(), info.ID) })
	if l.p.dead() || errors.Is(err, engine.ErrNoSpace) || errors.Is(err, engine.ErrNoSaga) { // it is being undone already, or has just ended
		return nil
	}
	l.did(e, "saga %d of %s is cancelled: %v", info.ID, l.d.sagaOrder(info), err)
	return err
}

func (l *life) decide(e Event) error {
	all, err := l.sagas(true)
	if err != nil || len(all) == 0 {
		return err
	}
	l.did(e, "%d sagas are stuck", len(all))
	return l.d.DecideOne(all[l.d.rng.IntN(len(all))])
}

// reopen closes the engine, which ends the process in good order.
func (l *life) reopen(e Event) error {
	l.faults.fail = nil // if it cannot close its log, Pebble panics with a lock held, which nothing can recover from
	l.d.Closing = true
	err := l.d.Engine.Close()
	l.p.closed = true
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if l.p.dead() { // it crashed while it was closing
		return nil
	}
	l.d.collect()
	l.did(e, "closed")
	l.p.die(l.d.snapshotOf(l.d.Disk.Copy(), "closed"))
	return nil
}

// rowsHash is a hash of the rows of an epoch.
func rowsHash(rows []rowChange) uint64 {
	h := fnv.New64a()
	var size [8]byte
	for _, row := range rows {
		for _, s := range []string{row.key, row.value} {
			binary.BigEndian.PutUint64(size[:], uint64(len(s)))
			_, _ = h.Write(size[:]) // never fails
			_, _ = h.Write([]byte(s))
		}
	}
	return h.Sum64()
}

func panicText(v any) error {
	return fmt.Errorf("panic: %v\n%s", v, debug.Stack())
}
