package engine

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/locks"
)

// Engine runs the functions and coordinator functions of a program on a directory. It is safe for use by many goroutines.
type Engine struct {
	options  Options
	exits    bool // Options.Fatal is the default
	registry *registry
	store    *store.Store
	format   format.Format // of the directory
	workers  []*worker
	ids      ids
	gate     gate
	egresses []*egress
	absent   map[string]uint64 // the last numbers of egresses that this opening does not have
	feeds    []*feed

	// Written by clients.
	inFlight  atomic.Int64 // requests that wait for their outcome
	asked     atomic.Bool  // a request has come in since the running epoch began, or waited then
	admission admission
	spread    atomic.Uint64 // spreads coordinator functions without request id over the shards
	closed    atomic.Bool
	space     space

	clocks      clocks
	nextID      atomic.Uint64 // of coordinator functions, waiting calls and carried messages
	timerSeq    []paddedCount // by worker: timers ever set
	stats       counters      //
	toldChanged sync.Map      // the functions of which it was reported that an argument has changed its shape
	budget      budget
	queued      atomic.Int64  // messages that nobody waits for and that were not run yet, by weight
	timers      atomic.Int64  // that instances have set, by weight
	undecided   atomic.Int64  // bytes that undecided transactions have changed
	background  atomic.Int64  // coordinator functions that no client's place counts for, by weight
	journals    atomic.Int64  // bytes of all journals
	sealed      atomic.Uint64 // the last epoch that is durable
	sealing     atomic.Bool   // an epoch is with the sealer
	cutting     atomic.Bool   // the epoch has gone on for too long: urgent messages only
	behind      atomic.Bool   // the last cut left a backlog
	accepting   atomic.Int64  // workers that are not through with the requests that waited when admission began
	costlyIn    atomic.Uint64 // the last epoch with a message that took longer than half of MaxDrain
	costlyAt    atomic.Int64  // when the last one ended that was no client's call, in engine time
	closedAt    atomic.Int64  // when the gate was closed, in engine time
	drainFor    time.Duration // how long an epoch may go on then: half of MaxDrain, less what the operation takes that runs at the end
	standing    atomic.Bool   // a worker stands back
	lookout     lookout
	armed       atomic.Int64   // when the clock will wake the workers, Unix nanoseconds
	stopping    atomic.Bool    // Close was called
	ended       chan struct{}  // closed when nothing runs any more
	dead        deadChans      // closed when no outcome will come any more
	toSeal      chan *sealing  // at most one
	toRelease   chan *sealing  // sealed; few
	running     sync.WaitGroup // the engine's goroutines
	watch       watchdog
	walks       walks
	closing     closing
	trials      trials
	stopped     atomic.Bool   // Close has ended the workers and the sealer
	failed      chan struct{} // closed when nothing can be made durable any more
	failOnce    sync.Once
	failure     error // why; read once failed is closed

	// The conductor's. While it runs no worker does.
	epoch     uint64           // the running epoch
	marked    format.Watermark // of the epoch before
	graph     deadlock.Graph
	tangled   []*instance
	looks     uint64        // at who may be in a cycle
	lookAfter time.Duration // at most cuts by force cycles are not looked for before, as clocks.elapsed has it
	leaving   []locks.Owner // who is about to release what it holds; see findLeaving
	deadlocks deadlockLog
	lastCuts  int
	atEnd     sync.Once
	deadOnce  sync.Once

	// The sealer's.
	sweeper   sweeper
	shardRows []shardRows  // by shard
	encoding  bytes.Buffer // memory to encode states in
}

// paddedCount is a counter on a cache line of its own.
type paddedCount struct {
	n uint64
	_ [56]byte
}

// Open opens an engine on Options.Dir with the parts of a program: function types and coordinator functions. What an earlier
// engine left unfinished there (sagas, timers, messages) goes on at once.
//
// Errors: bad options; bad or duplicate names; a directory that is in use ([ErrInUse]), was made with another format version or number
// of shards or by another program ([ErrFormat]), or is damaged ([ErrDamaged]); one that cannot be made, read or written, with the
// operating system's error (errors.Is finds fs.ErrPermission, syscall.EROFS); egresses without a position; unfinished work for functions
// that are not among the parts.
//
// Something that ended the last process while it handled what it had found, if it may be what was found, is tried before all else that was
// left, and parked in the end: see [MaxStarts] and [Engine.Parked]. Open waits for that, for two seconds at most: then requests are
// answered meanwhile, and messages and timers wait until it is done.
//
// After an error nothing stays open: the directory is free, and egresses that were asked for their position are closed.
func Open(o Options, parts ...functions.Part) (_ *Engine, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	registry, err := newRegistry(parts)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		options:   o.withDefaults(),
		exits:     o.Fatal == nil,
		registry:  registry,
		ended:     make(chan struct{}),
		dead:      newDeadChans(),
		toSeal:    make(chan *sealing, 1),
		toRelease: make(chan *sealing, 4),
	}
	e.walks.init()
	e.closing.done, e.failed = make(chan struct{}), make(chan struct{})
	o = e.options
	e.clocks = newClocks(o.Seams.Clock)
	if e.store, err = openStore(o, e.fatal); err != nil {
		return nil, err
	}
	opened := false
	defer func() { // also should code of users panic
		if !opened {
			err = errors.Join(err, e.closeEgresses(), e.store.Close())
		}
	}()
	if err := e.setUp(); err != nil {
		return nil, err
	}
	opened = true
	e.run()
	return e, nil
}

// openStore opens the directory of an engine.
func openStore(o Options, fatal func(error)) (*store.Store, error) {
	s, err := store.Open(store.Options{
		Dir: o.Dir, FS: o.Seams.FS, Logger: o.Logger, Fatal: fatal, Ours: format.Prefix(nil, format.NodeShard, format.KindFormat),
		CacheBytes: o.CacheBytes / 4, MemTableBytes: uint64(o.MemTableBytes), Stepped: o.Seams.Stepped,
	})
	switch {
	case errors.Is(err, store.ErrInUse):
		err = fmt.Errorf("%w: %w", ErrInUse, err)
	case errors.Is(err, store.ErrForeign):
		err = fmt.Errorf("%w: it is not Concordat's: %w", ErrFormat, err)
	}
	return s, err
}

// makeWorkers makes the workers, and what is theirs together.
func (e *Engine) makeWorkers() {
	e.timerSeq = make([]paddedCount, e.options.Workers)
	e.ids.init(e.options.Workers)
	for i := range e.options.Workers {
		e.workers = append(e.workers, newWorker(e, i))
	}
}

// setUp brings the engine to where the last one stopped.
func (e *Engine) setUp() error {
	if err := e.checkFormat(); err != nil {
		return err
	}
	e.registry.shards = uint64(e.options.Shards)
	e.shardRows = make([]shardRows, e.options.Shards)
	e.makeWorkers()
	e.drainFor = e.options.MaxDrain/2 - min(slice, e.options.MaxDrain/8)
	e.gate.conduct = e.conduct
	e.gate.stirred = make(chan struct{}, 1)
	e.budget.init(e.options.MaxEpochBytes)
	e.space.init(e.store, e.options, &e.clocks)
	e.admission.init(e.options.MaxInFlight)
	e.deadlocks.init()
	if err := e.setUpEgresses(); err != nil {
		return err
	}
	if err := e.setUpIngresses(); err != nil {
		return err
	}
	if err := e.recover(); err != nil {
		return err
	}
	for _, w := range e.workers {
		w.tell()
	}
	if err := e.firstSweep(); err != nil {
		return err
	}
	if err := e.showRows(); err != nil {
		return err
	}
	return e.raiseFormat()
}

// showRows shows a simulator what was found, when the store is done with it.
func (e *Engine) showRows() error {
	if e.options.Seams.Stepped {
		if err := e.store.Quiet(0); err != nil {
			return err
		}
	}
	if e.options.Seams.Recovered == nil {
		return nil
	}
	return e.options.Seams.Recovered(func(visit func(key, value []byte) error) error {
		return e.store.Scan(nil, nil, visit)
	})
}

// firstSweep makes the filters of seen request ids, if there are few.
func (e *Engine) firstSweep() error {
	e.sweeper.engine = e
	batch := e.store.NewBatch()
	if err := e.sweeper.walk(batch, e.clocks.now(), sweepAtOpen); err != nil {
		return errors.Join(err, batch.Close())
	}
	if batch.Count() == 0 {
		return batch.Close()
	}
	return batch.Seal()
}

// run starts the engine's goroutines and lets the workers go on with what was recovered.
func (e *Engine) run() {
	e.trials.frozen.Store(e.trials.left.Load() > 0)
	e.lookout.start(!e.clocks.opened.IsZero() && !e.options.Seams.Stepped)
	if !e.options.Seams.Stepped {
		e.running.Add(len(e.workers) + 2)
		for _, w := range e.workers {
			go w.loop()
		}
		go e.sealLoop()
		go e.releaseLoop()
		e.watch.start(e)
	}
	e.gate.open.Store(true)
	e.wakeBusy()
	e.gate.nudge() // sets the clock for the first timer
	e.tryUnfinished()
	if !e.options.Seams.Stepped {
		e.runEgresses()
	}
	e.runIngresses()
}

// workerOf is the worker that owns a shard.
func (e *Engine) workerOf(shard uint16) *worker { return e.workers[int(shard)%len(e.workers)] }

// die lets everybody who still waits for an outcome go.
func (e *Engine) die() {
	e.deadOnce.Do(func() {
		for _, dead := range e.dead {
			close(dead)
		}
		e.walks.wake()
	})
}

// isDead reports whether no outcome will come any more.
func (e *Engine) isDead() bool {
	select {
	case <-e.dead[0]:
		return true
	default:
		return false
	}
}

// deadChannels is how many channels say that an engine is dead: all who wait for an outcome watch one, and one for all would be
// the hottest lock in the program.
const deadChannels = 64

type deadChans [deadChannels]chan struct{}

func newDeadChans() (d deadChans) {
	for i := range d {
		d[i] = make(chan struct{})
	}
	return d
}

// fatal ends the process: something could not be made durable or read back. Close returns the error if it was called: nothing is
// acknowledged any more then. It does not return.
func (e *Engine) fatal(err error) {
	e.failOnce.Do(func() { e.failure = err; close(e.failed) })
	e.closed.Store(true)
	defer e.die() // should Options.Fatal unwind this goroutine, as tests do
	if !e.exits || !e.stopping.Load() {
		e.options.Fatal(err)
	}
	e.die()
	select {}
}

// trace tells a simulator what happens.
func (e *Engine) trace(format string, args ...any) {
	if e.options.Seams.Trace != nil {
		e.options.Seams.Trace(fmt.Sprintf(format, args...))
	}
}
