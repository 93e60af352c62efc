package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// patiently makes a step until it succeeds, whatever it does.
func patiently(step func() error) {
	for {
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v", p)
				}
			}()
			return step()
		}()
		if err == nil {
			return
		}
	}
}

var (
	quit     = functions.Update(desks, "quit", func(*functions.Ctx, *desk, int) error { runtime.Goexit(); return nil })
	quitTake = functions.Update(desks, "quit-take", func(_ *functions.Ctx, d *desk, n int) error { d.Taken += n; runtime.Goexit(); return nil })
	quitView = functions.View(desks, "quit-view", func(*functions.Ctx, desk) (int, error) { runtime.Goexit(); return 0, nil })
	tellQuit = functions.Update(desks, "tell-quit", func(ctx *functions.Ctx, _ *desk, id string) error { ctx.Send(quitTake.On(id, 5)); return nil })
	astray   = functions.Update(desks, "astray", func(ctx *functions.Ctx, d *desk, n int) error {
		var group sync.WaitGroup
		group.Go(func() { ctx.Send(take.On(ctx.Self().ID, n)) })
		group.Wait()
		d.Taken += n
		return nil
	})

	quitTx = twopc.New("test/quit-tx", func(tx *twopc.Tx, at string) error {
		if err := tx.Do(take.On("a", 1)); err != nil {
			return err
		}
		if at == "body" {
			runtime.Goexit()
		}
		return tx.Do(quitTake.On("b", 1))
	})
	quitSaga = saga.New("test/quit-saga", func(s *saga.Run, at string) error {
		if err := s.Do(take.On("a", 1), give.On("a", 1)); err != nil {
			return err
		}
		if at == "body" {
			runtime.Goexit()
		}
		return s.Do(quitTake.On("b", 1), saga.NoUndo)
	})
	astrayTx = twopc.New("test/astray-tx", func(tx *twopc.Tx, _ int) (err error) {
		_ = tx.Do(take.On("a", 1))
		var group sync.WaitGroup
		group.Go(func() { _ = tx.Do(take.On("b", 1)) })
		group.Wait()
		return nil
	})
	patientSaga = saga.New("test/patient", func(s *saga.Run, _ int) error {
		if err := s.Do(take.On("a", 1), give.On("a", 1)); err != nil {
			return err
		}
		patiently(func() error { return s.Sleep(time.Hour) })
		return nil
	})
)

func openMisused(t *testing.T, log *logLines) *engine.Engine {
	t.Helper()
	e := open(t, engine.Options{Workers: 1, Logger: log.logger()}, notes, desks, quitTx, quitSaga, astrayTx, patientSaga)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newDesk.On("b", false)))
	return e
}

// TestGoexitInOperations: an operation or a body that ends its goroutine fails, with everything as before; the worker lives, and locks
// are free.
func TestGoexitInOperations(t *testing.T) {
	var log logLines
	e := openMisused(t, &log)
	_, viewErr := engine.Ask(ctx, e, quitView.On("a"))
	for name, err := range map[string]error{
		"call":               e.Do(ctx, quit.On("a", 0)),
		"call with id":       e.Do(ctx, quitTake.On("a", 1).As("id")),
		"the same again":     e.Do(ctx, quitTake.On("a", 1).As("id")),
		"view":               viewErr,
		"call of tx":         e.Do(ctx, quitTx.With("call")),
		"body of tx":         e.Do(ctx, quitTx.With("body")),
		"step of saga":       e.Do(ctx, quitSaga.With("step")),
		"body of saga":       e.Do(ctx, quitSaga.With("body")),
		"many at a time":     quitTogether(e),
		"beside a held lock": quitBesideLocks(t, e),
	} {
		if !errors.Is(err, functions.ErrPanic) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, e.Do(ctx, tellQuit.On("a", "b"))) // nobody waits for that one
	eventually(t, "its failure is logged", func() bool { return log.line("nobody handled it", "quit-take") != "" })
	must(t, e.Do(ctx, take.On("a", 1)))
	if a, b := ask(t, e, taken.On("a")), ask(t, e, taken.On("b")); a != 1 || b != 0 {
		t.Errorf("the desks have taken %d and %d, want 1 and 0", a, b)
	}
	if s := e.Stats(); s.Lost != 12 {
		t.Errorf("%d bodies are lost, want 12", s.Lost)
	}
}

// TestGoexitWithManyWorkers: what an operation led to that has ended its goroutine reaches the worker that waits for it, also if there is
// nothing else to do.
func TestGoexitWithManyWorkers(t *testing.T) {
	var log logLines
	e := open(t, engine.Options{Workers: 4, Logger: log.logger()}, notes, desks, quitTx, quitSaga)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newDesk.On("b", false)))
	for i := range 40 {
		for name, r := range map[string]functions.Request{
			"call": quitTake.On("a", 1).As(fmt.Sprint("call", i)), "tx": quitTx.With("call"), "saga": quitSaga.As(fmt.Sprint("saga", i), "step"),
		} {
			c, cancel := context.WithTimeout(ctx, 10*time.Second)
			if err := e.Do(c, r); !errors.Is(err, functions.ErrPanic) {
				t.Fatalf("%s %d: %v", name, i, err)
			}
			cancel()
		}
	}
	eventually(t, "no user code runs", func() bool { return engine.Runs(e) == "" })
}

// quitTogether makes many calls that end their goroutine, at a time.
func quitTogether(e *engine.Engine) error {
	var group sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		group.Go(func() { errs[i] = e.Do(ctx, quitTake.On("a", 1)) })
	}
	group.Wait()
	for _, err := range errs {
		if !errors.Is(err, functions.ErrPanic) {
			return err
		}
	}
	return errs[0]
}

// quitBesideLocks lets such calls wait for locks of transactions.
func quitBesideLocks(t *testing.T, e *engine.Engine) error {
	t.Helper()
	var group sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		group.Go(func() { _ = e.Do(ctx, quitTx.With([]string{"call", "body"}[i%2])) })
		group.Go(func() { errs[i] = e.Do(ctx, quitTake.On("a", 1).As(fmt.Sprint("beside-", i))) })
	}
	group.Wait()
	for _, err := range errs {
		if !errors.Is(err, functions.ErrPanic) {
			return err
		}
	}
	return errs[0]
}

// TestCallsOfOtherGoroutines: what an operation or a body does on another goroutine fails it, and nothing of it happens.
func TestCallsOfOtherGoroutines(t *testing.T) {
	var log logLines
	e := openMisused(t, &log)
	for range 20 {
		wantErr(t, e.Do(ctx, astray.On("a", 1)), functions.ErrBadCall, "goroutine")
		wantErr(t, e.Do(ctx, astrayTx.With(0)), functions.ErrBadCall, "goroutine")
	}
	must(t, e.Do(ctx, take.On("a", 1)))
	if a, b := ask(t, e, taken.On("a")), ask(t, e, taken.On("b")); a != 1 || b != 0 {
		t.Errorf("the desks have taken %d and %d, want 1 and 0", a, b)
	}
}

// TestWhatBodiesGiveAway: what a body or an operation makes calls with does nothing once that is over, and says so: neither on a goroutine
// that was left behind, nor in another body; and nobody else fails or gets what is not his.
func TestWhatBodiesGiveAway(t *testing.T) {
	var log logLines
	var given atomic.Pointer[twopc.Tx]
	var givenRun atomic.Pointer[saga.Run]
	var givenCtx atomic.Pointer[functions.Ctx]
	give := functions.Update(desks, "give-ctx", func(ctx *functions.Ctx, _ *desk, _ int) error { givenCtx.Store(ctx); return nil })
	useCtx := functions.Update(desks, "use-ctx", func(_ *functions.Ctx, _ *desk, _ int) error {
		givenCtx.Load().Send(take.On("b", 1))
		return nil
	})
	giveTx := twopc.New("test/give-tx", func(tx *twopc.Tx, _ int) error { given.Store(tx); return tx.Do(give.On("c", 0)) })
	giveSaga := saga.New("test/give-saga", func(s *saga.Run, _ int) error { givenRun.Store(s); return s.Do(give.On("c", 0), saga.NoUndo) })
	useTx := twopc.New("test/use-tx", func(tx *twopc.Tx, _ int) error {
		_ = given.Load().Do(take.On("b", 1))
		given.Load().OnCommit(take.On("b", 1))
		return nil
	})
	honestTx := twopc.New("test/honest", func(tx *twopc.Tx, _ int) error { return tx.All(take.On("a", 1), take.On("c", 0)) })
	e := open(t, engine.Options{Workers: 1, Logger: log.logger()}, desks, giveTx, giveSaga, useTx, honestTx)
	for _, id := range []string{"a", "b", "c"} {
		must(t, e.Do(ctx, newDesk.On(id, false)))
	}
	must(t, e.Do(ctx, giveTx.With(0)))
	must(t, e.Do(ctx, giveSaga.With(0)))
	must(t, e.Do(ctx, give.On("c", 0)))

	stop := make(chan struct{})
	var strays, group sync.WaitGroup
	for range 4 { // all the while others work
		strays.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := given.Load().Do(take.On("b", 1)); !errors.Is(err, functions.ErrBadCall) {
					t.Errorf("a transaction that is over makes a call: %v", err)
				}
				given.Load().OnCommit(take.On("b", 1))
				if err := givenRun.Load().Sleep(1); !errors.Is(err, functions.ErrBadCall) {
					t.Errorf("a saga that is over makes a step: %v", err)
				}
				givenRun.Load().OnSuccess(take.On("b", 1))
				givenCtx.Load().Send(take.On("b", 1))
				runtime.Gosched()
			}
		})
	}
	for range 8 {
		group.Go(func() {
			for range 100 {
				if err := errors.Join(e.Do(ctx, honestTx.With(0)), e.Do(ctx, take.On("a", 1))); err != nil {
					t.Errorf("others fail: %v", err)
				}
			}
		})
	}
	group.Wait()
	close(stop)
	strays.Wait()
	for range 20 {
		_ = e.Do(ctx, useTx.With(0)) // it fails if it has the goroutine of the other, and else is told only
		_ = e.Do(ctx, useCtx.On("a", 0))
	}
	eventually(t, "messages are handled", func() bool { return e.Queued() == 0 })
	if a, b := ask(t, e, taken.On("a")), ask(t, e, taken.On("b")); a != 1600 || b != 0 {
		t.Errorf("the desks have taken %d and %d, want 1600 and 0", a, b)
	}
}

// TestEndlessMisuse: bodies and operations that try forever, here or on other goroutines, what fails at once hold no worker.
func TestEndlessMisuse(t *testing.T) {
	var log logLines
	var kept atomic.Pointer[twopc.Tx]
	keep := twopc.New("test/keep-tx", func(tx *twopc.Tx, _ int) error { kept.Store(tx); return nil })
	stale := func() error { return kept.Load().Try(take.On("b", 1)) }
	staleTx := twopc.New("test/stale-tx", func(*twopc.Tx, int) error { patiently(stale); return nil })
	staleSaga := saga.New("test/stale-saga", func(*saga.Run, int) error { patiently(stale); return nil })
	staleOp := functions.Update(desks, "stale", func(*functions.Ctx, *desk, int) error { patiently(stale); return nil })
	foreignTx := twopc.New("test/foreign-tx", func(tx *twopc.Tx, _ int) error {
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { patiently(func() error { return tx.Do(take.On("b", 1)) }) })
		}
		group.Wait()
		return nil
	})
	e := open(t, engine.Options{Workers: 1, Logger: log.logger()}, desks, keep, staleTx, staleSaga, foreignTx)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newDesk.On("b", false)))
	must(t, e.Do(ctx, keep.With(0)))
	for name, r := range map[string]functions.Request{
		"transaction": staleTx.With(0), "saga": staleSaga.With(0), "operation": staleOp.On("a", 0), "other goroutines": foreignTx.With(0),
	} {
		soon, cancel := context.WithTimeout(ctx, 20*time.Second)
		if err := e.Do(soon, r); !errors.Is(err, functions.ErrBadCall) && !errors.Is(err, functions.ErrPanic) {
			t.Fatalf("%s: %v", name, err)
		}
		cancel()
	}
	if n := ask(t, e, taken.On("b")); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// TestBodyThatDoesNotEnd: a saga whose body catches what unwinds it is cancelled like any other, and does not keep an engine from
// closing.
func TestBodyThatDoesNotEnd(t *testing.T) {
	for _, cancel := range []bool{true, false} {
		var log logLines
		e := openMisused(t, &log)
		p, err := e.Submit(patientSaga.With(0))
		must(t, err)
		info := theSaga(t, e, "running")
		short, stop := context.WithTimeout(ctx, 10*time.Second)
		if cancel {
			must(t, e.CancelSaga(short, info.ID))
			wantErr(t, p.Wait(short), saga.ErrCancelled)
			if n := ask(t, e, taken.On("a")); n != 0 {
				t.Errorf("its step was not undone: %d", n)
			}
			if s := e.Stats(); s.Lost != 1 {
				t.Errorf("%d bodies are lost, want 1", s.Lost)
			}
		}
		must(t, e.Close(short))
		stop()
	}
}
