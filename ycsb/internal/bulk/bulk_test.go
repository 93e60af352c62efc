package bulk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

var (
	numbers = functions.NewType[int]("bulk/number")
	make1   = functions.Create(numbers, "make", func(_ *functions.Ctx, n *int, as int) error { *n = as; return nil })
	add     = functions.Update(numbers, "add", func(_ *functions.Ctx, n *int, by int) error { *n += by; return nil })
	read    = functions.View(numbers, "read", func(_ *functions.Ctx, n int) (int, error) { return n, nil })
	refuse  = functions.Create(numbers, "refuse", func(*functions.Ctx, *int, int) error { return functions.ErrBadArgument })
)

func open(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	o.Dir = t.TempDir()
	e, err := engine.Open(o, numbers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func ids(n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(fmt.Sprint(i)) {
				return
			}
		}
	}
}

// TestWriteAndRead: more instances than are under way at once are made and read back in order; those that are not there are left
// out, and those that were there before are left alone.
func TestWriteAndRead(t *testing.T) {
	const n = 2*window + 100
	e := open(t, engine.Options{})
	if err := e.Do(t.Context(), make1.On("7", -1)); err != nil {
		t.Fatal(err)
	}
	wrote := 0
	w := NewWriter(t.Context(), e, func() { wrote++ })
	for i := range n {
		if i == 9 {
			continue
		}
		if err := w.Put(make1.On(fmt.Sprint(i), i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil || wrote != n-1 {
		t.Errorf("%d written, %v", wrote, err)
	}
	next := 0
	for instance, err := range Each(t.Context(), e, ids(n+50), read) {
		if next == 9 {
			next++
		}
		want := next
		if next == 7 {
			want = -1
		}
		if err != nil || instance.ID != fmt.Sprint(next) || instance.State != want {
			t.Fatalf("read %+v, %v, want %d", instance, err, next)
		}
		next++
	}
	if next != n {
		t.Errorf("%d read, want %d", next, n)
	}
}

// TestEachStopsEarly: a reader that has enough gets no more.
func TestEachStopsEarly(t *testing.T) {
	e := open(t, engine.Options{})
	for i := range 5 {
		if err := e.Do(t.Context(), make1.On(fmt.Sprint(i), i)); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for range Each(t.Context(), e, ids(5), read) {
		if got++; got == 2 {
			break
		}
	}
	if got != 2 {
		t.Errorf("%d read", got)
	}
}

// TestWriterIsPatient: an engine that takes few requests at once is no reason to fail.
func TestWriterIsPatient(t *testing.T) {
	e := open(t, engine.Options{MaxInFlight: 10})
	w := NewWriter(t.Context(), e, nil)
	for i := range 500 {
		if err := w.Put(make1.On(fmt.Sprint(i), i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if answer, err := engine.Ask(t.Context(), e, read.On("499")); err != nil || answer != 499 {
		t.Errorf("%d, %v", answer, err)
	}
}

// TestWriterReportsFailures: an instance that can not be made is an error of a later Put or of Flush.
func TestWriterReportsFailures(t *testing.T) {
	w := NewWriter(t.Context(), open(t, engine.Options{}), nil)
	if err := errors.Join(w.Put(refuse.On("1", 1)), w.Flush()); !errors.Is(err, functions.ErrBadArgument) {
		t.Errorf("error %v, want ErrBadArgument", err)
	}
	if err := w.Put(make1.On("", 1)); !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("error %v, want ErrBadCall", err)
	}
}

// TestEachReportsErrors: a read that fails ends the reading.
func TestEachReportsErrors(t *testing.T) {
	e := open(t, engine.Options{})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	reads := 0
	for _, err := range Each(t.Context(), e, ids(3), read) {
		if reads++; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("error %v, want ErrClosed", err)
		}
	}
	if reads != 1 {
		t.Errorf("%d yielded, want the error alone", reads)
	}
}

// TestRun: all units run, the first error stops those that have not begun, and the others hear of it.
func TestRun(t *testing.T) {
	var ran atomic.Int64
	count := func(context.Context) error { ran.Add(1); return nil }
	units := make([]func(context.Context) error, 100)
	for i := range units {
		units[i] = count
	}
	if err := Run(t.Context(), 4, units); err != nil || ran.Load() != 100 {
		t.Errorf("%d ran, %v", ran.Load(), err)
	}
	broken := errors.New("broken")
	started := make(chan struct{})
	units = []func(context.Context) error{
		func(ctx context.Context) error { close(started); <-ctx.Done(); return ctx.Err() },
		func(context.Context) error { <-started; return broken },
	}
	if err := Run(t.Context(), 2, units); err != broken {
		t.Errorf("error %v, want %v", err, broken)
	}
	if err := Run(t.Context(), 1, []func(context.Context) error{func(context.Context) error { return broken }, func(context.Context) error {
		t.Error("a unit ran after an error")
		return nil
	}}); err != broken {
		t.Errorf("error %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(cancelled, 1, []func(context.Context) error{count}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
	if err := Run(t.Context(), 3, nil); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
}

// TestDo: an id has one effect, none makes no such promise, and what is unknown is marked so.
func TestDo(t *testing.T) {
	e := open(t, engine.Options{})
	if err := e.Do(t.Context(), make1.On("a", 0)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"x", "x", "", ""} {
		if err := Do(t.Context(), e, id, add.On("a", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := engine.Ask(t.Context(), e, read.On("a")); err != nil || n != 3 {
		t.Errorf("%d, %v, want 3", n, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Do(cancelled, e, "y", add.On("a", 1)); !errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("error %v, want ErrUnknown", err)
	}
	if err := Do(t.Context(), e, "", add.On("b", 1)); !errors.Is(err, functions.ErrNotFound) || errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}
