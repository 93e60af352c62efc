package engine

import (
	"context"
	"fmt"
	"sync"
)

// Backup makes a copy of the engine's directory in another one, which is missing or empty, while the engine runs. The copy has whole
// epochs: all that was acknowledged before Backup was called, and maybe some of what was sealed meanwhile. It is a directory to open: with
// Options.Dir, or after it was moved or copied to wherever it is wanted; docs/GUARANTEES.md says what that means for what is outside the
// engine. Until Backup has returned nil the directory is no backup, and opening it is [ErrFormat].
//
// Tables that are on the file system of the engine's directory get a second name in the copy instead of being copied: that takes no room,
// and what damages one damages both. So a backup that is to outlive the disk has to be on another one, or be copied there.
//
// It blocks for as long as that takes. Copying rests for nineteen of twenty parts of the time, so that requests lose little more than the
// twentieth: on a disk that writes 200 MB a second it copies 10. Until what is in the log is copied, which comes first, the log is not cut off, and grows by
// what is sealed. Any number of backups may be made at a time.
//
// Errors: a directory that is not empty, or in the engine's own; one that cannot be written, with the operating system's error; the cause
// of ctx, once that is over; [ErrClosed], also when the engine is closed meanwhile; [ErrNotBegun]. Then what was written is removed; where
// that fails it stays as an unfinished backup, which nobody can open.
func (e *Engine) Backup(ctx context.Context, dir string) error {
	if err := notBegun(&ctx); err != nil {
		return err
	}
	if e.closed.Load() || !e.backups.begin() {
		return ErrClosed
	}
	defer e.backups.running.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.backups.ctx, func() { cancel(ErrClosed) })()
	if err := e.table.Backup(ctx, dir); err != nil {
		return fmt.Errorf("engine: back up to %s: %w", dir, err)
	}
	return nil
}

// backups lets Close end the backups. They read the directory, so that is closed after them.
type backups struct {
	mu      sync.Mutex
	ctx     context.Context // over once the engine closes
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (b *backups) init() { b.ctx, b.cancel = context.WithCancel(context.Background()) }

// begin notes a backup, unless the engine closes.
func (b *backups) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		return false
	}
	b.running.Add(1)
	return true
}

// stop ends the backups, and lets none begin any more.
func (b *backups) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancel()
}
