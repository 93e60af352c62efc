package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/seams"
)

// TestOverlayIsBounded: while nothing can be applied to the table, what is sealed stays within Options.OverlayBytes, in memory and on the
// disk; requests are refused, questions are answered, and what was admitted is done once it goes on.
func TestOverlayIsBounded(t *testing.T) {
	var holds atomic.Bool
	goOn := make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	disk := vfs.NewMem()
	held := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if holds.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			<-goOn
		}
		return nil
	}))
	const layer, segment = 64 << 10, 64 << 10
	o := engine.Options{Dir: "data", MemTableBytes: layer, OverlayBytes: 2 * layer, ReserveBytes: -1, Seams: seams.Set{FS: held}}
	e, err := engine.Open(o, notes)
	must(t, err)
	defer func() { must(t, e.Close()) }()
	defer release()
	must(t, e.Do(ctx, newNote.On("n", 0)))
	holds.Store(true)
	id := func(i int) string { return strings.Repeat("x", 500) + fmt.Sprint(i) }
	var admitted []engine.Pending
	for began := time.Now(); ; time.Sleep(100 * time.Microsecond) {
		p, err := e.Submit(newNote.On(id(len(admitted)), 0))
		if err != nil {
			wantErr(t, err, engine.ErrOverloaded, "sealing waits for room", "not applied")
			break
		}
		if admitted = append(admitted, p); time.Since(began) > time.Minute {
			t.Fatalf("%d requests are admitted, and none is refused", len(admitted))
		}
	}
	if got := ask(t, e, lines.On("n")); len(got) != 0 {
		t.Errorf("the note has %v", got)
	}
	if size := sizeOf(t, disk, "data/log"); size > o.OverlayBytes+3*segment {
		t.Errorf("the log has %d bytes, and may have %d for the overlay and three segments", size, o.OverlayBytes)
	}
	if last := admitted[len(admitted)-1]; last.Done() {
		t.Error("the last request is done, so sealing does not wait")
	}
	release()
	for _, p := range admitted {
		must(t, p.Wait(ctx))
	}
	must(t, e.Do(ctx, jot.On("n", 1)))
	for i := range admitted {
		if !ask(t, e, notes.Exists(id(i))) {
			t.Errorf("note %d of %d is lost", i, len(admitted))
		}
	}
}

// sizeOf is the size of the files in a directory together.
func sizeOf(t *testing.T, disk vfs.FS, dir string) (sum int64) {
	t.Helper()
	names, err := disk.List(dir)
	must(t, err)
	for _, name := range names {
		info, err := disk.Stat(disk.PathJoin(dir, name))
		must(t, err)
		sum += info.Size()
	}
	return sum
}
