package enginetest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/enginetest"
	"github.com/concordat-dev/concordat/functions"
)

var (
	boxes = functions.NewType[int]("test/box")
	put   = functions.Create(boxes, "put", func(_ *functions.Ctx, box *int, n int) error { *box = n; return nil })
	look  = functions.View(boxes, "look", func(_ *functions.Ctx, box int) (int, error) { return box, nil })
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpen: what was done on a disk is there for the next engine on it, and not on another disk; nothing of it is on the disk of the
// machine.
func TestOpen(t *testing.T) {
	ctx := context.Background()
	t.Chdir(t.TempDir())
	var disk enginetest.Disk
	e := disk.Open(t, engine.Options{}, boxes)
	must(t, e.Do(ctx, put.On("a", 7)))
	must(t, e.Close())
	e = disk.Open(t, engine.Options{}, boxes)
	if n, err := engine.Ask(ctx, e, look.On("a")); n != 7 || err != nil {
		t.Errorf("after a restart the box has %d, %v", n, err)
	}
	for _, other := range []*engine.Engine{enginetest.Open(t, engine.Options{}, boxes), disk.Open(t, engine.Options{Dir: "other"}, boxes)} {
		if _, err := engine.Ask(ctx, other, look.On("a")); !errors.Is(err, functions.ErrNotFound) {
			t.Errorf("another directory has the box, too: %v", err)
		}
	}
	entries, err := os.ReadDir(".")
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("the directory of the process has %v", entries)
	}
}

// watched is a test whose end can be seen.
type watched struct {
	testing.TB
	atEnd  []func()
	errors []string
}

func (w *watched) Cleanup(f func())  { w.atEnd = append(w.atEnd, f) }
func (w *watched) Error(args ...any) { w.errors = append(w.errors, args[0].(error).Error()) }

func (w *watched) end() {
	for _, f := range w.atEnd {
		f()
	}
}

// TestOpenCloses: the end of a test closes its engine, and what Close says fails the test unless the test has called it.
func TestOpenCloses(t *testing.T) {
	ctx := context.Background()
	wire := functions.NewEgress[int]("wire")
	emit := functions.Create(boxes, "emit", func(ctx *functions.Ctx, _ *int, n int) error { ctx.Emit(wire.Record("", n)); return nil })
	refuse := engine.Callback(func(context.Context, engine.Record) error { return errors.New("test: away") })
	o := engine.Options{Egresses: map[string]engine.Egress{"wire": refuse}, CloseTimeout: 1}
	for _, closes := range []bool{false, true} {
		w := &watched{TB: t}
		e := enginetest.Open(w, o, boxes)
		must(t, e.Do(ctx, emit.On("a", 1)))
		if closes {
			if err := e.Close(); err == nil {
				t.Error("the egress has taken everything")
			}
		}
		w.end()
		if err := e.Do(ctx, put.On("b", 1)); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("the engine is open after its test: %v", err)
		}
		if told := len(w.errors) == 1 && strings.Contains(w.errors[0], "wire"); told == closes {
			t.Errorf("closed by the test: %v; errors at its end: %v", closes, w.errors)
		}
	}
}
