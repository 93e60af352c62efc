package store

import (
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tables is a file system on which whoever writes a table of the store, in a flush or a compaction, yields after every
// yieldBytes. The Go scheduler takes a processor away only after 10 ms, and a request passes half a dozen goroutines: each of them could
// wait so long behind a flush. docs/performance.md says what it gains.
//
// Whoever cannot write a table pauses before it hears of that: Pebble tells of it and tries again at once, for as long as the disk fails.
type tables struct {
	vfs.FS
	pauses *pauses // nil: none
}

const (
	tableSuffix = ".sst"
	yieldBytes  = 256 << 10 // about a millisecond of a flush
)

// Create makes a file.
func (t tables) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := t.FS.Create(name, category)
	if !strings.HasSuffix(name, tableSuffix) {
		return file, err
	}
	if err != nil {
		t.pauses.after(err)
		return nil, err
	}
	return &table{File: file, pauses: t.pauses}, nil
}

// Unwrap is for whoever needs the file system below.
func (t tables) Unwrap() vfs.FS { return t.FS }

// table is a table that is being written.
type table struct {
	vfs.File
	written int  // since the writer yielded
	failed  bool // a write has
	pauses  *pauses
}

func (t *table) Write(b []byte) (int, error) {
	n, err := t.File.Write(b)
	if t.written += n; t.written >= yieldBytes {
		t.written = 0
		runtime.Gosched()
	}
	if err != nil {
		t.failed = true
		t.pauses.after(err)
	}
	return n, err
}

func (t *table) Sync() error     { return t.synced(t.File.Sync()) }
func (t *table) SyncData() error { return t.synced(t.File.SyncData()) }

// synced notes how a sync has ended, with which a table is made.
func (t *table) synced(err error) error {
	if t.pauses.after(err); err == nil && !t.failed {
		t.pauses.end()
	}
	return err
}

const (
	firstPause = 20 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pauses are what is waited for after errors, each twice as long as the one before until something succeeds.
type pauses struct{ next atomic.Int64 }

// after waits after an error.
func (p *pauses) after(err error) {
	if p == nil || err == nil {
		return
	}
	wait := max(time.Duration(p.next.Load()), firstPause)
	p.next.Store(int64(min(2*wait, lastPause)))
	time.Sleep(wait)
}

// end begins with short pauses again.
func (p *pauses) end() {
	if p != nil {
		p.next.Store(0)
	}
}
