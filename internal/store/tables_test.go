package store

import (
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestWritersOfTablesStepBack: with one processor somebody else gets to run while a table is written; writers of the log, which
// clients wait for, do not yield.
func TestWritersOfTablesStepBack(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fs := tables{FS: vfs.NewMem()}
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

// TestFailedTablesAreTriedAgainInTime: while tables cannot be made or written, that is tried a few times a second, not all the time; and when
// the disk is well again it succeeds.
func TestFailedTablesAreTriedAgainInTime(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSyncData} {
		var failing atomic.Bool
		var tries atomic.Int64
		s := open(t, Options{NoLog: true, FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind != kind || !failing.Load() || !strings.HasSuffix(op.Path, tableSuffix) {
				return nil
			}
			tries.Add(1)
			return errors.New("the disk is broken")
		}))})
		failing.Store(true)
		put(t, s, "a=1")
		flushed := make(chan error, 1)
		go func() { flushed <- s.Flush() }()
		time.Sleep(300 * time.Millisecond)
		if n := tries.Load(); n == 0 || n > 10 {
			t.Errorf("%v: tried %d times in 0.3 s", kind, n)
		}
		failing.Store(false)
		ok(t, <-flushed)
		ok(t, s.Close())
	}
}
