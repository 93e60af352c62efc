package store

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestWritersOfTablesStepBack: with one processor somebody else gets to run while a table is written; writers of the log, which
// clients wait for, do not yield.
func TestWritersOfTablesStepBack(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fs := tables{vfs.NewMem()}
	log, err := fs.Create("000001.log", vfs.WriteCategoryUnspecified)
	ok(t, err)
	defer log.Close()
	if _, is := log.(*table); is {
		t.Error("a log is written as a table")
	}

	file, err := fs.Create("000002.sst", vfs.WriteCategoryUnspecified)
	ok(t, err)
	defer file.Close()
	var turns atomic.Int64
	var done atomic.Bool
	go func() {
		for ; !done.Load(); turns.Add(1) {
			runtime.Gosched()
		}
	}()
	const want, block = 100, 4096
	for range want * yieldBytes / block {
		_, err := file.Write(make([]byte, block))
		ok(t, err)
	}
	done.Store(true)
	if got := turns.Load(); got < want/2 { // which of the two is next is the scheduler's choice
		t.Errorf("somebody else had %d turns while %d times %d bytes were written", got, want, yieldBytes)
	}
}
