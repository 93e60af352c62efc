package store

import (
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// tables is a file system on which whoever writes a table of the store, in a flush or a compaction, yields after every
// yieldBytes. The Go scheduler takes a processor away only after 10 ms, and a request passes half a dozen goroutines: each of them could
// wait so long behind a flush. docs/performance.md says what it gains.
type tables struct{ vfs.FS }

const (
	tableSuffix = ".sst"
	yieldBytes  = 256 << 10 // about a millisecond of a flush
)

// Create makes a file.
func (t tables) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := t.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, tableSuffix) {
		return file, err
	}
	return &table{File: file}, nil
}

// Unwrap is for whoever needs the file system below.
func (t tables) Unwrap() vfs.FS { return t.FS }

// table is a table that is being written.
type table struct {
	vfs.File
	written int // since the writer yielded
}

func (t *table) Write(b []byte) (int, error) {
	n, err := t.File.Write(b)
	if t.written += n; t.written >= yieldBytes {
		t.written = 0
		runtime.Gosched()
	}
	return n, err
}
