package engine_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// TestWatchdogNamesSlowCode: an operation or the body of a coordinator function that holds a worker for more than 100 ms is named
// in the log while it still does, once, also when the engine was idle before. Fast code is not.
func TestWatchdogNamesSlowCode(t *testing.T) {
	hold := twopc.New("test/hold-body", func(tx *twopc.Tx, _ int) error { keeper.Load().wait(); return nil })
	holdSaga := saga.New("test/hold-saga", func(s *saga.Run, _ int) error { keeper.Load().wait(); return nil })
	for name, c := range map[string]struct {
		slow  functions.Request
		words []string
	}{
		"operation":   {block.On("a", 1), []string{"holds a worker", "in=test/desk.block", "id=a"}},
		"transaction": {hold.With(0), []string{"holds a worker", "in=test/hold-body"}},
		"saga":        {holdSaga.With(0), []string{"holds a worker", "in=test/hold-saga"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log logLines
			_, release := blocked(t)
			e := open(t, engine.Options{Workers: 2, Logger: log.logger()}, desks, notes, hold, holdSaga)
			must(t, e.Do(ctx, newDesk.On("a", false)))
			for range 2 {
				time.Sleep(150 * time.Millisecond) // the watchdog falls asleep
				must(t, e.Do(ctx, take.On("a", 1)))
			}
			if text := log.String(); text != "" {
				t.Errorf("fast code is in the log: %s", text)
			}
			start := time.Now()
			pending, err := e.Submit(c.slow)
			must(t, err)
			eventually(t, "the log names it", func() bool { return log.line(c.words...) != "" })
			if took := time.Since(start); took < 100*time.Millisecond {
				t.Errorf("it was named after %v", took)
			}
			time.Sleep(100 * time.Millisecond)
			release()
			must(t, pending.Wait(ctx))
			if n := e.Stats().Slow; n != 1 {
				t.Errorf("it was counted %d times", n)
			}
		})
	}
}

// TestCloseLeavesNoGoroutines: neither workers nor coroutines of sagas that sleep or are stuck, of transactions that are over, of
// egresses that cannot deliver, or of ingresses.
func TestCloseLeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	unwound := make(chan string, 10)
	sleeper := saga.New("test/sleeper", func(s *saga.Run, id string) error {
		defer func() { unwound <- id }()
		return s.Sleep(time.Hour)
	})
	var log logLines
	e := open(t, engine.Options{
		Workers: 3, MaxUndoTries: 1, Logger: log.logger(),
		Egresses:  map[string]engine.Egress{"wire": engine.Channel(make(chan engine.Record))},
		Ingresses: map[string]engine.Ingress{"tape": &tape{end: 1 << 40, give: func(uint64) functions.Message { return take.On("b", 1) }}},
	}, append(errandParts(), sleeper, countedTx, refusedTx, tellers)...)
	must(t, e.Do(ctx, newDesk.On("b", false)))
	must(t, e.Do(ctx, newDesk.On("a", true)))
	must(t, e.Do(ctx, newTeller.On("t", 0)))
	must(t, e.Do(ctx, tell.On("t", 100)))
	var group sync.WaitGroup
	for range 200 { // many coroutines at a time
		group.Go(func() {
			if _, err := engine.Ask(ctx, e, countedTx.With("a")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range 3 {
		_, err := e.Submit(sleeper.With(fmt.Sprint(i)))
		must(t, err)
	}
	wantErr(t, e.Do(ctx, errandSaga.With(errand{Desks: []string{"a"}, Fail: true})), saga.ErrStuck)
	eventually(t, "the sagas sleep", func() bool { all, err := e.Sagas(ctx); return err == nil && len(all) == 4 })
	closeLeaving(t, e, 100)
	var ids []string
	for range 3 {
		ids = append(ids, <-unwound)
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"0", "1", "2"}) {
		t.Errorf("the bodies that were unwound are %v", ids)
	}
	eventually(t, "its goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
