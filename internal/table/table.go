package table

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/store"
)

// Options say how a table is opened.
type Options struct {
	// Dir is the directory; it is made if it is missing. The log is in a directory below it.
	Dir string
	// FS is the file system. Default: the operating system's.
	FS vfs.FS
	// Position is the key of the row that says up to which entry the log is applied. Required; nobody else writes it.
	Position []byte
	// LayerBytes is how large a layer becomes before it is applied. Default: 64 MiB.
	LayerBytes int64
	// OverlayBytes bounds all layers together, but for an entry. Default: three layers.
	OverlayBytes int64
	// SegmentBytes is the size of the log's segments. Default: 16 MiB.
	SegmentBytes int64
	// ID is the id of a new log. Default: a random one.
	ID uint64
	// Apart are keys, in their order, at which the store's tables are split: those on both sides of one are written at other times.
	Apart [][]byte
	// Ours is the key of a row that each table of the program has, unless it is empty: one without it is store.ErrForeign. Default: no check.
	Ours []byte
	// CacheBytes bounds the store's block cache. Default: the store's.
	CacheBytes int64
	// Logger takes the store's errors. Default: slog.Default().
	Logger *slog.Logger
	// Fatal is called with the first error after which nothing may be acknowledged any more. It must end the process: if it returns,
	// its caller blocks forever. Required.
	Fatal func(error)
	// Stepped leaves all that happens in the background to Quiet, so that a simulator knows when it happens.
	Stepped bool
	// ReadOnly opens a table as it is, for reading: nothing in the directory is changed, and what is in the log only is in memory, all of
	// it. The table must be there (store.ErrNone), and while it is open nobody can open it to write. Nothing may be sealed to it.
	ReadOnly bool
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.LayerBytes == 0 {
		o.LayerBytes = 64 << 20
	}
	if o.OverlayBytes == 0 {
		o.OverlayBytes = 3 * o.LayerBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Log is how the log of a table with these options is opened, in this directory and with this id.
func (o Options) Log(dir string, id uint64) log.Options {
	o = o.withDefaults()
	return log.Options{
		Dir: dir, FS: o.FS, ID: id, SegmentBytes: o.SegmentBytes, Ahead: !o.Stepped,
		Spares: int(o.OverlayBytes/o.SegmentBytes) + 1, // applying a layer frees many at once
	}
}

// Errors of a table.
var (
	// ErrDamaged: log and store do not belong together, or entries are missing. The error says which.
	ErrDamaged = errors.New("damaged")
	// ErrFailed: an earlier write failed.
	ErrFailed = errors.New("table: failed earlier")
)

const (
	logDir = "log"
	// memTableBytes is the size of the store's memtables: small, so that a layer does not go through one. A batch that is larger than
	// half of it is written to a table file as it is.
	memTableBytes = 1 << 20
)

// Table is an open table. Quiet is called by one goroutine at a time, and not while batches are sealed; the other methods by any.
type Table struct {
	options Options
	store   *store.Store
	id      uint64 // that log and store have in common

	sealing sync.Mutex // of those who seal

	logs  sync.Mutex // of those who write to the log
	log   *log.Log   // nil if the table is read, and has none yet
	holds int        // how many need entries that could be cut off
	cut   uint64     // entries below it are not needed but for them

	mu      sync.RWMutex
	layers  []*layer              // the oldest first; the last one grows
	bytes   int64                 // of all layers
	awaited int                   // how many wait for something to be applied
	sealed  uint64                // the last entry
	failed  error                 // nothing is sealed any more
	trouble error                 // of the last attempt to apply a layer
	stall   atomic.Pointer[stall] // nil: whoever seals does not wait
	room    sync.Cond

	views  int    // that are open: they may have layers which the table has not any more
	chunks chunks // memory of those that no view has

	work    chan struct{} // holds a token when there may be a frozen layer
	fresh   chan struct{} // holds a token when there may be something to index
	ending  chan struct{} // closed when the table is
	running sync.WaitGroup
}

// Open opens a table, or makes one. What the log has and the store does not is read into layers again, and applied as far as
// Options.OverlayBytes demands it.
//
// Errors: those of opening store and log; [ErrDamaged].
func Open(o Options) (_ *Table, err error) {
	o = o.withDefaults()
	t := &Table{options: o, layers: []*layer{newLayer()}, work: make(chan struct{}, 1), fresh: make(chan struct{}, 1), ending: make(chan struct{})}
	t.room.L = &t.mu
	t.chunks.init(o.LayerBytes)
	if err := errors.Join(store.CheckFinished(o.FS, o.Dir), o.checkLog()); err != nil {
		return nil, err
	}
	t.store, err = store.Open(store.Options{
		Dir: o.Dir, FS: o.FS, CacheBytes: o.CacheBytes, MemTableBytes: memTableBytes, Logger: o.Logger, Fatal: o.Fatal, Stepped: o.Stepped,
		NoLog: true, Ours: o.Ours, ReadOnly: o.ReadOnly,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.closeFiles())
		}
	}()
	applied, err := t.openLog()
	if err != nil {
		return nil, err
	}
	if err := t.replay(applied); err != nil {
		return nil, err
	}
	if !o.Stepped && !o.ReadOnly {
		t.running.Go(t.applyLoop)
		t.running.Go(t.indexLoop)
	}
	return t, nil
}

func (o *Options) logDir() string { return o.FS.PathJoin(o.Dir, logDir) }

// hasLog reports whether there is a log, or something in its place.
func (o *Options) hasLog() (bool, error) {
	names, err := o.FS.List(o.logDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("table: %w", err)
	}
	return len(names) > 0, nil
}

// checkLog refuses a log without a store, before one is made beside it.
func (o *Options) checkLog() error {
	found, err := o.hasLog()
	if err != nil || !found {
		return err
	}
	if exists, err := store.ExistsOn(o.FS, o.Dir); err != nil || exists {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrPart, o.errNoTable())
}

func (o *Options) errNoTable() error {
	return fmt.Errorf("%w: %s has a log, and no table that it belongs to", ErrDamaged, o.Dir)
}

// openLog opens the log that belongs to the store, and returns up to which entry it is applied.
func (t *Table) openLog() (applied uint64, err error) {
	dir := t.options.logDir()
	id, applied, known, err := t.position()
	if err != nil {
		return 0, err
	}
	t.id = id
	found, err := t.options.hasLog()
	switch {
	case err != nil:
		return 0, err
	case found && !known:
		return 0, t.options.errNoTable()
	case !found && applied > 0:
		return 0, fmt.Errorf("%w: the log of %s is missing: the table has its entries up to %d", ErrDamaged, t.options.Dir, applied)
	case !known && t.options.ReadOnly: // of a program that had none
		return 0, nil
	}
	if !known {
		t.id = cmp.Or(t.options.ID, rand.Uint64()|1)
		b := t.store.NewBatch()
		b.Set(t.options.Position, t.positionValue(0))
		if err := errors.Join(b.Seal(), t.store.Flush()); err != nil {
			return 0, fmt.Errorf("table: %w", err)
		}
	}
	if !t.options.ReadOnly {
		if err := makeDir(t.options.FS, dir, t.options.Dir); err != nil {
			return 0, err
		}
	}
	settings := t.options.Log(dir, t.id)
	settings.ReadOnly = t.options.ReadOnly
	if t.log, err = log.Open(settings); errors.Is(err, fs.ErrNotExist) && t.options.ReadOnly && applied == 0 {
		return 0, nil // the process ended before it had made one
	} else if err != nil {
		return 0, err
	}
	first, last := t.log.First(), t.log.Last()
	switch {
	case last == 0 && applied > 0:
		return 0, fmt.Errorf("%w: the log of %s is missing: the table has its entries up to %d", ErrDamaged, t.options.Dir, applied)
	case last > 0 && (first > applied+1 || last < applied):
		return 0, fmt.Errorf("%w: the log of %s has the entries %d to %d, and the table is at %d", ErrDamaged, t.options.Dir, first, last, applied)
	}
	return applied, nil
}

// makeDir makes a directory, durably, in one that is there.
func makeDir(fs vfs.FS, name, in string) error {
	if err := fs.MkdirAll(name, 0o755); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	dir, err := fs.OpenDir(in)
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

const positionBytes = 16

func (t *Table) positionValue(applied uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, t.id), applied)
}

// position reads what the store says of the log.
func (t *Table) position() (id, applied uint64, known bool, err error) {
	value, known, err := t.store.Get(t.options.Position)
	switch {
	case err != nil || !known:
		return 0, 0, false, err
	case len(value) != positionBytes:
		return 0, 0, false, fmt.Errorf("%w: the row of the log's position has %d bytes", ErrDamaged, len(value))
	}
	return binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:]), true, nil
}

// Marked is how far a program that sealed to the store itself had got; see store.Store.Marked.
func (t *Table) Marked() uint64 { return t.store.Marked() }

// FreeBytes is the space left on the file system, and whether that is known.
func (t *Table) FreeBytes() (uint64, bool) { return t.store.FreeBytes() }

// Sealed is the number of the last entry: how many batches were ever sealed.
func (t *Table) Sealed() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sealed
}

// OverlayBytes is how large the layers are together; see Options.OverlayBytes.
func (t *Table) OverlayBytes() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.bytes
}

// LogBytes is how many bytes the log takes on the disk.
func (t *Table) LogBytes() int64 { return t.log.Bytes() }

// Seal makes a batch durable, whole, and lets readers see it. The batch is empty then. It waits for room in the overlay, and on the disk for
// another segment of the log. After an error nothing of the batch may be relied on, and the process must end.
func (t *Table) Seal(b *Batch) error {
	if b.count == 0 {
		return nil
	}
	t.sealing.Lock()
	defer t.sealing.Unlock()
	if err := t.awaitRoom(int64(b.Len())); err != nil {
		return err
	}
	index := t.sealed + 1
	if err := t.append(b.Entry(index)); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sealed = index
	b.endPart()
	t.add(index, b.parts...)
	b.handOn()
	return nil
}

// append appends an entry to the log. Where there is no room for another segment it waits until there is.
func (t *Table) append(e log.Entry) error {
	defer t.stall.Store(nil)
	for {
		t.logs.Lock()
		err := t.log.Append(e)
		t.logs.Unlock()
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, log.ErrFailed) || t.options.Stepped {
			return err
		}
		if t.stall.Load() == nil {
			t.stall.Store(&stall{time.Now(), err})
			t.options.Logger.Error("the disk is full: sealing waits for room", "dir", t.options.Dir, "error", err)
		}
		select {
		case <-t.ending:
			return err
		case <-time.After(firstRetry):
		}
	}
}

// awaitRoom waits until an entry of this size has room in the overlay, or there is nothing to be applied any more.
func (t *Table) awaitRoom(size int64) error {
	if t.options.Stepped {
		return t.failed // Quiet sees to it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.awaited++
	defer func() { t.awaited-- }()
	for t.failed == nil && t.bytes > 0 && t.bytes+size > t.options.OverlayBytes {
		if t.stall.Load() == nil {
			t.stall.Store(&stall{time.Now(), errFull})
			defer t.stall.Store(nil)
		}
		t.freeze()
		tell(t.work)
		t.room.Wait()
	}
	if t.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, t.failed)
	}
	return nil
}

// stall is why whoever seals waits, and since when.
type stall struct {
	since time.Time
	why   error
}

var errFull = errors.New("what was sealed is not applied to the table yet")

// longStall is how long sealing waits until that is called stalled. While layers are applied as fast as the disk takes them they wait for
// less.
const longStall = time.Second

// Stalled returns why sealing waits for room: on the disk, or in the overlay if it has waited for that for a second. Otherwise it returns nil.
// It does not block.
func (t *Table) Stalled() error {
	if s := t.stall.Load(); s != nil && (s.why != errFull || time.Since(s.since) > longStall) {
		return s.why
	}
	return nil
}

// add adds an entry to the layer that grows, and freezes that when it is large. The caller holds mu.
func (t *Table) add(index uint64, parts ...part) {
	grows := t.newest()
	before := grows.bytes
	grows.add(index, parts...)
	t.bytes += grows.bytes - before
	switch {
	case grows.bytes >= t.options.LayerBytes:
		t.freeze()
		tell(t.work)
	case t.options.Stepped:
		grows.indexAll()
	default:
		tell(t.fresh)
	}
}

// newest is the layer that grows.
func (t *Table) newest() *layer { return t.layers[len(t.layers)-1] }

// freeze lets another layer grow, unless this one is empty. The caller holds mu.
func (t *Table) freeze() {
	grows := t.newest()
	if grows.bytes == 0 {
		return
	}
	grows.indexAll()
	if t.layers = append(t.layers, newLayer()); len(t.layers) > fewLayers {
		tell(t.work)
	}
}

// indexLoop indexes what was sealed until the table is closed, a little at a time.
func (t *Table) indexLoop() {
	for t.awaits(t.fresh) {
		for more := true; more; {
			t.mu.Lock()
			grows := t.newest()
			grows.index(indexEach)
			more = !grows.isIndexed()
			t.mu.Unlock()
		}
	}
}

// indexEach is how many changes are indexed before others may look into the layer, in some 50 us.
const indexEach = 256

// awaits waits for a token. It returns false when the table is being closed.
func (t *Table) awaits(token <-chan struct{}) bool {
	select {
	case <-token:
		return true
	case <-t.ending:
		return false
	}
}

// tell puts a token into a channel that has room for one, unless there is one.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close applies all that was sealed, so that the next Open has nothing to do, and closes the files. If it cannot be applied that is an
// error, and the files are closed. All views must be closed.
func (t *Table) Close() error {
	if t.options.ReadOnly {
		return t.closeFiles()
	}
	err := t.Apply()
	t.stop()
	return errors.Join(err, t.closeFiles())
}

// stop ends what goes on in the background.
func (t *Table) stop() {
	close(t.ending)
	t.running.Wait()
}

// Abandon closes the files as they are, as a crash would leave them.
func (t *Table) Abandon() error {
	t.mu.Lock()
	t.failed = errors.New("abandoned")
	t.mu.Unlock()
	t.stop()
	return t.closeFiles()
}

func (t *Table) closeFiles() error {
	var errs []error
	if t.log != nil {
		errs = append(errs, t.log.Close())
	}
	return errors.Join(append(errs, t.store.Close())...)
}
