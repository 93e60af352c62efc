package table

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/store"
)

// Backup makes another table, in a directory that is missing or empty, with all that was sealed before it was called, and goes on while
// batches are sealed and applied. Opening the directory is restoring the backup.
//
// It is the store at one moment, and the entries of the log from there on up to one that is sealed by then:
//
//  1. The directory is locked and marked as unfinished.
//  2. The log is held: nothing is cut off it. It has all entries behind the position that the store has then.
//  3. The store is pinned. Its position is that one, or a later one if a layer was applied meanwhile.
//  4. The entries from the position of step 2 up to the last one that is sealed are copied to a new log, and the log is let go.
//  5. The pin is copied: tables by another name for the same file, where that can be.
//  6. All of that is durable; the mark is removed.
//
// So the new log may begin before the position that its store has, as any log may, and has no gap behind it. Entries are whole batches. A
// crash leaves the mark, and with that the directory does not open.
//
// Whatever takes long is done in portions, and copying takes a tenth of the time: what it takes from those who seal, of the disk and of
// the processors, cannot be much more. Steps 2 to 4 come first and are short, since meanwhile the log grows.
//
// Errors: a directory that is not empty, is in the table's own, or cannot be written; ctx is over. Then what was written is removed, and a
// directory that could not be emptied stays marked. It must not be called while the table is being closed.
func (t *Table) Backup(ctx context.Context, dir string) (err error) {
	target, err := store.NewTarget(t.options.FS, dir, t.options.Dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, target.Remove())
		}
	}()
	pace := pacer{ctx, !t.options.Stepped}
	pin, err := t.pin(target.Dir, pace.portion)
	if err != nil {
		return err
	}
	if err := errors.Join(pin.CopyTo(target.Dir, pace.portion), pin.Remove()); err != nil {
		return err
	}
	return target.Finish()
}

// pin pins the store, and copies the entries of the log from its position on to a new log.
func (t *Table) pin(dir string, portion func(func() error) error) (_ *store.Pin, err error) {
	t.holdLog()
	defer func() { err = errors.Join(err, t.letLogGo()) }()
	_, from, _, err := t.position()
	if err != nil {
		return nil, err
	}
	pin, err := t.store.Pin()
	if err != nil {
		return nil, err
	}
	if err := t.copyLog(dir, max(from, 1), t.Sealed(), portion); err != nil {
		return nil, errors.Join(err, pin.Remove())
	}
	return pin, nil
}

// holdLog keeps the entries behind the store's position, and the one at it, in the log until letLogGo is called.
func (t *Table) holdLog() {
	t.logs.Lock()
	t.holds++
	t.logs.Unlock()
}

func (t *Table) letLogGo() error {
	t.logs.Lock()
	defer t.logs.Unlock()
	t.holds--
	return t.cutLog()
}

// copySegment is the size of the segments of a copied log: one is filled with zeros, and synced, in one go.
const copySegment = 1 << 20

// copyLog makes a log of the entries from one to another.
func (t *Table) copyLog(dir string, from, to uint64, portion func(func() error) error) (err error) {
	fs := t.options.FS
	in := fs.PathJoin(dir, logDir)
	if err := makeDir(fs, in, dir); err != nil {
		return err
	}
	copied, err := log.Open(log.Options{Dir: in, FS: fs, ID: t.id, SegmentBytes: copySegment, Spares: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	for index := from; index <= to; {
		err := portion(func() error {
			entries, err := t.entries(index, to)
			index += uint64(len(entries))
			return errors.Join(err, copied.Append(entries...))
		})
		if err != nil {
			return fmt.Errorf("table: copy the log: %w", err)
		}
	}
	return nil
}

// entries reads entries from one on up to another, as many as fill a segment of a copy.
func (t *Table) entries(from, to uint64) (entries []log.Entry, err error) {
	for bytes := 0; from <= to && bytes < copySegment; from++ {
		e, err := t.log.Read(from, nil)
		if err != nil {
			return nil, err
		}
		entries, bytes = append(entries, e), bytes+len(e.Data)
	}
	return entries, nil
}

// pacer does something in portions, with pauses between them.
type pacer struct {
	ctx    context.Context
	pauses bool
}

// pauseFactor is how much longer the pause behind a portion is than what the portion took.
const pauseFactor = 19

// portion does a portion, and pauses. It is an error if the context is over.
func (p pacer) portion(do func() error) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	start := time.Now()
	if err := do(); err != nil || !p.pauses {
		return err
	}
	select {
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	case <-time.After(pauseFactor * time.Since(start)):
		return nil
	}
}
