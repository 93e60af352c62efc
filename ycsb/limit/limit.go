// Package limit is what the log alone allows for the transfers of package ycsb: the yardstick for what an engine over that log costs.
//
// A [Limit] has all rows in memory and one goroutine that changes them, with no locks, no protocol, no messages and no table. That takes
// all requests that wait for it, makes them one after the other, encodes the rows that they changed with the engine's codec, and appends
// them to the engine's log, opened as the engine's table opens it: one entry with one sync for all of them. Then it answers. An entry has
// what that of an engine's epoch has: the state of each row that changed, the outcome of each request with an id, and the watermark.
//
// # What it does not do
//
// It is a yardstick and no store. A request's id and outcome are written and never looked for, so a request that is repeated takes effect
// again. Rows are in the log and in memory only, and the log is cut off at the front as it grows; so a Limit begins anew, without rows,
// each time that it is opened.
//
// # Why reads need no append
//
// All that an earlier group changed is durable when the next one begins. So the reads of a group are made before its writes, and answered
// at once. They were asked for while the writes were, so either order is right.
//
// Start reading at loop.go, then rows.go and target.go.
package limit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/ycsb"
)

// ErrForeign: the directory has something that no Limit has put there. It was not changed.
var ErrForeign = errors.New("limit: the directory is of something else")

// Options say how a Limit is opened.
type Options struct {
	// Dir is the directory; it is made if it is missing. What an earlier Limit has left there is dropped.
	Dir string
	// Keys is the number of rows for which there is memory from the start, at least 1. There may be more.
	Keys int

	fs vfs.FS // the file system, of a test. Default: the operating system's.
}

const (
	logDir   = "log"  // below the directory
	lockFile = "LOCK" // in it
	// logID tells the log of a Limit from those of tables, which draw theirs.
	logID = 0x5c1a_11f0_0ca7_a106
	// keptBytes is how much of the log is kept: as much as a table lets grow in memory before it applies it, and then cuts off.
	keptBytes = 64 << 20
)

// Limit is a [ycsb.Target] with all abilities but that of counting. Its methods may be called at once; they block until what they did
// is durable.
type Limit struct {
	requests chan *request
	ended    chan struct{} // closed when the loop is
	lock     io.Closer
	books
}

// Open opens a Limit without rows. A directory that is open already is store.ErrInUse, one of something else [ErrForeign].
func Open(o Options) (_ *Limit, err error) {
	if o.Keys < 1 || o.Keys > ycsb.MaxKeys {
		return nil, fmt.Errorf("limit: %d keys are not between 1 and %d", o.Keys, ycsb.MaxKeys)
	}
	if o.fs == nil {
		o.fs = vfs.Default
	}
	if err := check(o.fs, o.Dir); err != nil {
		return nil, err
	}
	dir := o.fs.PathJoin(o.Dir, logDir)
	if err := o.fs.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("limit: %w", err)
	}
	lock, err := store.LockDir(o.Dir, o.fs)
	if err != nil {
		return nil, err
	}
	entries, err := openLog(o.fs, o.Dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l := &Limit{
		requests: make(chan *request, maxWaiting), ended: make(chan struct{}), lock: lock,
		books: newBooks(entries, o.Keys),
	}
	go l.loop()
	return l, nil
}

// check is ErrForeign if a directory has anything else than a Limit has.
func check(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("limit: %w", err)
	}
	for _, name := range names {
		if name != logDir && name != lockFile {
			return fmt.Errorf("%w: %s has %s", ErrForeign, dir, name)
		}
	}
	return nil
}

// openLog opens the log below a directory, and empties it.
func openLog(fsys vfs.FS, dir string) (*log.Log, error) {
	l, err := log.Open(table.Options{FS: fsys}.Log(fsys.PathJoin(dir, logDir), logID))
	if err != nil {
		return nil, fmt.Errorf("limit: %w", err)
	}
	if err := l.DeleteFront(l.Last() + 1); err != nil {
		return nil, errors.Join(fmt.Errorf("limit: %w", err), l.Close())
	}
	d, err := fsys.OpenDir(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("limit: %w", err), l.Close())
	}
	return l, nil
}

// Close waits for what is under way and closes the log. No method may be called afterwards. If the log has failed the error says so.
func (l *Limit) Close() error {
	close(l.requests)
	select {
	case <-l.ended:
	case <-time.After(closeTimeout):
		return fmt.Errorf("limit: it cannot be closed: the log has not written for %v", closeTimeout)
	}
	return errors.Join(l.failure, l.log.Close(), l.lock.Close())
}

// closeTimeout is how long Close waits for the log to write what is under way.
const closeTimeout = 5 * time.Second
