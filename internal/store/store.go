// Package store keeps the engine's rows in Pebble: it opens a directory with the options that Concordat needs, reads rows,
// and seals a [Batch] of them with one sync. Their keys and values are in package format.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say how a store is opened.
type Options struct {
	// Dir is the directory; it is made if it is missing.
	Dir string
	// FS is the file system. Default: the operating system's.
	FS vfs.FS
	// CacheBytes bounds Pebble's block cache. Default 64 MiB.
	CacheBytes int64
	// MemTableBytes is the size of a memtable, at least MinMemTableBytes. Default 16 MiB, which stays in the processor's cache. Two may
	// exist at a time.
	MemTableBytes uint64
	// Logger takes what Pebble has to say of errors. Default: slog.Default().
	Logger *slog.Logger
	// Fatal is called with the first error after which nothing may be acknowledged any more, such as a failed sync. It must
	// end the process: if it returns, its caller blocks forever. Required.
	Fatal func(error)
	// Ours is the key of a row that each store of the program has, unless it is empty: one without it is ErrForeign. Default: no check.
	Ours []byte
	// Stepped leaves flushes and compactions to Quiet, so that a simulator knows when they happen.
	Stepped bool
	// NoLog leaves out Pebble's log: what was sealed is durable after Flush only. After a crash the store has the first of its batches, up
	// to one of them. What an earlier opening left in a log is taken.
	NoLog bool
	// ReadOnly opens a directory as it is, for reading: nothing in it is changed. It must hold a store ([ErrNone]), and no other may have
	// it open; while it is open nobody can open it to write. Whoever writes to it gets an error.
	ReadOnly bool
}

const (
	// l0Tables is the number of tables in the uppermost level from which on they are compacted; Pebble counts those that lie over each other
	// twice. With fewer, the rows of outcomes, which change no more, are written again and again. With more, a read has more tables to look
	// into, and a compaction takes more at a time.
	l0Tables = 24
	// l0Most is the number from which on nothing is written before some are compacted.
	l0Most = 64
	// quietTables is l0Tables where Quiet decides, which compacts all at once.
	quietTables = 8
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Store is an open directory of rows.
type Store struct {
	db      *pebble.DB
	options *pebble.Options
	lock    io.Closer
	mark    *mark
	fs      vfs.FS
	dir     string
	copies  vfs.FS // where copies are written: it notes what manifests have

	memTable uint64
	noLog    bool
	wrote    int         // since Quiet flushed
	dead     atomic.Bool // Fatal was called
	pins     atomic.Int64
}

// fatal notes that a fatal error has happened before it passes it on.
func (s *Store) fatal(f func(error)) func(error) {
	return func(err error) {
		s.dead.Store(true)
		f(err)
	}
}

// Flush moves all rows from the log into tables, so that the log is empty. Damage to a table is always noticed. Damage to the last
// 32 KiB of a log is not: it looks like a write that a crash cut short, and Pebble drops it and what is behind it.
func (s *Store) Flush() error { return s.db.Flush() }

// Quiet does what the store would do in the background, and waits until it is done: see Options.Stepped. wrote is the number of
// bytes that were sealed since it was called last. It returns at once after a fatal error. It must not be called while batches are
// being sealed.
func (s *Store) Quiet(wrote int) error {
	s.wrote += wrote
	if s.wrote > int(s.memTable/4) { // long before the memtable is full, which would begin a flush in the midst of a seal
		s.wrote = 0
		if err := s.db.Flush(); err != nil {
			return fmt.Errorf("store: flush: %w", err)
		}
	}
	if !s.dead.Load() && s.db.Metrics().Levels[0].TablesCount >= quietTables {
		if err := s.db.Compact(context.Background(), nil, []byte{0xff, 0xff, 0xff, 0xff}, false); err != nil {
			return fmt.Errorf("store: compact: %w", err)
		}
	}
	for !s.dead.Load() {
		m := s.db.Metrics()
		if m.Flush.NumInProgress == 0 && m.Compact.NumInProgress == 0 {
			s.db.TestOnlyWaitForCleaning()
			return nil
		}
		time.Sleep(20 * time.Microsecond) // Pebble tells of the end of its work, but not of all that is about to begin
	}
	return nil
}

// Close closes the store. All batches and iterations must be over.
func (s *Store) Close() error {
	return errors.Join(s.db.Close(), s.mark.close(), s.lock.Close())
}

// Get reads a row. The value is the caller's.
func (s *Store) Get(key []byte) (value []byte, found bool, err error) { return get(s.db, key) }

// Scan calls visit with each row from lower (included) to upper (excluded) in order, until it returns an error. Key and value
// are valid during the call only.
func (s *Store) Scan(lower, upper []byte, visit func(key, value []byte) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("store: scan: %w", err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = visit(it.Key(), value)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// FreeBytes is the space left on the file system, and whether that is known.
func (s *Store) FreeBytes() (uint64, bool) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	return usage.AvailBytes, err == nil
}

// Batch collects rows that are sealed together.
type Batch struct {
	b     *pebble.Batch
	noLog bool
}

// NewBatch makes an empty batch. It must be sealed or closed.
func (s *Store) NewBatch() Batch { return Batch{s.db.NewBatch(), s.noLog} }

// Set writes a row. It copies key and value.
func (b Batch) Set(key, value []byte) { must(b.b.Set(key, value, nil)) }

// SetDeferred makes room for a row of these lengths and lets fill write key and value in place.
func (b Batch) SetDeferred(keyLen, valueLen int, fill func(key, value []byte)) {
	op := b.b.SetDeferred(keyLen, valueLen)
	fill(op.Key, op.Value)
	must(op.Finish())
}

// Delete removes a row.
func (b Batch) Delete(key []byte) { must(b.b.Delete(key, nil)) }

// DeleteRange removes the rows from lower (included) to upper (excluded).
func (b Batch) DeleteRange(lower, upper []byte) { must(b.b.DeleteRange(lower, upper, nil)) }

// Close drops the batch.
func (b Batch) Close() error { return b.b.Close() }

// Len is the batch's size in bytes.
func (b Batch) Len() int { return b.b.Len() }

// Count is the number of rows in the batch.
func (b Batch) Count() int { return int(b.b.Count()) }

// Each calls visit with each row that the batch sets, and with a nil value for each that it deletes, and dropped with each range
// that it deletes, in the order in which they were added. What they are given is valid during the call only.
func (b Batch) Each(visit func(key, value []byte), dropped func(lower, upper []byte)) error {
	for r := b.b.Reader(); ; {
		kind, key, value, ok, err := r.Next()
		switch {
		case err != nil || !ok:
			return err
		case kind == pebble.InternalKeyKindSet:
			visit(key, value[:len(value):len(value)])
		case kind == pebble.InternalKeyKindDelete:
			visit(key, nil)
		case kind == pebble.InternalKeyKindRangeDelete:
			dropped(key, value)
		default:
			return fmt.Errorf("store: a batch has an entry of kind %v", kind)
		}
	}
}

// Seal writes the batch and syncs it, and closes it. When it returns nil the rows are durable, all of them; see Options.NoLog for when they
// are not. After an error none may be relied on, and the process must end.
func (b Batch) Seal() error {
	how := pebble.Sync
	if b.noLog {
		how = pebble.NoSync
	}
	return errors.Join(b.b.Commit(how), b.b.Close())
}

// must panics on an error that an unindexed batch in memory cannot have.
func must(err error) {
	if err != nil {
		panic("store: adding to a batch never fails: " + err.Error())
	}
}

// logger passes Pebble's messages on and never lets Fatalf return.
type logger struct {
	log   *slog.Logger
	fatal func(error)
}

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf("pebble: "+format, args...))
	select {}
}
