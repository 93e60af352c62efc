package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

var policies = []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait}

// openDesks opens an engine with desks, each of which 10 are taken of.
func openDesks(t *testing.T, o engine.Options, n int, parts ...functions.Part) *engine.Engine {
	t.Helper()
	e := open(t, o, append(parts, notes, desks, tellers)...)
	for i := range n {
		must(t, e.Do(ctx, newDesk.On(deskID(i), false)))
		must(t, e.Do(ctx, take.On(deskID(i), 10)))
	}
	return e
}

// deskID names desks that are, of two workers, the second one's.
func deskID(i int) string { return instanceOn(1, "test/desk", fmt.Sprintf("desk-%d-", i)) }

// instanceOn makes a name with a prefix for an instance that is a certain worker's, of two.
func instanceOn(worker int, typeName, prefix string) string {
	return nameOn(worker, prefix, func(id string) uint16 {
		return format.InstanceShard(format.NameHash(typeName), id, format.DefaultShards)
	})
}

// requestOn makes a request id with a prefix under which a certain worker runs coordinator functions, of two.
func requestOn(worker int, prefix string) string {
	return nameOn(worker, prefix, func(id string) uint16 { return format.RequestShard(id, format.DefaultShards) })
}

func nameOn(worker int, prefix string, shardOf func(id string) uint16) string {
	for i := 0; ; i++ {
		if id := fmt.Sprint(prefix, i); int(shardOf(id))%2 == worker {
			return id
		}
	}
}

// TestReadThenDecide: a transaction that loops over instances, reads each, and decides by what it read what to do next.
func TestReadThenDecide(t *testing.T) {
	type demand struct{ Desks, Want int }
	collect := twopc.NewReturning("test/collect", func(tx *twopc.Tx, d demand) (rounds int, err error) {
		for i := 0; d.Want > 0; i++ {
			if i == d.Desks {
				return 0, errRude // dropped with all that it did
			}
			have, err := twopc.Ask(tx, taken.On(deskID(i)))
			if err != nil {
				return 0, err
			}
			if n := min(have, d.Want); n > 0 {
				if err := tx.Do(give.On(deskID(i), n)); err != nil {
					return 0, err
				}
				d.Want -= n
			}
			rounds++
		}
		return rounds, nil
	})
	e := openDesks(t, engine.Options{Workers: 2}, 10, collect)
	for _, c := range []struct{ want, rounds int }{{0, 0}, {5, 1}, {5, 1}, {15, 3}, {1, 3}} {
		if rounds := ask(t, e, collect.With(demand{10, c.want})); rounds != c.rounds {
			t.Errorf("to collect %d took %d rounds, want %d", c.want, rounds, c.rounds)
		}
	}
	_, err := engine.Ask(ctx, e, collect.With(demand{10, 1000}))
	wantErr(t, err, errRude)
	left := 0
	for i := range 10 {
		left += ask(t, e, taken.On(deskID(i)))
	}
	if left != 100-26 {
		t.Errorf("%d are left, want 74", left)
	}
}

// TestTransactionWithoutCalls commits, or fails, as its body says.
func TestTransactionWithoutCalls(t *testing.T) {
	tx := twopc.New("test/no-calls", func(tx *twopc.Tx, fail bool) error {
		if fail {
			return errRude
		}
		return tx.All()
	})
	e := open(t, engine.Options{}, tx)
	must(t, e.Do(ctx, tx.As("1", false)))
	wantErr(t, e.Do(ctx, tx.As("2", true)), errRude)
}

// TestSameInstanceSeveralTimes: a transaction sees what it did before, calls at once on one instance happen in their order, and an
// abort undoes them all.
func TestSameInstanceSeveralTimes(t *testing.T) {
	tx := twopc.NewReturning("test/again", func(tx *twopc.Tx, fail bool) ([]int, error) {
		var inside []int
		err := tx.All(jot.On("n", 1), lines.On("n").Into(&inside), jot.On("n", 2), burn.On("n"), newNote.On("n", 0), jot.On("n", 3))
		if err != nil || !slices.Equal(inside, []int{0, 1}) {
			return nil, fmt.Errorf("inside: %v, %w", inside, err)
		}
		if err := tx.Do(jot.On("n", 4)); err != nil {
			return nil, err
		}
		all, err := twopc.Ask(tx, lines.On("n"))
		if fail {
			return nil, errRude
		}
		return all, err
	})
	e := open(t, engine.Options{}, notes, tx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, jot.On("n", 0)))
	_, err := engine.Ask(ctx, e, tx.With(true))
	wantErr(t, err, errRude)
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{0}) {
		t.Errorf("an abort left %v", got)
	}
	if got := ask(t, e, tx.With(false)); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("the transaction saw %v", got)
	}
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{3, 4}) {
		t.Errorf("a commit left %v", got)
	}
}

// TestAbsentInstances: to ask whether an instance exists never fails, and locks the answer: of many transactions that make it if
// it is missing exactly one does, however they meet.
func TestAbsentInstances(t *testing.T) {
	for _, policy := range policies {
		makeIt := twopc.NewReturning("test/make", func(tx *twopc.Tx, id string) (bool, error) {
			exists, err := twopc.Ask(tx, notes.Exists(id))
			if err != nil || exists {
				return false, err
			}
			return true, tx.Do(newNote.On(id, 0))
		})
		e := open(t, engine.Options{Policy: policy, Workers: 2}, notes, makeIt)
		if ask(t, e, notes.Exists("none")) {
			t.Error("an instance exists that nobody made")
		}
		wantErr(t, e.Do(ctx, jot.On("none", 1)), functions.ErrNotFound, "none")
		for round := range 10 {
			var made [16]bool
			var group sync.WaitGroup
			for i := range made {
				group.Go(func() {
					var err error
					if made[i], err = engine.Ask(ctx, e, makeIt.With(fmt.Sprint(round))); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			n := 0
			for _, m := range made {
				if m {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%v: %d transactions made the instance", policy, n)
			}
		}
	}
}

// TestAbsentInstancesMeet: the same with transactions that begin together, so that each has asked before any makes.
func TestAbsentInstancesMeet(t *testing.T) {
	for _, policy := range policies {
		makeIt := twopc.New("test/make", func(tx *twopc.Tx, id string) error {
			exists, err := twopc.Ask(tx, notes.Exists(id))
			if err != nil || exists {
				return err
			}
			tx.OnCommit(jot.On("diary", 1))
			return tx.Do(newNote.On(id, 0))
		})
		e := openDesks(t, engine.Options{Policy: policy, Workers: 2}, 1, makeIt)
		id := instanceOn(1, "test/note", "new-")
		for i, err := range meet(t, e, makeIt.As(meetID(0), id), makeIt.As(meetID(1), id), makeIt.As(meetID(2), id)) {
			if err != nil {
				t.Errorf("%v: transaction %d: %v", policy, i, err)
			}
		}
		if made := ask(t, e, lines.On("diary")); len(made) != 1 {
			t.Errorf("%v: %d transactions made the instance", policy, len(made))
		}
	}
}

// TestUpsertsMeet: transactions and plain calls that make an instance if it is missing, and change it if not, all together: each
// counts once, and one of them found nothing.
func TestUpsertsMeet(t *testing.T) {
	type tally struct{ Calls, Made int }
	tallies := functions.NewType[tally]("test/tally")
	count := functions.Upsert(tallies, "count", func(ctx *functions.Ctx, s *tally, _ int) error {
		s.Calls++
		if !ctx.Exists() {
			s.Made++
		}
		return nil
	})
	look := functions.View(tallies, "look", func(_ *functions.Ctx, s tally) (tally, error) { return s, nil })
	for _, policy := range policies {
		both := twopc.New("test/count-both", func(tx *twopc.Tx, back bool) error {
			if back {
				return errors.Join(tx.Do(count.On("b", 0)), tx.Do(count.On("a", 0)))
			}
			return errors.Join(tx.Do(count.On("a", 0)), tx.Do(count.On("b", 0)))
		})
		o := engine.Options{Dir: t.TempDir(), Policy: policy, Workers: 2}
		e := open(t, o, tallies, both)
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() { must(t, e.Do(ctx, both.With(i%2 == 0))) })
			group.Go(func() { must(t, e.Do(ctx, count.On("a", 0))) })
		}
		group.Wait()
		e = reopen(t, e, o, tallies, both)
		if a, b := ask(t, e, look.On("a")), ask(t, e, look.On("b")); a != (tally{32, 1}) || b != (tally{16, 1}) {
			t.Errorf("%v: a is %+v, b %+v", policy, a, b)
		}
	}
}

// TestAbortTakesBackAnUpsert: of an aborted transaction nothing stays, neither the new instance nor the change.
func TestAbortTakesBackAnUpsert(t *testing.T) {
	sorts := functions.NewType[int]("test/sort")
	put := functions.Upsert(sorts, "put", func(_ *functions.Ctx, n *int, to int) error { *n = to; return nil })
	tx := twopc.New("test/put-and-fail", func(tx *twopc.Tx, id string) error {
		return errors.Join(tx.Do(put.On(id, 7)), errRude)
	})
	e := open(t, engine.Options{}, sorts, tx)
	must(t, e.Do(ctx, put.On("there", 1)))
	wantErr(t, e.Do(ctx, tx.With("there")), errRude)
	wantErr(t, e.Do(ctx, tx.With("new")), errRude)
	if ask(t, e, sorts.Exists("new")) {
		t.Error("the instance of an aborted transaction exists")
	}
}

// TestViewWithEffectsFails: wherever it is asked, plainly, in a transaction or in a saga.
func TestViewWithEffectsFails(t *testing.T) {
	sorts := functions.NewType[int]("test/sort")
	put := functions.Upsert(sorts, "put", func(*functions.Ctx, *int, int) error { return nil })
	peek := functions.View(sorts, "peek", func(ctx *functions.Ctx, n int) (int, error) {
		ctx.Send(jot.On("n", 1))
		ctx.SendAfter(0, jot.On("n", 2))
		ctx.Emit(functions.NewEgress[int]("out").Record("", 3))
		return n, nil
	})
	tx := twopc.New("test/peek-tx", func(tx *twopc.Tx, _ int) error { _, err := twopc.Ask(tx, peek.On("x")); return err })
	sg := saga.New("test/peek-saga", func(s *saga.Run, _ int) error { _, err := saga.Ask(s, peek.On("x")); return err })
	out := make(chan engine.Record, 10)
	e := open(t, engine.Options{Egresses: map[string]engine.Egress{"out": engine.Channel(out)}}, notes, sorts, tx, sg)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, put.On("x", 0)))
	_, err := engine.Ask(ctx, e, peek.On("x"))
	for _, err := range []error{err, e.Do(ctx, tx.With(0)), e.Do(ctx, sg.With(0))} {
		wantErr(t, err, functions.ErrBadCall, "view")
	}
	must(t, e.Do(ctx, jot.On("n", -1)))
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{-1}) {
		t.Errorf("views sent %v", got)
	}
	if must(t, e.Close()); len(out) > 0 {
		t.Errorf("views emitted %d records", len(out))
	}
}

// TestAbortedTransactionSendsNothing: what the calls of a transaction sent is dropped if it aborts, and sent once if it commits.
func TestAbortedTransactionSendsNothing(t *testing.T) {
	tx := twopc.New("test/say", func(tx *twopc.Tx, fail bool) error {
		if err := tx.Do(say.On("a", talk{To: []string{"n"}, From: 1, Each: 1})); err != nil || !fail {
			return err
		}
		return errRude
	})
	e := open(t, engine.Options{}, notes, talkers, tx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newTalker.On("a", 0)))
	wantErr(t, e.Do(ctx, tx.With(true)), errRude)
	must(t, e.Do(ctx, tx.With(false)))
	must(t, e.Do(ctx, jot.On("n", -1)))
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{1, -1}) {
		t.Errorf("the note was told %v, want the 1 of the commit and the -1", got)
	}
}

// TestWriteSkew: two transactions that each read both of two desks and empty one if the other is not empty, never empty both.
func TestWriteSkew(t *testing.T) {
	for _, policy := range policies {
		empty := twopc.New("test/empty", func(tx *twopc.Tx, which int) error {
			var x, y int
			if err := tx.All(taken.On(deskID(0)).Into(&x), taken.On(deskID(1)).Into(&y)); err != nil {
				return err
			}
			if x+y <= 10 {
				return errRude
			}
			return tx.Do(give.On(deskID(which), 10))
		})
		e := openDesks(t, engine.Options{Policy: policy, Workers: 2}, 2, empty)
		for range 20 {
			var errs [8]error
			var group sync.WaitGroup
			for i := range errs {
				group.Go(func() { errs[i] = e.Do(ctx, empty.With(i%2)) })
			}
			group.Wait()
			done := -1
			for i, err := range errs {
				switch {
				case err == nil && done >= 0:
					t.Fatalf("%v: two transactions emptied the desks", policy)
				case err == nil:
					done = i
				case !errors.Is(err, errRude):
					t.Fatal(err)
				}
			}
			must(t, e.Do(ctx, take.On(deskID(done%2), 10)))
		}
	}
}

// TestSwallowedErrorDoesNotCommit: a transaction with a failed call aborts, whatever its body makes of the error.
func TestSwallowedErrorDoesNotCommit(t *testing.T) {
	tx := twopc.New("test/swallow", func(tx *twopc.Tx, call int) error {
		_ = tx.Do(take.On(deskID(0), 1))
		switch call {
		case 0:
			_ = tx.Do(take.On("missing", 1))
		case 1:
			_ = tx.Do(newTalker.On("x", 0)) // not among the parts
		case 2:
			_ = tx.Do(take.On("", 1))
		case 3:
			_ = tx.Do(functions.Call{})
		}
		_ = tx.Do(take.On(deskID(0), 1))
		return nil
	})
	e := openDesks(t, engine.Options{}, 1, tx)
	for call, want := range []error{functions.ErrNotFound, functions.ErrUnknownOperation, functions.ErrBadCall, functions.ErrBadCall} {
		wantErr(t, e.Do(ctx, tx.With(call)), want)
	}
	if n := ask(t, e, taken.On(deskID(0))); n != 10 {
		t.Errorf("an aborted transaction left %d, want 10", n)
	}
}

// crossing takes two desks one after the other; two that go in opposite directions meet. Its outcome is noted.
type crossing struct{ First, Then int }

func crossTx(name string) *coordinator.Function[crossing] {
	return twopc.New(name, func(tx *twopc.Tx, c crossing) error {
		tx.OnCommit(jot.On("diary", tx.Attempt()))
		tx.OnAbort(jot.On("diary", -tx.Attempt()))
		if err := tx.Do(take.On(deskID(c.First), 1)); err != nil {
			return err
		}
		return tx.Do(take.On(deskID(c.Then), 1))
	})
}

// meetID names requests that meet.
func meetID(i int) string { return requestOn(0, fmt.Sprintf("meet-%d-", i)) }

// meet makes transactions meet whose ids are meetIDs, on an engine with two workers: they come to the first worker while it is held
// up, and begin together; the instances on which they meet are the second worker's.
func meet(t *testing.T, e *engine.Engine, requests ...functions.Request) []error {
	t.Helper()
	entered, release := blocked(t)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	door := instanceOn(0, "test/desk", "door-")
	must(t, e.Do(ctx, newDesk.On(door, false)))
	pending := make([]engine.Pending, len(requests)+1)
	var err error
	pending[len(requests)], err = e.Submit(block.On(door, 1))
	must(t, err)
	<-entered
	for i, r := range requests {
		pending[i], err = e.Submit(r)
		must(t, err)
	}
	release()
	errs := make([]error, len(pending))
	for i, p := range pending {
		errs[i] = p.Wait(ctx)
	}
	return errs[:len(requests)]
}

// TestDeadlockIsBrokenAndRetried: of two transactions that wait for one another the younger gives way and is run again; both
// commit, and effects of the outcome happen once for each. The deadlock is kept: who waited for what, held by whom.
func TestDeadlockIsBrokenAndRetried(t *testing.T) {
	left, right := crossTx("test/left"), crossTx("test/right")
	e := openDesks(t, engine.Options{Workers: 2}, 2, left, right)
	if len(e.Deadlocks()) != 0 {
		t.Errorf("deadlocks before there is anything: %v", e.Deadlocks())
	}
	before := time.Now()
	for _, err := range meet(t, e, left.As(meetID(0), crossing{0, 1}), right.As(meetID(1), crossing{1, 0})) {
		must(t, err)
	}
	if a, b := ask(t, e, taken.On(deskID(0))), ask(t, e, taken.On(deskID(1))); a != 12 || b != 12 {
		t.Errorf("the desks hold %d and %d, want 12 each", a, b)
	}
	if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the effects are %v, want one for the first attempt of one and one for the second of the other", got)
	}
	all := e.Deadlocks()
	if len(all) != 1 || len(all[0].Waits) != 2 {
		t.Fatalf("the deadlocks are %+v, want one of two transactions", all)
	}
	d := all[0]
	if d.Closed.Before(before) || d.At.Before(d.Closed) || d.Epoch == 0 {
		t.Errorf("a time or the epoch is wrong: %+v", d)
	}
	one, two := d.Waits[0], d.Waits[1]
	if one.Function == "test/right" {
		one, two = two, one
	}
	if one.Since.Before(before) || two.Since.Before(before) || one.Since.After(d.Closed) || two.Since.After(d.Closed) ||
		!one.Since.Equal(d.Closed) && !two.Since.Equal(d.Closed) {
		t.Errorf("one began to wait at %v, the other at %v, and the cycle was closed at %v", one.Since, two.Since, d.Closed)
	}
	if d.Victim != two.Transaction {
		t.Errorf("the victim is %d, the younger one is %d", d.Victim, two.Transaction)
	}
	type fact = engine.Wait
	want := [2]fact{
		{one.Transaction, 1, "test/left", meetID(0), one.Since, functions.Address{Type: "test/desk", ID: deskID(1)}, "exclusive", two.Transaction, true},
		{two.Transaction, 1, "test/right", meetID(1), two.Since, functions.Address{Type: "test/desk", ID: deskID(0)}, "exclusive", one.Transaction, true},
	}
	if got := [2]fact{one, two}; got != want {
		t.Errorf("the deadlock is recorded as\n%+v, want\n%+v", got, want)
	}
	if s := e.Stats(); s.Deadlocks != 1 || s.Retries != 1 {
		t.Errorf("the counts are %+v, want one deadlock and one retry", s)
	}
}

// TestRetriedTransactionIsAsLarge: what an attempt that gave way had changed does not count for the next one: a transaction that fits once
// into a quarter of Options.MaxEpochBytes, but not twice, succeeds when it is run again.
func TestRetriedTransactionIsAsLarge(t *testing.T) {
	const most, size, many = 1 << 20, 30_000, 5
	tx := twopc.New("test/laden", func(tx *twopc.Tx, c crossing) error {
		if err := tx.Do(take.On(deskID(c.First), 1)); err != nil {
			return err
		}
		for i := range many {
			if err := tx.Do(repack.On(fmt.Sprint(c.First, "-", i), size)); err != nil {
				return err
			}
		}
		return tx.Do(take.On(deskID(c.Then), 1))
	})
	e := openDesks(t, engine.Options{Workers: 2, MaxBytes: 32 << 10, MaxEpochBytes: most}, 2, crates, tx)
	for first := range 2 {
		for i := range many {
			must(t, e.Do(ctx, pack.On(fmt.Sprint(first, "-", i), 0)))
		}
	}
	for _, err := range meet(t, e, tx.As(meetID(0), crossing{0, 1}), tx.As(meetID(1), crossing{1, 0})) {
		must(t, err)
	}
	if n := e.Stats().Retries; n != 1 {
		t.Errorf("%d attempts gave way, want 1", n)
	}
}

// TestLockWaits: a wait is counted, with its time, when it is over; a lock that is free costs no wait.
func TestLockWaits(t *testing.T) {
	clock := newPassingClock()
	work.Store(clock)
	slowly := twopc.New("test/slowly", func(tx *twopc.Tx, _ int) error {
		if err := tx.Do(take.On(deskID(0), 1)); err != nil {
			return err
		}
		return tx.Do(labour.On("m", 7*time.Millisecond)) // while the lock is held
	})
	e := openDesks(t, engine.Options{Workers: 2, Seams: seams.Set{Clock: clock}}, 1, slowly, mills)
	must(t, e.Do(ctx, newMill.On("m", 0)))
	must(t, e.Do(ctx, slowly.With(0)))
	if s := e.Stats(); s.LockWaits != 0 || s.LockWaitTime != 0 {
		t.Errorf("nobody had to wait, and the counts are %+v", s)
	}
	for _, err := range meet(t, e, slowly.As(meetID(0), 0), slowly.As(meetID(1), 0), slowly.As(meetID(2), 0)) {
		must(t, err)
	}
	if s := e.Stats(); s.LockWaits != 2 || s.LockWaitTime != (7+14)*time.Millisecond {
		t.Errorf("the second waited for one, the third for two, and the counts are %+v", s)
	}
	told := time.Duration(0)
	for i, n := range e.Stats().Waits {
		told += time.Duration(n) * engine.WaitBound(i)
	}
	if told < 21*time.Millisecond || told > 27*time.Millisecond {
		t.Errorf("the waits of 7 and 14 ms are told as %v together", told)
	}
}

// TestMaxAttempts: a transaction that gave way as often as it may fails with ErrDeadlock, without effect but for those of an
// abort, under every policy.
func TestMaxAttempts(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy.String(), func(t *testing.T) {
			left, right := crossTx("test/left"), crossTx("test/right")
			e := openDesks(t, engine.Options{Workers: 2, MaxAttempts: 1, Policy: policy}, 2, left, right)
			errs := meet(t, e, left.As(meetID(0), crossing{0, 1}), right.As(meetID(1), crossing{1, 0}))
			failed := 0
			for i, id := range []string{meetID(0), meetID(1)} {
				if errs[i] != nil {
					failed++
					wantErr(t, errs[i], twopc.ErrDeadlock, "1 attempts")
					again := []*coordinator.Function[crossing]{left, right}[i].As(id, crossing{i, 1 - i})
					wantErr(t, e.Do(ctx, again), twopc.ErrDeadlock)
				}
			}
			a, b, effects := ask(t, e, taken.On(deskID(0))), ask(t, e, taken.On(deskID(1))), ask(t, e, lines.On("diary"))
			if failed == 0 || a != 12-failed || b != 12-failed {
				t.Errorf("%d transactions failed, the desks hold %d and %d", failed, a, b)
			}
			slices.Sort(effects)
			if want := slices.Repeat([]int{-1}, failed); !slices.Equal(effects[:failed], want) || len(effects) != 2 {
				t.Errorf("the effects of the outcomes are %v", effects)
			}
		})
	}
}

// TestPlainCallsWaitForTransactions: a call on an instance that a transaction has locked sees all of the transaction or nothing.
func TestPlainCallsWaitForTransactions(t *testing.T) {
	twice := twopc.New("test/twice", func(tx *twopc.Tx, _ int) error {
		if err := tx.Do(take.On(deskID(0), 1)); err != nil {
			return err
		}
		for range 3 {
			if _, err := twopc.Ask(tx, taken.On(deskID(1))); err != nil {
				return err
			}
		}
		return tx.Do(take.On(deskID(0), 1))
	})
	e := openDesks(t, engine.Options{Workers: 2}, 2, twice)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				if err := e.Do(ctx, twice.With(0)); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for range 50 {
				if n, err := engine.Ask(ctx, e, taken.On(deskID(0))); err != nil || n%2 != 0 {
					t.Errorf("in the midst of a transaction somebody saw %d, %v", n, err)
				}
			}
		})
	}
	group.Wait()
}

// moveStepwise moves a coin with one call after the other, so that two of them on the same jars can wait for each other.
var moveStepwise = twopc.New("test/move-stepwise", func(tx *twopc.Tx, m [2]string) error {
	if err := tx.Do(addCoin.On(m[0], -1)); err != nil {
		return err
	}
	return tx.Do(addCoin.On(m[1], 1))
})

// TestDeadlockInForcedCut: a cycle that closes while an epoch is being cut by force, when there is nothing to cut, is broken too.
// Here the clock moves so fast that every message finds its epoch too long, and who moves next is up to a seed. (Found by
// simulation, seeds 486 and 639.)
func TestDeadlockInForcedCut(t *testing.T) {
	deadlocks := uint64(0)
	for seed := range racedetector.Fewer(uint64(200), 50) {
		deadlocks += forcedCuts(t, seed)
	}
	if deadlocks < racedetector.Fewer(uint64(50), 10) {
		t.Errorf("only %d deadlocks were broken: the test tests too little", deadlocks)
	}
}

func forcedCuts(t *testing.T, seed uint64) (deadlocks uint64) {
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(seed, 0))
	o := engine.Options{Dir: "data", Workers: 2, MaxDrain: time.Nanosecond}
	o.Seams = seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}
	e, err := engine.Open(o, jars, moveStepwise)
	must(t, err)
	run := func(requests ...functions.Request) {
		t.Helper()
		var all []engine.Pending
		for _, r := range requests {
			pending, err := e.Submit(r)
			must(t, err)
			all = append(all, pending)
		}
		for e.Step(rng.IntN) {
			clock.pass(time.Millisecond)
		}
		for _, pending := range all {
			if !pending.Done() {
				t.Fatalf("seed %d: nothing moves any more, and there is no outcome", seed)
			}
			must(t, pending.Wait(ctx))
		}
	}
	run(newJar.On("a", 10), newJar.On("b", 10), newJar.On("c", 10))
	run(moveStepwise.With([2]string{"a", "b"}), moveStepwise.With([2]string{"b", "a"}), addCoin.On("c", 1))
	deadlocks = e.Stats().Deadlocks
	must(t, e.Close())
	return deadlocks
}
