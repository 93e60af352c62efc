package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/twopc"
)

// A till holds money, and pays out no more than it holds.
type till struct{ Money int }

const errEmpty functions.Failure = "test: empty"

var (
	tills   = functions.NewType[till]("test/till")
	newTill = functions.Create(tills, "new", func(_ *functions.Ctx, s *till, n int) error { s.Money = n; return nil })
	payIn   = functions.Update(tills, "in", func(_ *functions.Ctx, s *till, n int) error { s.Money += n; return nil })
	payOut  = functions.UpdateReturning(tills, "out", func(ctx *functions.Ctx, s *till, n int) (left int, err error) {
		ctx.Send(jot.On("diary", -n))
		if s.Money -= n; s.Money < 0 {
			return 0, fmt.Errorf("%w: %d are missing", errEmpty, -s.Money)
		}
		return s.Money, nil
	})
	money = functions.View(tills, "money", func(_ *functions.Ctx, s till) (int, error) { return s.Money, nil })
)

func tillID(i int) string { return instanceOn(1, "test/till", fmt.Sprintf("till-%d-", i)) }

// cashing takes 1 out of a till, or else out of another, and puts it into a third.
type cashing struct{ First, Else, Into string }

var cashTx = twopc.New("test/cash", func(tx *twopc.Tx, c cashing) error {
	if _, err := twopc.TryAsk(tx, payOut.On(c.First, 1)); err != nil { // also if it has to give way: then the next call fails too
		if err := tx.Do(payOut.On(c.Else, 1).Drop()); err != nil {
			return err
		}
	}
	return tx.Do(payIn.On(c.Into, 1))
})

// TestDebitElse: payments out of one till or else another, from many goroutines and in both directions, so that they wait for one
// another and are retried. A payment fails only if both tills are empty; no money is lost, and each payment is told once.
func TestDebitElse(t *testing.T) {
	const each, payments = 20, 60
	for _, policy := range policies {
		e := open(t, engine.Options{Policy: policy, Workers: 2}, tills, notes, cashTx)
		a, b, into := tillID(0), tillID(1), tillID(2)
		must(t, e.Do(ctx, newNote.On("diary", 0)))
		for id, n := range map[string]int{a: each, b: each, into: 0} {
			must(t, e.Do(ctx, newTill.On(id, n)))
		}
		var group sync.WaitGroup
		errs := make([]error, payments)
		for i := range errs {
			p := cashing{a, b, into}
			if i%2 == 1 {
				p = cashing{b, a, into}
			}
			group.Go(func() { errs[i] = e.Do(ctx, cashTx.With(p)) })
		}
		group.Wait()
		failed := 0
		for _, err := range errs {
			if err != nil {
				wantErr(t, err, errEmpty)
				failed++
			}
		}
		if in := ask(t, e, money.On(into)); failed != payments-2*each || in != 2*each || ask(t, e, money.On(a))+ask(t, e, money.On(b)) != 0 {
			t.Errorf("%v: %d payments failed, %d came in", policy, failed, in)
		}
		must(t, e.Do(ctx, jot.On("diary", 0)))
		if told := ask(t, e, lines.On("diary")); len(told) != 2*each+1 {
			t.Errorf("%v: the diary was told of %d payments", policy, len(told)-1)
		}
	}
}

// TestDebitElseMeets: the same with payments that begin together, each with a lock that the other tries for. Whoever gives way is run
// again: that it was refused a lock is not taken for an empty till.
func TestDebitElseMeets(t *testing.T) {
	for _, policy := range policies {
		meetTx := func(name string, own, other string) *coordinator.Function[int] {
			return twopc.New(name, func(tx *twopc.Tx, _ int) error {
				tx.OnCommit(jot.On("diary", tx.Attempt()))
				if err := tx.Do(payIn.On(own, 1)); err != nil {
					return err
				}
				if _, err := twopc.TryAsk(tx, payOut.On(other, 1)); err != nil {
					return tx.Do(newTill.On("wrong", 0))
				}
				return nil
			})
		}
		a, b := tillID(0), tillID(1)
		left, right := meetTx("test/left", a, b), meetTx("test/right", b, a)
		e := openDesks(t, engine.Options{Policy: policy, Workers: 2}, 0, tills, left, right)
		must(t, e.Do(ctx, newTill.On(a, 5)))
		must(t, e.Do(ctx, newTill.On(b, 5)))
		for _, err := range meet(t, e, left.As(meetID(0), 0), right.As(meetID(1), 0)) {
			must(t, err)
		}
		if x, y := ask(t, e, money.On(a)), ask(t, e, money.On(b)); x != 5 || y != 5 || ask(t, e, tills.Exists("wrong")) {
			t.Errorf("%v: the tills have %d and %d", policy, x, y)
		}
		if e.Stats().Retries == 0 {
			t.Errorf("%v: nobody gave way", policy)
		}
	}
}

// TestGetOrCreate: of many transactions that make an instance or take what is there exactly one makes it, however they meet, and all
// use it.
func TestGetOrCreate(t *testing.T) {
	getOrCreate := twopc.New("test/get-or-create", func(tx *twopc.Tx, id string) error {
		switch err := tx.Try(newTill.On(id, 100)); {
		case err == nil:
			tx.OnCommit(jot.On("diary", 1))
		case !errors.Is(err, functions.ErrExists):
			return err
		}
		return tx.Do(payIn.On(id, 1))
	})
	for _, policy := range policies {
		o := engine.Options{Dir: t.TempDir(), Policy: policy, Workers: 2}
		e := openDesks(t, o, 0, tills, getOrCreate)
		id := tillID(0)
		for _, err := range meet(t, e, getOrCreate.As(meetID(0), id), getOrCreate.As(meetID(1), id), getOrCreate.As(meetID(2), id)) {
			must(t, err)
		}
		var group sync.WaitGroup
		for i := range 32 {
			group.Go(func() { must(t, e.Do(ctx, getOrCreate.With(fmt.Sprint(i%4)))) })
		}
		group.Wait()
		must(t, e.Do(ctx, jot.On("diary", 0)))
		if made := ask(t, e, lines.On("diary")); len(made)-1 != 5 {
			t.Errorf("%v: %d instances were made, want 5", policy, len(made)-1)
		}
		e = reopen(t, e, o, tills, notes, desks, tellers, getOrCreate)
		for want, ids := range map[int][]string{103: {id}, 108: {"0", "1", "2", "3"}} {
			for _, id := range ids {
				if n := ask(t, e, money.On(id)); n != want {
					t.Errorf("%v: %s has %d, want %d", policy, id, n, want)
				}
			}
		}
	}
}

// TestTriedAbsenceStaysTrue: of two transactions that each make an instance because the other's is missing, only one does.
func TestTriedAbsenceStaysTrue(t *testing.T) {
	type pair struct{ Own, Other string }
	for _, policy := range policies {
		unless := twopc.New("test/unless", func(tx *twopc.Tx, p pair) error {
			if err := tx.Try(payIn.On(p.Other, 1)); !errors.Is(err, functions.ErrNotFound) {
				return err
			}
			return tx.Do(newTill.On(p.Own, 0))
		})
		e := openDesks(t, engine.Options{Policy: policy, Workers: 2}, 0, tills, unless)
		a, b := tillID(0), tillID(1)
		for _, err := range meet(t, e, unless.As(meetID(0), pair{a, b}), unless.As(meetID(1), pair{b, a})) {
			must(t, err)
		}
		if x, y := ask(t, e, tills.Exists(a)), ask(t, e, tills.Exists(b)); x == y {
			t.Errorf("%v: the first exists: %v, the second: %v", policy, x, y)
		}
	}
}

// TestFailedTryLeavesNothing: of a call that failed or panicked nothing stays, no change, no effect and no instance, neither if the
// transaction commits nor if it aborts, also after a restart. What it did besides is as ever.
func TestFailedTryLeavesNothing(t *testing.T) {
	tx := twopc.New("test/try-all", func(tx *twopc.Tx, fail bool) error {
		err := tx.Do(jot.On("n", 1))
		for _, c := range []struct {
			call functions.Call
			want error
		}{
			{jotThen.On("n", 2), errRude},
			{jotPanic.On("n", 3), functions.ErrPanic},
			{newNote.On("n", 0), functions.ErrExists},
			{sayThenFail.On("talker", "n"), errRude},
			{jot.On("missing", 1), functions.ErrNotFound},
			{jot.On("n", 4), nil},
		} {
			if got := tx.Try(c.call); !errors.Is(got, c.want) {
				err = errors.Join(err, fmt.Errorf("got %w, want %w", got, c.want))
			}
		}
		none, missing := twopc.TryAsk(tx, lines.On("missing"))
		there, found := twopc.TryAsk(tx, lines.On("n"))
		if none != nil || !errors.Is(missing, functions.ErrNotFound) || found != nil || !slices.Equal(there[len(there)-2:], []int{1, 4}) {
			err = errors.Join(err, fmt.Errorf("the questions: %v, %w; %v, %w", none, missing, there, found))
		}
		if fail && err == nil {
			return errEmpty
		}
		return err
	})
	o := engine.Options{Dir: t.TempDir(), Workers: 2, Logger: new(logLines).logger()}
	e := open(t, o, notes, talkers, tx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newTalker.On("talker", 0)))
	wantErr(t, e.Do(ctx, tx.With(true)), errEmpty)
	must(t, e.Do(ctx, tx.With(false)))
	must(t, e.Do(ctx, jot.On("n", 5)))
	e = reopen(t, e, o, notes, talkers, tx)
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{1, 4, 5}) {
		t.Errorf("the note has %v, want 1, 4 and 5", got)
	}
	if ask(t, e, notes.Exists("missing")) || ask(t, e, said.On("talker")) != 0 {
		t.Error("a call that failed has left something")
	}
}

// TestTryOfAWrongCall: what cannot be delivered dooms the transaction, also if it is only tried.
func TestTryOfAWrongCall(t *testing.T) {
	tx := twopc.New("test/try-wrong", func(tx *twopc.Tx, call int) error {
		_ = tx.Do(jot.On("n", 1))
		_ = tx.Try([]functions.Call{newTalker.On("x", 0), jot.On("", 1), {}, address.On("n", strings.Repeat("x", 5000))}[call])
		_ = tx.Try(jot.On("n", 2))
		return nil
	})
	e := open(t, engine.Options{MaxBytes: 4096}, notes, tx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	for call, want := range []error{functions.ErrUnknownOperation, functions.ErrBadCall, functions.ErrBadCall, functions.ErrTooLarge} {
		wantErr(t, e.Do(ctx, tx.With(call)), want)
	}
	if got := ask(t, e, lines.On("n")); len(got) != 0 {
		t.Errorf("aborted transactions left %v", got)
	}
}

// address is an update with an argument of any length.
var address = functions.Update(notes, "address", func(*functions.Ctx, *noteState, string) error { return nil })

// TestTryIsBounded: a transaction that changes too much fails, also if it tries the change that is too much: it was made.
func TestTryIsBounded(t *testing.T) {
	tx := twopc.New("test/try-load", func(tx *twopc.Tx, n int) error {
		for i := range n {
			_ = tx.Try(pack.On(fmt.Sprint(i), 30_000))
		}
		return nil
	})
	e := open(t, engine.Options{MaxBytes: 32 << 10, MaxEpochBytes: 1 << 20}, crates, tx)
	wantErr(t, e.Do(ctx, tx.With(9)), functions.ErrTooLarge, "MaxEpochBytes")
	if ask(t, e, crates.Exists("0")) || ask(t, e, crates.Exists("8")) {
		t.Error("a transaction that was too large has left something")
	}
	must(t, e.Do(ctx, tx.With(8)))
}
