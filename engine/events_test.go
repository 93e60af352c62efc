package engine_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
)

// eventLog is what an engine has told.
type eventLog struct {
	kinds  map[string]int
	cut    []uint64
	sealed []engine.EpochInfo
	traces []engine.Trace
	waits  uint64
	waited time.Duration
}

func (l *eventLog) events() engine.Events {
	l.kinds = map[string]int{}
	return engine.Events{
		MessageHandled:    func(i engine.MessageInfo) { l.kinds[i.Kind]++ },
		EpochCut:          func(epoch uint64) { l.cut = append(l.cut, epoch) },
		EpochSealed:       func(i engine.EpochInfo) { l.sealed = append(l.sealed, i) },
		TransactionSealed: func(t engine.Trace) { l.traces = append(l.traces, t) },
		LockWaited:        func(i engine.LockWaitInfo) { l.waits, l.waited = l.waits+1, l.waited+i.Waited },
	}
}

// TestEvents: what an engine tells is what it lists and counts otherwise, and goes on while somebody watches besides, and after that.
func TestEvents(t *testing.T) {
	var told eventLog
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(12, 0))
	o := engine.Options{Dir: "data", Workers: 2, Events: told.events(), Seams: seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}}
	e := open(t, o, append(bank.Parts(), stepwise)...)
	run := func(requests int) {
		for i := range requests {
			from := i % 3
			_, err := e.Submit(stepwise.With(bank.Transfer{From: account(from), To: account((from + 1 + rng.IntN(2)) % 3), Amount: 1}))
			must(t, err)
		}
		for e.Step(rng.IntN) {
			clock.pass(time.Millisecond)
		}
	}
	for i := range 3 {
		_, err := e.Submit(bank.Open.On(account(i), 1000))
		must(t, err)
	}
	run(50)
	traced := len(told.traces)
	stop := e.Watch()
	run(50)
	eventful, plain := e.Traces()
	if n := len(eventful) + len(plain); n == 0 || len(told.traces)-traced != n {
		t.Errorf("%d transactions were traced for who watches, and %d told of meanwhile", n, len(told.traces)-traced)
	}
	stop()
	traced = len(told.traces)
	run(50)
	if traced == 0 || len(told.traces) == traced {
		t.Errorf("of %d transactions it was told until nobody watched any more, of %d then", traced, len(told.traces)-traced)
	}

	epochs := e.Epochs()
	if !slices.Equal(told.sealed, epochs) {
		t.Errorf("it was told of %d epochs, and they are not the %d that there were", len(told.sealed), len(epochs))
	}
	for i, sealed := range told.sealed {
		if told.cut[i] != sealed.Number {
			t.Errorf("the epochs %v were cut", told.cut)
		}
	}
	if s := e.Stats(); told.waits != s.LockWaits || told.waited != s.LockWaitTime || told.waits == 0 {
		t.Errorf("it was told of %d waits of %v, there were %d of %v", told.waits, told.waited, s.LockWaits, s.LockWaitTime)
	}
	for _, kind := range []string{"call", "prepare", "vote", "granted", "commit"} {
		if told.kinds[kind] == 0 {
			t.Errorf("no message %q was handled: %v", kind, told.kinds)
		}
	}
}

// TestTracesAreBounded: in a second of which a transaction could be traced in each of many epochs, 512 are.
func TestTracesAreBounded(t *testing.T) {
	var told eventLog
	clock := newPassingClock()
	o := engine.Options{Dir: "data", Events: engine.Events{TransactionSealed: told.events().TransactionSealed}}
	o.Seams = seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}
	e := open(t, o, append(bank.Parts(), stepwise)...)
	for i, want := range []int{512, 512 + 512} {
		for n := range 600 {
			_, err := e.Submit(stepwise.With(bank.Transfer{From: account(n), To: account(n + 1), Amount: 1}))
			must(t, err)
			for e.Step(func(int) int { return 0 }) {
			}
		}
		if got := len(told.traces); got != want {
			t.Fatalf("in %d seconds %d transactions were traced, want %d", i+1, got, want)
		}
		clock.pass(time.Second)
	}
}

// TestWantedTraces: every run is traced whose request's context is wanted, and has that context, however many there are; of a saga with the
// steps and what undid them. Nobody is asked about a plain call, nor if nobody is told of what is traced.
func TestWantedTraces(t *testing.T) {
	type key struct{}
	type told struct{ wanted, other int }
	var ofTx, ofSaga told
	var last engine.Trace
	asked := 0
	note := func(of *told) func(engine.Trace) {
		return func(i engine.Trace) {
			if last = i; i.Context != nil {
				of.wanted++
			} else {
				of.other++
			}
		}
	}
	o := engine.Options{Dir: "data", MaxUndoTries: 1, Events: engine.Events{
		TransactionSealed: note(&ofTx), SagaSealed: note(&ofSaga),
		TraceWanted: func(ctx context.Context) bool { asked++; return ctx.Value(key{}) != nil },
	}}
	o.Seams = seams.Set{FS: vfs.NewMem(), Clock: newPassingClock(), Stepped: true} // of which no second passes
	e := open(t, o, bank.Parts()...)
	rest := func() {
		for e.Step(func(int) int { return 0 }) {
		}
	}
	wanted := context.WithValue(ctx, key{}, true)
	run := func(within context.Context, r functions.Request) error {
		p, err := e.Submit(engine.Within(within, r))
		must(t, err)
		rest()
		return p.Wait(ctx)
	}
	for i := range 2 {
		must(t, run(wanted, bank.Open.On(account(i), 10_000)))
	}
	if asked != 0 {
		t.Errorf("it was asked about %d plain calls", asked)
	}
	move := bank.Transfer{From: account(0), To: account(1), Amount: 1}
	const n = 600 // of others 512 are traced in a second
	for range n {
		must(t, run(ctx, bank.TransferTx.With(move)))
		must(t, run(wanted, bank.TransferTx.With(move)))
		must(t, run(wanted, bank.TransferSaga.With(move)))
	}
	if ofTx.wanted != n || ofSaga.wanted != n || ofTx.other > 512 || ofTx.other == 0 || ofSaga.other != 0 {
		t.Errorf("of %d transactions and sagas that were wanted, %+v and %+v were told of", n, ofTx, ofSaga)
	}
	if !last.Saga || !last.Committed || len(last.Calls) != 2 || last.Calls[0].Undo || last.Calls[1].Vote != "yes" || last.Calls[1].Back > last.Decided {
		t.Errorf("the course of a saga: %+v", last)
	}
	if err := run(wanted, bank.TransferSaga.With(bank.Transfer{From: account(0), To: "nobody", Amount: 1})); err == nil {
		t.Error("a transfer to nobody succeeds")
	}
	if last.Committed || last.Failure == "" || len(last.Calls) != 3 || last.Calls[1].Vote != "no" || last.Calls[1].Failure == "" || !last.Calls[2].Undo {
		t.Errorf("the course of a saga that is undone: %+v", last)
	}

	quiet := open(t, engine.Options{Dir: "data", Seams: seams.Set{FS: vfs.NewMem(), Stepped: true}, Events: engine.Events{
		EpochCut: func(uint64) {}, TraceWanted: func(context.Context) bool { t.Error("somebody is asked"); return true },
	}}, bank.Parts()...)
	_, err := quiet.Submit(engine.Within(wanted, bank.TransferTx.With(move)))
	must(t, err)
	for quiet.Step(func(int) int { return 0 }) {
	}
}
