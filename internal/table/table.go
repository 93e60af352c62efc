package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"sync"

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
	// LayerBytes is how large a layer becomes before it is applied. Default: 32 MiB.
	LayerBytes int64
	// OverlayBytes bounds all layers together, but for an entry. Default: four layers.
	OverlayBytes int64
	// SegmentBytes is the size of the log's segments. Default: 64 MiB.
	SegmentBytes int64
	// CacheBytes bounds the store's block cache. Default: the store's.
	CacheBytes int64
	// Logger takes the store's errors. Default: slog.Default().
	Logger *slog.Logger
	// Fatal is called with the first error after which nothing may be acknowledged any more. It must end the process: if it returns,
	// its caller blocks forever. Required.
	Fatal func(error)
	// Stepped leaves all that happens in the background to Quiet, so that a simulator knows when it happens.
	Stepped bool
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.LayerBytes == 0 {
		o.LayerBytes = 32 << 20
	}
	if o.OverlayBytes == 0 {
		o.OverlayBytes = 4 * o.LayerBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
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

// Table is an open table. Seal and Quiet are called by one goroutine at a time; the other methods by any.
type Table struct {
	options Options
	store   *store.Store
	id      uint64 // that log and store have in common

	logs sync.Mutex // of those who write to the log
	log  *log.Log

	mu     sync.RWMutex
	layers []*layer // the oldest first; the last one grows
	bytes  int64    // of all layers
	sealed uint64   // the last entry
	failed error    // of applying
	room   sync.Cond

	work    chan struct{} // holds a token when there may be a frozen layer
	running sync.WaitGroup
}

// Open opens a table, or makes one. What the log has and the store does not is read into layers again, and applied as far as
// Options.OverlayBytes demands it.
//
// Errors: those of opening store and log; [ErrDamaged].
func Open(o Options) (_ *Table, err error) {
	o = o.withDefaults()
	t := &Table{options: o, layers: []*layer{newLayer()}, work: make(chan struct{}, 1)}
	t.room.L = &t.mu
	t.store, err = store.Open(store.Options{
		Dir: o.Dir, FS: o.FS, CacheBytes: o.CacheBytes, MemTableBytes: memTableBytes, Logger: o.Logger, Fatal: o.Fatal, Stepped: o.Stepped,
		NoLog: true,
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
	if !o.Stepped {
		t.running.Go(t.applyLoop)
	}
	return t, nil
}

// openLog opens the log that belongs to the store, and returns up to which entry it is applied.
func (t *Table) openLog() (applied uint64, err error) {
	dir := t.options.FS.PathJoin(t.options.Dir, logDir)
	applied, known, err := t.position()
	if err != nil {
		return 0, err
	}
	if !known {
		if names, err := t.options.FS.List(dir); err == nil && len(names) > 0 {
			return 0, fmt.Errorf("%w: %s has a log, and no table that it belongs to", ErrDamaged, t.options.Dir)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("table: %w", err)
		}
		t.id = rand.Uint64() | 1
		b := t.store.NewBatch()
		b.Set(t.options.Position, t.positionValue(0))
		if err := errors.Join(b.Seal(), t.store.Flush()); err != nil {
			return 0, fmt.Errorf("table: %w", err)
		}
	}
	if err := t.options.FS.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("table: %w", err)
	}
	if err := syncDir(t.options.FS, t.options.Dir); err != nil {
		return 0, err
	}
	if t.log, err = log.Open(log.Options{Dir: dir, FS: t.options.FS, ID: t.id, SegmentBytes: t.options.SegmentBytes}); err != nil {
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

func syncDir(fs vfs.FS, name string) error {
	dir, err := fs.OpenDir(name)
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
func (t *Table) position() (applied uint64, known bool, err error) {
	value, known, err := t.store.Get(t.options.Position)
	switch {
	case err != nil || !known:
		return 0, false, err
	case len(value) != positionBytes:
		return 0, false, fmt.Errorf("%w: the row of the log's position has %d bytes", ErrDamaged, len(value))
	}
	t.id = binary.BigEndian.Uint64(value)
	return binary.BigEndian.Uint64(value[8:]), true, nil
}

// replay takes the entries that the store does not have.
func (t *Table) replay(applied uint64) error {
	t.sealed = max(applied, t.log.Last())
	for index := applied + 1; index <= t.log.Last(); index++ {
		e, err := t.log.Read(index, nil)
		if err != nil {
			return err
		}
		if err := t.take(index, e.Data); err != nil {
			return err
		}
		for t.bytes > t.options.OverlayBytes {
			t.freeze()
			if err := t.applyOldest(); err != nil {
				return err
			}
		}
	}
	return nil
}

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

// Seal makes a batch durable, whole, and lets readers see it. The batch is empty then. It waits for room in the overlay. After an error
// nothing of the batch may be relied on, and the process must end.
func (t *Table) Seal(b *Batch) error {
	if b.count == 0 {
		return nil
	}
	if err := t.awaitRoom(int64(len(b.data))); err != nil {
		return err
	}
	index := t.sealed + 1
	t.logs.Lock()
	err := t.log.Append(log.Entry{Index: index, Data: b.data})
	t.logs.Unlock()
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sealed = index
	err = t.take(index, b.data)
	*b = Batch{}
	return err
}

// awaitRoom waits until an entry of this size has room in the overlay, or there is nothing to be applied any more.
func (t *Table) awaitRoom(size int64) error {
	if t.options.Stepped {
		return t.failed // Quiet sees to it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.failed == nil && t.bytes > 0 && t.bytes+size > t.options.OverlayBytes {
		t.freeze()
		t.tellWork()
		t.room.Wait()
	}
	if t.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, t.failed)
	}
	return nil
}

// take takes an entry into the layer that grows, and freezes that when it is large. The caller holds mu.
func (t *Table) take(index uint64, data []byte) error {
	grows := t.layers[len(t.layers)-1]
	if err := grows.take(index, data); err != nil {
		return err
	}
	t.bytes += int64(len(data))
	if grows.bytes >= t.options.LayerBytes {
		t.freeze()
		t.tellWork()
	}
	return nil
}

// freeze lets another layer grow, unless this one is empty. The caller holds mu.
func (t *Table) freeze() {
	if t.layers[len(t.layers)-1].bytes > 0 {
		t.layers = append(t.layers, newLayer())
	}
}

func (t *Table) tellWork() {
	select {
	case t.work <- struct{}{}:
	default:
	}
}

// Get reads a row. The value is the caller's.
func (t *Table) Get(key []byte) (value []byte, found bool, err error) {
	t.mu.RLock()
	value, known := get(t.layers, key)
	t.mu.RUnlock()
	if known { // what is in a layer does not change
		return append([]byte{}, value...), value != nil, nil
	}
	return t.store.Get(key)
}

// get looks for a row's last change in layers, the oldest first.
func get(layers []*layer, key []byte) (value []byte, known bool) {
	for i := len(layers) - 1; i >= 0; i-- {
		if value, known = layers[i].get(key); known {
			return value, true
		}
	}
	return nil, false
}

// Scan calls visit with each row from lower (included) to upper (excluded; nil: no bound) in order, as they are at one moment, until it
// returns an error. Key and value are valid during the call only.
func (t *Table) Scan(lower, upper []byte, visit func(key, value []byte) error) (err error) {
	v := t.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	rows, err := v.Rows(lower, upper)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		value, err := rows.Value()
		if err == nil {
			err = visit(rows.Key(), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close applies all that was sealed, so that the next Open has nothing to do, and closes the files. All views must be closed.
func (t *Table) Close() error {
	err := t.Apply()
	close(t.work)
	t.running.Wait()
	return errors.Join(err, t.closeFiles())
}

// Abandon closes the files as they are, as a crash would leave them.
func (t *Table) Abandon() error {
	t.mu.Lock()
	t.failed = errors.New("abandoned")
	t.mu.Unlock()
	close(t.work)
	t.running.Wait()
	return t.closeFiles()
}

func (t *Table) closeFiles() error {
	var errs []error
	if t.log != nil {
		errs = append(errs, t.log.Close())
	}
	return errors.Join(append(errs, t.store.Close())...)
}
