package bulk

import (
	"context"
	"errors"
	"fmt"
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

// TestWriter: more instances than are under way at once are made, and those that were there before are left alone.
func TestWriter(t *testing.T) {
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
	for i := range n {
		want := i
		if i == 7 {
			want = -1
		}
		got, err := engine.Ask(t.Context(), e, read.On(fmt.Sprint(i)))
		if i == 9 && errors.Is(err, functions.ErrNotFound) {
			continue
		}
		if err != nil || got != want {
			t.Fatalf("instance %d is %d, %v, want %d", i, got, err, want)
		}
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

// TestWriterReportsFailures: an instance that cannot be made is an error of a later Put or of Flush.
func TestWriterReportsFailures(t *testing.T) {
	w := NewWriter(t.Context(), open(t, engine.Options{}), nil)
	if err := errors.Join(w.Put(refuse.On("1", 1)), w.Flush()); !errors.Is(err, functions.ErrBadArgument) {
		t.Errorf("error %v, want ErrBadArgument", err)
	}
	if err := w.Put(make1.On("", 1)); !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("error %v, want ErrBadCall", err)
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

// endsMeanwhile is a context that ends while a request that it is given to is under way: the first who asks is told that it goes on.
type endsMeanwhile struct {
	context.Context // which is over
	asked           bool
}

func (c *endsMeanwhile) Err() error {
	if !c.asked {
		c.asked = true
		return nil
	}
	return c.Context.Err()
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
	if err := Do(&endsMeanwhile{Context: cancelled}, e, "y", add.On("a", 1)); !errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("error %v, want ErrUnknown", err)
	}
	if err := Do(cancelled, e, "z", add.On("a", 1)); !errors.Is(err, engine.ErrNotBegun) || errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("error %v, want ErrNotBegun", err)
	}
	if err := Do(t.Context(), e, "", add.On("b", 1)); !errors.Is(err, functions.ErrNotFound) || errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

// TestTally: what is acknowledged and what is unknown is counted, also as of a moment; failures are not.
func TestTally(t *testing.T) {
	var tally Tally
	tally.Count(nil)
	before := tally.Load()
	for _, err := range []error{nil, nil, fmt.Errorf("%w: gone", ycsb.ErrUnknown), functions.ErrNotFound} {
		tally.Count(err)
	}
	if now := tally.Load(); now != (Counts{Committed: 3, Unknown: 1}) || now.Since(before) != (Counts{Committed: 2, Unknown: 1}) {
		t.Errorf("%+v, %+v since", now, now.Since(before))
	}
}
