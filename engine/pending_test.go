package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// TestEndedContextBeginsNothing: whatever is asked with a context that is over is not done, and the error says so and why.
func TestEndedContextBeginsNothing(t *testing.T) {
	errWhy := errors.New("test: no time")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	expired, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
	defer cancel()
	caused, causeIt := context.WithCancelCause(ctx)
	causeIt(errWhy)
	e := openDesk(t, engine.Options{Egresses: map[string]engine.Egress{"wire": engine.Channel(make(chan engine.Record))}})
	for name, c := range map[string]struct {
		ctx  context.Context
		errs []error
	}{
		"cancelled": {cancelled, []error{context.Canceled}},
		"expired":   {expired, []error{context.DeadlineExceeded}},
		"cause":     {caused, []error{context.Canceled, errWhy}},
	} {
		for what, do := range map[string]func() error{
			"call":        func() error { return e.Do(c.ctx, take.On("a", 1)) },
			"with id":     func() error { return e.Do(c.ctx, take.On("a", 1).As("id")) },
			"transaction": func() error { return e.Do(c.ctx, countedTx.With("a").Drop()) },
			"saga":        func() error { return e.Do(c.ctx, errandSaga.With(errand{Desks: []string{"a"}})) },
			"ask":         func() error { _, err := engine.Ask(c.ctx, e, addTaken.On("a", 1)); return err },
			"sagas":       func() error { _, err := e.Sagas(c.ctx); return err },
			"cancel":      func() error { return e.CancelSaga(c.ctx, 1) },
			"decide":      func() error { return e.DecideSaga(c.ctx, 1, saga.Retry) },
			"parked":      func() error { _, err := e.ParkedRecords(c.ctx, "wire"); return err },
			"retry":       func() error { return e.RetryParked(c.ctx, "wire", 1) },
			"drop":        func() error { return e.DropParked(c.ctx, "wire", 1) },
		} {
			err := do()
			for _, want := range append(c.errs, engine.ErrNotBegun) {
				if !errors.Is(err, want) {
					t.Errorf("%s, context %s: error %v, want %v", what, name, err, want)
				}
			}
			if errors.Is(err, engine.ErrUnknown) {
				t.Errorf("%s, context %s: it is known what happened: %v", what, name, err)
			}
		}
	}
	if n := ask(t, e, taken.On("a")); n != 0 {
		t.Errorf("the state counts %d, want 0", n)
	}
	must(t, e.Do(ctx, take.On("a", 1).As("id"))) // its id is free
	if n := ask(t, e, taken.On("a")); n != 1 {
		t.Errorf("the state counts %d, want 1", n)
	}
}

// TestNilContextsAndRequests: a nil context never ends; a nil request is an error.
func TestNilContextsAndRequests(t *testing.T) {
	e := openDesk(t, engine.Options{})
	var none context.Context
	must(t, e.Do(none, take.On("a", 1)))
	if n, err := engine.Ask(none, e, taken.On("a")); n != 1 || err != nil {
		t.Errorf("asked: %d, %v", n, err)
	}
	p, err := e.Submit(take.On("a", 1))
	must(t, err)
	must(t, p.Wait(none))
	_, err = e.Sagas(none)
	must(t, err)
	wantErr(t, e.CancelSaga(none, 1), engine.ErrNoSaga)
	wantErr(t, e.Do(ctx, nil), functions.ErrBadCall)
	_, err = e.Submit(nil)
	wantErr(t, err, functions.ErrBadCall)
	_, err = engine.Ask[int](ctx, e, nil)
	wantErr(t, err, functions.ErrBadCall)
	must(t, e.Close(none))
}

// TestPendingAnyNumberOfTimes: a Pending, and each copy of it, tells the same outcome as often as it is asked, at the same time from
// many goroutines, with contexts that are over, and after Close. The result is stored once.
func TestPendingAnyNumberOfTimes(t *testing.T) {
	entered, release := blocked(t)
	e := openDesk(t, engine.Options{Workers: 1})
	held, err := e.Submit(block.On("a", 1))
	must(t, err)
	<-entered
	var got int
	good, err := e.Submit(addTaken.On("a", 1).Into(&got))
	must(t, err)
	bad, err := e.Submit(refusedTx.With("a"))
	must(t, err)
	over, cancel := context.WithCancel(ctx)
	cancel()
	for range 3 { // before there is an outcome
		if good.Done() || bad.Done() {
			t.Error("done before it ran")
		}
		wantErr(t, good.Wait(over), engine.ErrUnknown)
		wantErr(t, good.Wait(over), context.Canceled)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := good.Wait(ctx); err != nil || got != 2 {
				t.Errorf("the outcome is %v with result %d", err, got)
			}
			if err := bad.Wait(ctx); !errors.Is(err, errRude) {
				t.Errorf("the outcome is %v", err)
			}
		})
	}
	release()
	group.Wait()
	must(t, held.Wait(ctx))
	check := func() {
		t.Helper()
		for range 100 { // a ready outcome and a context that is over: no matter of luck
			must(t, good.Wait(over))
			wantErr(t, bad.Wait(over), errRude)
		}
		if !good.Done() || !bad.Done() {
			t.Error("no longer done")
		}
	}
	check()
	got = 7
	must(t, good.Wait(ctx))
	if got != 7 {
		t.Error("the result was stored again")
	}
	must(t, e.Close())
	check()
}

// TestPendingWithoutOutcome: what has no outcome when the engine is closed is unknown, each time it is asked, and polling ends.
func TestPendingWithoutOutcome(t *testing.T) {
	o := engine.Options{Dir: t.TempDir()}
	e := openDesk(t, o)
	p, err := e.Submit(errandSaga.As("slow", errand{Wait: time.Hour}))
	must(t, err)
	must(t, e.Close())
	for range 3 {
		wantErr(t, p.Wait(ctx), engine.ErrUnknown, "closed")
		if !p.Done() {
			t.Error("Wait returns at once, and Done says that it would not")
		}
	}
}

func TestZeroPending(t *testing.T) {
	var p engine.Pending
	if err := p.Wait(ctx); err == nil || errors.Is(err, engine.ErrUnknown) {
		t.Errorf("error %v", err)
	}
	if !p.Done() {
		t.Error("it is not done")
	}
}
