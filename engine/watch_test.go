package engine_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/twopc"
)

// stepwise moves money with one call after the other, so that two on the same accounts can wait for each other.
var stepwise = twopc.New("test/stepwise", func(tx *twopc.Tx, t bank.Transfer) error {
	if err := tx.Do(bank.Debit.On(t.From, t.Amount)); err != nil {
		return err
	}
	return tx.Do(bank.Credit.On(t.To, t.Amount))
})

// TestTraces: the course of a transaction is told in the order in which it happened: each call is sent, waits or not, and votes before the
// decision, which is durable after that; a transaction that committed has a yes of all its calls in its last attempt, one that was tried
// again has one that gave way in each attempt before. Nothing is told of what nobody watched.
func TestTraces(t *testing.T) {
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(11, 0))
	o := engine.Options{Dir: "data", Workers: 2, MaxAttempts: 3, Seams: seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}}
	e := open(t, o, append(bank.Parts(), stepwise)...)
	submitted := 0
	run := func(transfers int) {
		for range transfers {
			from, amount := rng.IntN(3), int64(1)
			if rng.IntN(8) == 0 {
				amount = 1_000_000
			}
			_, err := e.Submit(stepwise.As(fmt.Sprint("t", submitted), bank.Transfer{From: account(from), To: account((from + 1 + rng.IntN(2)) % 3), Amount: amount}))
			must(t, err)
			submitted++
		}
		for e.Step(rng.IntN) {
			clock.pass(time.Millisecond)
		}
	}
	for i := range 3 {
		_, err := e.Submit(bank.Open.On(account(i), 1000))
		must(t, err)
	}
	run(100)
	if eventful, plain := e.Traces(); len(eventful)+len(plain) > 0 {
		t.Errorf("there are %d and %d traces, and nobody watches", len(eventful), len(plain))
	}
	began := clock.Now()
	stop := e.Watch()
	var seen struct{ waited, retried, failed, gaveWay, upFront int }
	for range 300 {
		run(8)
		run(1)
	}
	eventful, plain := e.Traces()
	if len(eventful) != 64 || len(plain) != 64 {
		t.Errorf("there are %d and %d traces, at most 64 are kept of each", len(eventful), len(plain))
	}
	all := map[uint64]engine.Trace{}
	for range 300 {
		run(8)
		eventful, plain := e.Traces()
		for _, tr := range append(eventful, plain...) {
			all[tr.ID] = tr
		}
	}
	for _, tr := range all {
		if tr.Function != "test/stepwise" || tr.RequestID == "" || tr.Began.Before(began) || tr.Attempts < 1 || tr.Attempts > 3 || tr.CallCount != len(tr.Calls) ||
			tr.CallCount < 1 || tr.Epoch == 0 || tr.Epoch > engine.Sealed(e) || tr.Sealed < tr.Decided || tr.Committed != (tr.Failure == "") {
			t.Fatalf("%+v", tr)
		}
		gaveWay := map[uint32]bool{}
		for _, c := range tr.Calls {
			if c.Vote == "" || c.Back < c.Sent || tr.Decided < c.Back || c.Attempt < 1 || c.Attempt > tr.Attempts || c.Address.Type != "bank/account" ||
				c.Mode.String() != "exclusive" || (c.Vote == "no") != (c.Failure != "") || c.Operation == "" && c.Attempt == 1 {
				t.Fatalf("%+v of %+v", c, tr)
			}
			if c.WaitEnded != 0 {
				seen.waited++
				if c.WaitBegan < c.Sent || c.WaitEnded < c.WaitBegan || c.Back < c.WaitEnded {
					t.Fatalf("%+v of %+v", c, tr)
				}
			}
			if c.Vote != "yes" && tr.Committed && c.Attempt == tr.Attempts {
				t.Fatalf("it committed with %+v: %+v", c, tr)
			}
			if c.Operation == "" {
				seen.upFront++
			}
			if c.Vote == "gave way" {
				gaveWay[c.Attempt] = true
				seen.gaveWay++
			}
		}
		for a := uint32(1); a < tr.Attempts; a++ {
			seen.retried++
			if !gaveWay[a] {
				t.Fatalf("attempt %d has no call that gave way: %+v", a, tr)
			}
		}
		if !tr.Committed {
			seen.failed++
		}
	}
	for n, tr := range append(eventful, plain...) {
		waited := false
		for _, c := range tr.Calls {
			waited = waited || c.WaitEnded != 0
		}
		if (waited || tr.Attempts > 1 || !tr.Committed) != (n < len(eventful)) {
			t.Errorf("it is in the wrong list: %+v", tr)
		}
	}
	if seen.waited < 10 || seen.retried < 5 || seen.failed < 5 || seen.gaveWay < 5 || seen.upFront < 5 {
		t.Errorf("the test tests too little: %+v", seen)
	}
	another := e.Watch()
	stop()
	stop() // once more is as good as once
	eventful, _ = e.Traces()
	run(20)
	if after, _ := e.Traces(); after[len(after)-1].ID == eventful[len(eventful)-1].ID {
		t.Error("nothing is traced while the other one watches")
	}
	another()
	before, _ := e.Traces()
	run(20)
	if after, _ := e.Traces(); after[len(after)-1].ID != before[len(before)-1].ID {
		t.Error("something is traced after all have stopped watching")
	}
	defer e.Watch()()
	if eventful, plain := e.Traces(); len(eventful)+len(plain) > 0 {
		t.Error("a new watch begins with traces of an earlier one")
	}
}

// TestHotInstances: the waits for instances add up to those that the engine counts, also across a watch that began when others had waited.
func TestHotInstances(t *testing.T) {
	e := open(t, engine.Options{Workers: 2})
	for i := range 4 {
		must(t, e.Do(ctx, bank.Open.On(account(i), 100_000)))
	}
	crowd := func() {
		var all sync.WaitGroup
		for g := range 32 {
			all.Go(func() {
				for i := range 50 {
					if err := e.Do(ctx, bank.TransferTx.With(bank.Transfer{From: account(0), To: account(1 + (g+i)%3), Amount: 1})); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	}
	crowd()
	if hot, err := e.HotInstances(ctx); err != nil || len(hot) > 0 {
		t.Errorf("nobody watches: %v %v", hot, err)
	}
	defer e.Watch()()
	before := e.Stats()
	crowd()
	hot, err := e.HotInstances(ctx)
	must(t, err)
	after := e.Stats()
	var waits uint64
	var waited time.Duration
	for i, h := range hot {
		waits, waited = waits+h.Waits, waited+h.Waited
		if h.Address.Type != "bank/account" || h.Waits == 0 || h.Longest == 0 || h.Longest > h.Waited || i > 0 && h.Waited > hot[i-1].Waited {
			t.Errorf("%+v", hot)
		}
	}
	if waits != after.LockWaits-before.LockWaits || waited != after.LockWaitTime-before.LockWaitTime || waits == 0 || hot[0].Address.ID != account(0) {
		t.Errorf("%d waits of %v are listed, the engine has counted %d of %v: %+v",
			waits, waited, after.LockWaits-before.LockWaits, after.LockWaitTime-before.LockWaitTime, hot)
	}
}

// TestHotInstancesAreBounded: of more instances than a worker counts those stay that are waited for most.
func TestHotInstancesAreBounded(t *testing.T) {
	var c engine.WaitCounter
	for i := range 5000 {
		c.Add(1, fmt.Sprint(i), time.Millisecond)
		c.Add(1, "hot", time.Millisecond)
	}
	if n, hot := c.Count("hot"); n > 1024 || hot != 5000 {
		t.Errorf("it counts %d instances, and %d of 5,000 waits for one", n, hot)
	}
	c.Add(2, "other", time.Millisecond)
	if n, hot := c.Count("hot"); n != 1 || hot != 0 {
		t.Errorf("another watch begins with %d instances, and %d waits", n, hot)
	}
}

// TestEpochs: the list of the last epochs has each once, in their order, and their bytes and outcomes are all that there were.
func TestEpochs(t *testing.T) {
	e := open(t, engine.Options{Workers: 2})
	for i := range 100 {
		must(t, e.Do(ctx, bank.Open.On(account(i), 1)))
	}
	all := e.Epochs()
	var bytes uint64
	outcomes, rows := 0, 0
	for i, one := range all {
		bytes, outcomes, rows = bytes+uint64(one.Bytes), outcomes+one.Outcomes, rows+one.Rows
		if i > 0 && (one.Number != all[i-1].Number+1 || one.Sealed.Before(all[i-1].Sealed)) || one.Took <= 0 || (one.Rows == 0) != (one.Bytes == 0) || one.Forced {
			t.Errorf("%+v", one)
		}
	}
	if bytes != e.Measures().SealedBytes || outcomes < 99 || outcomes > 100 || rows < 100 {
		t.Errorf("%d bytes, %d outcomes, %d rows in %d epochs; the engine has sealed %d bytes", bytes, outcomes, rows, len(all), e.Measures().SealedBytes)
	}
	for i := range 300 {
		must(t, e.Do(ctx, bank.Credit.On(account(i%100), 1)))
	}
	last := all[len(all)-1].Number
	if all = e.Epochs(); len(all) != 256 || all[255].Number < last+299 || all[0].Number != all[255].Number-255 {
		t.Errorf("%d epochs, from %d to %d", len(all), all[0].Number, all[len(all)-1].Number)
	}
}
