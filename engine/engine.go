package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/seen"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/locks"
)

// Engine runs the functions and coordinator functions of a program on a directory. It is safe for use by many goroutines.
type Engine struct {
	commons

	exits    bool          // Options.Fatal is the default
	format   format.Format // of the directory
	workers  []*worker
	gate     gate
	egresses []*egress
	absent   map[string]uint64 // the last numbers of egresses that this opening does not have
	feeds    []*feed

	// Written by clients.
	admission admission
	spread    atomic.Uint64 // spreads coordinator functions without request id over the shards
	closed    atomic.Bool
	space     space

	behind    atomic.Bool    // the last cut left a backlog
	accepting atomic.Int64   // workers that are not through with the requests that waited when admission began
	costlyIn  atomic.Uint64  // the last epoch with a message that took longer than half of MaxDrain
	costlyAt  atomic.Int64   // when the last one ended that was no client's call, in engine time
	standing  atomic.Bool    // a worker stands back
	armed     atomic.Int64   // when the clock will wake the workers, Unix nanoseconds
	stopping  atomic.Bool    // Close was called
	ended     chan struct{}  // closed when nothing runs any more
	dead      deadChans      // closed when no outcome will come any more
	toSeal    chan *sealing  // at most one
	log       seams.Log      // where it writes that
	batch     *table.Batch   // what the sealer writes
	toRelease chan *sealing  // sealed; few
	running   sync.WaitGroup // the engine's goroutines
	watch     watchdog
	walks     walks
	backups   backups
	closing   closing
	trials    trials
	stopped   atomic.Bool   // Close has ended the workers and the sealer
	failed    chan struct{} // closed when nothing can be made durable any more
	failOnce  sync.Once
	failure   error // why; read once failed is closed

	// The conductor's. While it runs no worker does.
	marked    format.Watermark // of the epoch before
	graph     deadlock.Graph
	tangled   []*instance
	looks     uint64        // at who may be in a cycle
	lookAfter time.Duration // at most cuts by force cycles are not looked for before, as clocks.elapsed has it
	leaving   []locks.Owner // who is about to release what it holds; see findLeaving
	deadlocks deadlockLog
	epochs    epochLog // the sealer's
	lastCuts  int
	atEnd     sync.Once
	deadOnce  sync.Once
}

// paddedCount is a counter on a cache line of its own.
type paddedCount struct {
	n uint64
	_ [56]byte
}

// Open opens an engine on Options.Dir with the parts of a program: function types and coordinator functions. What an earlier
// engine left unfinished there (sagas, timers, messages) goes on at once.
//
// Errors: bad options; bad or duplicate names; an egress without a receiver; a directory that is in use ([ErrInUse]), was made with another format version or number
// of shards or by another program, or is a backup or a copy that was not finished ([ErrFormat]), or is damaged ([ErrDamaged]); one that
// cannot be made, read or written, with the operating system's error (errors.Is finds fs.ErrPermission, syscall.EROFS, syscall.ENOSPC);
// egresses without a position; unfinished work for functions that are not among the parts. If the disk becomes full while it opens, Open
// may wait for room.
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
	registry, err := registry.New(parts)
	if err != nil {
		return nil, err
	}
	if err := o.receiveAll(registry.Declared); err != nil {
		return nil, err
	}
	e := &Engine{
		exits:     o.Fatal == nil,
		ended:     make(chan struct{}),
		dead:      newDeadChans(),
		toSeal:    make(chan *sealing, 1),
		toRelease: make(chan *sealing, 4),
	}
	e.options, e.registry, e.fatal = o.withDefaults(), registry, e.fail
	e.events.Store(e.options.Events.orNobody())
	e.measures.init(registry)
	e.walks.init()
	e.backups.init()
	e.closing.done, e.failed = make(chan struct{}), make(chan struct{})
	o = e.options
	e.clocks = clock.New(o.Seams.Clock)
	if e.table, err = openStore(o, e.fatal); err != nil {
		return nil, err
	}
	e.batch, e.log = e.table.NewBatch(), o.Seams.Log(ownLog{e.table})
	opened := false
	defer func() { // also should code of users panic
		if !opened {
			e.buckets.close()
			err = errors.Join(err, e.closeEgresses(), e.table.Close())
		}
	}()
	if err := e.setUp(); err != nil {
		return nil, err
	}
	opened = true
	e.run()
	if o.Seams.Stepped && o.Seams.Opened != nil {
		o.Seams.Opened(stepper{e})
	}
	return e, nil
}

// segmentBytes is the size of the log's segments: a quarter of a portion, or of the disk's reserve if that is less, for what was admitted
// before the disk was full may need a segment.
func segmentBytes(o Options) int64 {
	size := o.MemTableBytes
	if o.ReserveBytes > 0 {
		size = min(size, o.ReserveBytes)
	}
	return min(max(size/4, 64<<10), 16<<20)
}

// openStore opens the directory of an engine.
func openStore(o Options, fatal func(error)) (*table.Table, error) {
	id := uint64(0)
	if o.Seams.Stepped {
		id = 1 // one run is like the other
	}
	s, err := table.Open(table.Options{
		Dir: o.Dir, ID: id, FS: o.Seams.FS, Logger: o.Logger, Fatal: fatal, Ours: format.Prefix(nil, format.NodeShard, format.KindFormat),
		Position: format.Prefix(nil, format.NodeShard, format.KindPosition), CacheBytes: o.CacheBytes / 4, Stepped: o.Seams.Stepped,
		LayerBytes: o.MemTableBytes, OverlayBytes: o.OverlayBytes, SegmentBytes: segmentBytes(o),
		Apart: [][]byte{format.Prefix(nil, format.OutcomeShard, 0), format.Prefix(nil, format.NodeShard, 0)},
	})
	switch {
	case errors.Is(err, store.ErrInUse):
		err = fmt.Errorf("%w: %w", ErrInUse, err)
	case errors.Is(err, store.ErrForeign):
		err = fmt.Errorf("%w: it is not Concordat's: %w", ErrFormat, err)
	case errors.Is(err, store.ErrUnfinished), errors.Is(err, store.ErrPart):
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return s, err
}

// makeWorkers makes the workers, and what is theirs together.
func (e *Engine) makeWorkers() {
	e.timerSeq = make([]paddedCount, e.options.Workers)
	for i := range e.options.Workers {
		e.workers = append(e.workers, newWorker(e, i))
	}
	for n := range e.options.Shards {
		e.shards = append(e.shards, e.workers[n%len(e.workers)].newShard(uint16(n)))
	}
}

// setUp brings the engine to where the last one stopped.
func (e *Engine) setUp() error {
	if err := e.checkFormat(); err != nil {
		return err
	}
	e.registry.Shards = uint64(e.options.Shards)
	e.makeWorkers()
	e.drainFor = e.options.MaxDrain/2 - min(slice, e.options.MaxDrain/8)
	e.gate.conduct = e.conduct
	e.gate.stirred = make(chan struct{}, 1)
	e.budget.init(e.options.MaxEpochBytes)
	e.space.init(e.table, e.options, &e.clocks)
	e.admission.init(e.options.MaxInFlight)
	e.seen = seen.New(int(e.options.FilterBytes) / turnsKept)
	e.deadlocks.init()
	if err := e.setUpEgresses(); err != nil {
		return err
	}
	if err := e.setUpFeeds(); err != nil {
		return err
	}
	if err := e.recover(); err != nil {
		return err
	}
	for _, w := range e.workers {
		w.tell()
	}
	if err := e.buckets.open(e); err != nil {
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
		if err := e.table.Quiet(); err != nil {
			return err
		}
	}
	if e.options.Seams.Recovered == nil {
		return nil
	}
	return e.options.Seams.Recovered(func(visit func(key, value []byte) error) error {
		return e.table.Scan(nil, nil, visit)
	})
}

// run starts the engine's goroutines and lets the workers go on with what was recovered.
func (e *Engine) run() {
	e.frozen.Store(e.left.Load() > 0)
	e.lookout.start(!e.clocks.Opened.IsZero() && !e.options.Seams.Stepped)
	if !e.options.Seams.Stepped {
		e.running.Add(len(e.workers) + 3)
		for _, w := range e.workers {
			go w.loop()
		}
		go e.sealLoop()
		go e.awaitDown()
		go e.releaseLoop()
		e.watch.start(e)
	}
	e.open.Store(true)
	e.wakeBusy()
	e.gate.nudge() // sets the clock for the first timer
	e.tryUnfinished()
	if !e.options.Seams.Stepped {
		e.runEgresses()
	}
	e.runIngresses()
}

// workerOf is the worker that runs a shard.
func (e *Engine) workerOf(s *shard) *worker { return e.workers[s.on.id] }

// die lets everybody who still waits for an outcome go.
func (e *Engine) die() {
	e.deadOnce.Do(func() {
		for _, dead := range e.dead {
			close(dead)
		}
	})
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

// fail ends the process: something could not be made durable or read back. Close returns the error if it was called: nothing is
// acknowledged any more then. It does not return.
func (e *Engine) fail(err error) {
	e.failOnce.Do(func() { e.failure = err; close(e.failed) })
	e.closed.Store(true)
	defer e.die() // should Options.Fatal unwind this goroutine, as tests do
	if !e.exits || !e.stopping.Load() {
		e.options.Fatal(err)
	}
	e.die()
	select {}
}
