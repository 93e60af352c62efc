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
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/locks"
)

// TestLook: between any two steps the lists fit together: who is listed to hold or wait for a lock is a transaction that is listed, in that
// attempt, with that instance among its participants; no lock has two exclusive holders; whoever waits waits for somebody; times are
// of the past. And there was something to see.
func TestLook(t *testing.T) {
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(7, 0))
	o := engine.Options{Dir: "data", Workers: 2, Seams: seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}}
	e := open(t, o)
	step := func(visit func()) {
		for e.Step(rng.IntN) {
			clock.pass(time.Millisecond)
			if visit != nil {
				visit()
			}
		}
	}
	began := clock.Now()
	for i := range 4 {
		_, err := e.Submit(bank.Open.On(account(i), 1000))
		must(t, err)
	}
	step(nil)
	for i := range 200 {
		from := rng.IntN(4)
		_, err := e.Submit(bank.TransferTx.As(fmt.Sprint("t", i), bank.Transfer{From: account(from), To: account((from + 1 + rng.IntN(3)) % 4), Amount: 1}))
		must(t, err)
	}
	var seen struct{ running, held, waiters int }
	step(func() {
		transactions, held := engine.LookNow(e)
		byID := map[uint64]engine.TransactionInfo{}
		for _, tx := range transactions {
			byID[tx.ID] = tx
			seen.running++
			if tx.Function != "bank/transfer" || tx.RequestID == "" || len(tx.Parts) != tx.PartCount || tx.Began.Before(began) || tx.Began.After(clock.Now()) {
				t.Fatalf("%+v", tx)
			}
		}
		for _, l := range held {
			seen.held++
			seen.waiters += l.WaiterCount
			if l.HolderCount == 0 || l.HolderCount != len(l.Holders) || l.WaiterCount != len(l.Waiters) || len(l.Holders) > 1 && l.Holders[0].Mode == locks.Exclusive {
				t.Fatalf("%+v", l)
			}
			for _, c := range append(l.Holders, l.Waiters...) {
				tx, listed := byID[c.Owner]
				if listed && tx.Attempt == c.Attempt && !takesPart(tx, l.Address) || c.Function != "bank/transfer" || c.RequestID == "" || c.Mode == locks.None ||
					c.Attempt == 1 && c.Operation == "" {
					t.Fatalf("%+v of %+v, %+v", c, l, tx)
				}
				if c.Since.Before(began) || c.Since.After(clock.Now().Add(time.Millisecond)) {
					t.Fatalf("since %v, now is %v", c.Since, clock.Now())
				}
			}
		}
	})
	if seen.running < 100 || seen.held < 100 || seen.waiters < 20 {
		t.Errorf("the test tests too little: %+v", seen)
	}
	if transactions, held := engine.LookNow(e); len(transactions)+len(held) > 0 {
		t.Errorf("at the end there are %v and %v", transactions, held)
	}
}

func takesPart(tx engine.TransactionInfo, at functions.Address) bool {
	for _, p := range tx.Parts {
		if p.Address == at {
			return true
		}
	}
	return false
}

// TestLookBesideLoad: the lists can be asked for while everything moves.
func TestLookBesideLoad(t *testing.T) {
	e := open(t, engine.Options{Workers: 2}, append(bellParts(), bank.Parts()...)...)
	must(t, e.Do(ctx, newBell.On("b", 0)))
	must(t, e.Do(ctx, set.On("b", []alarm{{1, time.Hour}, {2, time.Minute}, {3, 2 * time.Hour}})))
	for i := range 4 {
		must(t, e.Do(ctx, bank.Open.On(account(i), 1000)))
	}
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 200 {
				if err := e.Do(ctx, bank.TransferTx.With(bank.Transfer{From: account(g % 4), To: account((g + i%3 + 1) % 4), Amount: 1})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		if _, err := e.Transactions(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Locks(ctx); err != nil {
			t.Fatal(err)
		}
		timers, err := e.Timers(ctx)
		must(t, err)
		if len(timers) != 3 || timers[0].From.ID != "b" || !timers[0].Due.Before(timers[1].Due) || !timers[1].Due.Before(timers[2].Due) {
			t.Fatalf("%+v", timers)
		}
	}
	all.Wait()
	must(t, e.Close())
	if _, err := e.Locks(ctx); err == nil {
		t.Error("an engine that is closed lists its locks")
	}
}

// TestAnswers: outcomes that are taken together are those that Do would have told, each once, with its tag.
func TestAnswers(t *testing.T) {
	e := open(t, engine.Options{Workers: 2})
	answers := e.NewAnswers()
	must(t, e.SubmitTo(bank.Open.On("a", 10), answers, 1))
	got := map[uint64]engine.Answer{}
	take := func(until int) {
		t.Helper()
		for len(got) < until {
			some, err := answers.Take(ctx, nil)
			must(t, err)
			for _, a := range some {
				if _, twice := got[a.Tag]; twice {
					t.Errorf("the answer of %d came twice", a.Tag)
				}
				got[a.Tag] = a
			}
		}
	}
	take(1)
	const n = 1000
	for i := range uint64(n) {
		must(t, e.SubmitTo(bank.Debit.On("a", 1).As(fmt.Sprint("d", i/2)), answers, 2+i)) // each twice: the second joins the first
	}
	wantErr(t, e.SubmitTo(functions.Call{}, answers, 5000), functions.ErrBadCall)
	answers.Add(engine.Answer{Tag: 5001, Err: functions.ErrBadCall})
	take(n + 2)
	done := 0
	for i := range uint64(n) {
		switch a := got[2+i]; {
		case a.Err == nil:
			done++
		default:
			wantErr(t, a.Err, bank.ErrInsufficientFunds)
		}
	}
	if _, there := got[5000]; there || done != 20 || got[5001].Err != functions.ErrBadCall {
		t.Errorf("%d of 20 debits are done; %+v", done, got[5001])
	}
	must(t, e.SubmitTo(bank.Balance.On("a").Into(new(int64)), answers, 6000))
	some, err := answers.Take(ctx, nil)
	must(t, err)
	if len(some) != 1 || some[0].Tag != 6000 || len(some[0].Result) != 1 {
		t.Errorf("%+v", some)
	}
	must(t, e.Close())
	_, err = answers.Take(ctx, nil)
	wantErr(t, err, engine.ErrUnknown)
}

// TestAskDoer: Ask takes anything that runs requests.
func TestAskDoer(t *testing.T) {
	e := open(t, engine.Options{})
	must(t, e.Do(ctx, bank.Open.On("a", 10)))
	if balance, err := engine.Ask(ctx, engine.Doer(onlyDoer{e}), bank.Balance.On("a")); err != nil || balance != 10 {
		t.Error(balance, err)
	}
}

// onlyDoer is a Doer that is no engine.
type onlyDoer struct{ engine.Doer }
