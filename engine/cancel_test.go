package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// cancelled is a request to few accounts, somebody who may cancel it, and what became of both.
type cancelled struct {
	of      functions.Address
	id      string
	request func(e *engine.Engine, pending *engine.Pending) error
	done    func(balances map[string]int64) // what it does if it succeeds
	pending engine.Pending
	cancels []engine.Cancelling
}

// TestCancelAtAnyTime cancels transfers, sagas and calls on four accounts at any moment between two steps, under each policy, with cuts by
// force and without. Whoever cancels is told that if and only if the request fails with it; one that was cancelled has moved no money, all
// others have. After a crash, at the end or in the midst, all that was told is so when it is asked for again under the same ids.
func TestCancelAtAnyTime(t *testing.T) {
	seen := map[string]int{}
	for _, policy := range policies {
		for seed := range uint64(8) {
			cancelAtAnyTime(t, policy, seed, seen)
		}
	}
	for _, what := range []string{"call", "transaction", "saga", "too late", "again", "unknown", "forced", "deadlock", "in the midst"} {
		if seen[what] < 10 {
			t.Errorf("the test tests too little: %v", seen)
			return
		}
	}
}

func cancelAtAnyTime(t *testing.T, policy locks.Policy, seed uint64, seen map[string]int) {
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewMem()
	o := engine.Options{Dir: "data", Workers: 1 + int(seed%3), Policy: policy, Seams: seams.Set{FS: fs, Clock: clock, Stepped: true}}
	if seed%2 == 1 {
		o.MaxDrain = 2 * time.Millisecond
	}
	o.ReserveBytes = -1
	e, err := engine.Open(o, bank.Parts()...) // not closed: it crashes
	must(t, err)
	const accounts, first = 4, 1_000_000 // so that compensations do not fail
	balances := map[string]int64{}
	for i := range accounts {
		_, err := e.Submit(bank.Open.On(account(i), first))
		must(t, err)
		balances[account(i)] = first
	}
	all := make([]*cancelled, 60)
	for i := range all {
		all[i] = newCancelled(rng, fmt.Sprint("r", i))
	}
	submitted, left := 0, 400+rng.IntN(2000)*int(seed%2) // until it crashes
	for (e.Step(rng.IntN) || submitted < len(all)) && (seed < 4 || left > 0) {
		left--
		clock.pass(50 * time.Microsecond)
		if submitted < len(all) && rng.IntN(4) == 0 {
			r := all[submitted]
			must(t, r.request(e, &r.pending))
			submitted++
		}
		if rng.IntN(8) == 0 { // also one that comes later, or is over
			r := all[min(rng.IntN(submitted+2), len(all)-1)]
			c, err := engine.BeginCancelRequest(e, r.of, r.id)
			must(t, err)
			r.cancels = append(r.cancels, c)
		}
	}
	transactions, held := engine.LookNow(e)
	if seed < 4 && len(transactions)+len(held)+engine.InFlight(e) != 0 {
		t.Fatalf("policy %v, seed %d: at the end there are %v and %v, and %d in flight", policy, seed, transactions, held, engine.InFlight(e))
	}
	seen["deadlock"] += int(e.Stats().Deadlocks) + int(e.Stats().Retries)
	forced, sealed := e.Measures().Forced, e.Epochs()
	seen["forced"] += int(forced)
	atRest := func(i engine.EpochInfo) bool { return !i.Forced }
	if n := len(sealed); n < 256 && len(slices.DeleteFunc(sealed, atRest)) != int(forced) {
		t.Errorf("%d epochs are counted as cut by force, of %d", forced, n)
	}
	seen["in the midst"] += len(transactions)
	must(t, e.Abandon())
	e = open(t, o)
	for i, r := range all {
		before := r.pending
		must(t, r.request(e, &r.pending))
		stepUntilIdle(e, rng)
		after := r.pending.Wait(ctx)
		if i < submitted && before.Done() && !errors.Is(before.Wait(ctx), engine.ErrUnknown) && fmt.Sprint(before.Wait(ctx)) != fmt.Sprint(after) {
			t.Errorf("%s: %v, and after a crash %v", r.id, before.Wait(ctx), after)
		}
		r.check(t, after, balances, seen)
	}
	for name, want := range balances {
		if got := balanceNow(t, e, name); got != want {
			t.Fatalf("policy %v, seed %d: %s has %d, and there is to be %d", policy, seed, name, got, want)
		}
	}
}

func newCancelled(rng *rand.Rand, id string) *cancelled {
	from := rng.IntN(4)
	move := bank.Transfer{From: account(from), To: account((from + 1 + rng.IntN(3)) % 4), Amount: int64(1 + rng.IntN(400))}
	moved := func(balances map[string]int64) {
		balances[move.From] -= move.Amount
		balances[move.To] += move.Amount
	}
	r := &cancelled{id: id}
	submit := func(request functions.Request) {
		r.request = func(e *engine.Engine, pending *engine.Pending) (err error) {
			*pending, err = e.Submit(request)
			return err
		}
	}
	switch rng.IntN(4) {
	case 0:
		r.of, r.done = functions.Address{Type: "bank/account", ID: move.To}, func(balances map[string]int64) { balances[move.To] += move.Amount }
		submit(bank.Credit.On(move.To, move.Amount).As(id))
	case 1:
		r.of, r.done = functions.Address{Type: "bank/transfer-saga"}, moved
		submit(bank.TransferSaga.As(id, move))
	default:
		r.of, r.done = functions.Address{Type: "bank/transfer"}, moved
		submit(bank.TransferTx.As(id, move))
	}
	return r
}

// check compares what became of the request with what those were told who cancelled it, and does what it has done. Who was told nothing, since
// the process has died, may have cancelled it or not.
func (r *cancelled) check(t *testing.T, failure error, balances map[string]int64, seen map[string]int) {
	t.Helper()
	was := ""
	for name, err := range map[string]error{"call": functions.ErrCancelled, "transaction": twopc.ErrCancelled, "saga": saga.ErrCancelled} {
		if errors.Is(failure, err) {
			was = name
			seen[name]++
		}
	}
	told, open := 0, 0
	for _, c := range r.cancels {
		if !c.IsAnswered() {
			open++
			continue
		}
		switch err := c.Wait(ctx); {
		case err == nil:
			told++
		case errors.Is(err, engine.ErrNotRunning):
			seen["too late"]++
		default:
			t.Fatalf("%s: %v", r.id, err)
		}
	}
	if told > 0 && was == "" || was != "" && told+open == 0 {
		t.Fatalf("%s: %v, and %d who have cancelled it were told so", r.id, failure, told)
	}
	if told > 1 {
		seen["again"]++
	}
	if len(r.cancels) > told && was != "" {
		seen["unknown"]++ // it came later
	}
	if failure == nil {
		r.done(balances)
	}
}

func balanceNow(t *testing.T, e *engine.Engine, id string) (balance int64) {
	t.Helper()
	p, err := e.Submit(bank.Balance.On(id).Into(&balance))
	must(t, err)
	stepUntilIdle(e, nil)
	must(t, p.Wait(ctx))
	return balance
}

func stepUntilIdle(e *engine.Engine, rng *rand.Rand) {
	choose := inOrder
	if rng != nil {
		choose = rng.IntN
	}
	for e.Step(choose) {
	}
}

// inOrder chooses what comes first.
func inOrder(int) int { return 0 }

// lockThenBlock takes a desk, and then calls what takes time at another.
var lockThenBlock = twopc.New("test/lock-then-block", func(tx *twopc.Tx, ids []string) error {
	tx.OnAbort(jot.On("diary", 7))
	if err := tx.Do(take.On(ids[0], 1)); err != nil {
		return err
	}
	_ = tx.Do(block.On(ids[1], 1))
	return errRude // whatever it was
})

// TestCancelWhileAParticipantWorks: a transaction is cancelled while one of its participants is in the midst of an operation that takes time.
// It is not interrupted; then all is undone, although the transaction would have come to an end of its own. What was told stays, also after
// a restart.
func TestCancelWhileAParticipantWorks(t *testing.T) {
	near, id := instanceOn(0, "test/desk", "near-"), requestOn(0, "r-")
	for _, byNumber := range []bool{false, true} {
		entered, release := blocked(t)
		o := engine.Options{Dir: t.TempDir(), Workers: 2}
		e := openDesks(t, o, 1, lockThenBlock)
		must(t, e.Do(ctx, newNote.On("diary", 0)))
		must(t, e.Do(ctx, newDesk.On(near, false)))
		request := lockThenBlock.As(id, []string{near, deskID(0)})
		pending, err := e.Submit(request)
		must(t, err)
		<-entered
		var c engine.Cancelling
		if byNumber {
			c, err = engine.BeginCancelTransaction(e, engine.LastNumber(e))
		} else {
			c, err = engine.BeginCancelRequest(e, functions.Address{Type: "test/lock-then-block"}, id)
		}
		must(t, err)
		impatient, err := engine.BeginCancelTransaction(e, engine.LastNumber(e))
		must(t, err)
		over, stop := context.WithCancel(ctx)
		stop()
		wantErr(t, impatient.Wait(over), engine.ErrUnknown)
		if c.IsAnswered() {
			t.Error("it is told that a transaction was cancelled, which is not over")
		}
		release()
		must(t, c.Wait(ctx))
		wantErr(t, pending.Wait(ctx), twopc.ErrCancelled)
		for range 2 {
			if a, b := ask(t, e, taken.On(near)), ask(t, e, taken.On(deskID(0))); a != 0 || b != 10 {
				t.Errorf("the desks hold %d and %d, want 0 and 10", a, b)
			}
			if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{7}) {
				t.Errorf("the effects of its abort are %v", got)
			}
			e = reopen(t, e, o, lockThenBlock, notes, desks, tellers)
			wantErr(t, e.Do(ctx, request), twopc.ErrCancelled)
		}
		if n := engine.InFlight(e); n != 0 {
			t.Errorf("%d requests are in flight", n)
		}
	}
}

// steppedDesks opens a stepped engine with two desks, and steps until a fact is there.
func steppedDesks(t *testing.T, choose func(n int) int, parts ...functions.Part) (e *engine.Engine, until func(what string, fact func() bool)) {
	t.Helper()
	e = open(t, engine.Options{Dir: "data", Workers: 2, Seams: seams.Set{FS: vfs.NewMem(), Clock: newPassingClock(), Stepped: true}}, append(parts, notes, desks)...)
	for i := range 2 {
		_, err := e.Submit(newDesk.On(deskID(i), false))
		must(t, err)
	}
	_, err := e.Submit(newNote.On("diary", 0))
	must(t, err)
	stepUntilIdle(e, nil)
	return e, func(what string, fact func() bool) {
		t.Helper()
		for !fact() {
			if !e.Step(choose) {
				t.Fatalf("it never comes to: %s", what)
			}
		}
	}
}

// waiters counts who waits for locks.
func waiters(e *engine.Engine) (n int) {
	_, held := engine.LookNow(e)
	for _, l := range held {
		n += l.WaiterCount
	}
	return n
}

// TestCancelOfADeadlock: of two transactions that wait for each other one is cancelled. The other commits, and no deadlock is left to be
// broken. One that has ended says so, and so does one that never was.
func TestCancelOfADeadlock(t *testing.T) {
	left, right := crossTx("test/left"), crossTx("test/right")
	e, until := steppedDesks(t, inOrder, left, right)
	first, err := e.Submit(left.As(meetID(0), crossing{0, 1}))
	must(t, err)
	second, err := e.Submit(right.As(meetID(1), crossing{1, 0}))
	must(t, err)
	until("both wait", func() bool { return waiters(e) == 2 })
	all, _ := engine.LookNow(e)
	c, err := engine.BeginCancelTransaction(e, all[0].ID)
	must(t, err)
	stepUntilIdle(e, nil)
	must(t, c.Wait(ctx))
	ends := map[string]error{"test/left": first.Wait(ctx), "test/right": second.Wait(ctx)}
	for name, err := range ends {
		if errors.Is(err, twopc.ErrCancelled) != (name == all[0].Function) || name != all[0].Function && err != nil {
			t.Errorf("%s: %v, and %s was cancelled", name, err, all[0].Function)
		}
	}
	if n := len(e.Deadlocks()); n != 0 {
		t.Errorf("%d deadlocks were broken", n)
	}
	for what, id := range map[string]uint64{"has committed": all[1].ID, "is cancelled": all[0].ID, "never was": 1 << 60} {
		c, err := engine.BeginCancelTransaction(e, id)
		must(t, err)
		stepUntilIdle(e, nil)
		if err := c.Wait(ctx); !errors.Is(err, engine.ErrNotRunning) {
			t.Errorf("one that %s: %v", what, err)
		}
	}
	if n := engine.InFlight(e); n != 0 {
		t.Errorf("%d requests are in flight", n)
	}
}

// TestCancelOfACallThatWaits: of three calls that wait for a lock the second is cancelled, when it waits or when it has been granted the
// lock. The others run, in their order, and it has no effect.
func TestCancelOfACallThatWaits(t *testing.T) {
	for _, granted := range []bool{false, true} {
		tx := twopc.New("test/hold", func(tx *twopc.Tx, ids []string) error {
			for _, id := range ids {
				if err := tx.Do(take.On(id, 1)); err != nil {
					return err
				}
			}
			return nil
		})
		e, until := steppedDesks(t, rand.New(rand.NewPCG(1, 1)).IntN, tx)
		_, err := e.Submit(tx.As(meetID(0), slices.Repeat([]string{deskID(0), deskID(1)}, 200)))
		must(t, err)
		var waiting [3]engine.Pending
		for i := range waiting {
			waiting[i], err = e.Submit(take.On(deskID(0), []int{100, 1000, 10_000}[i]).As(fmt.Sprint("w", i)))
			must(t, err)
		}
		until("three wait", func() bool { return waiters(e) == 3 })
		if granted {
			until("the second has the lock", func() bool { return holds(e, "w1") })
		}
		c, err := engine.BeginCancelRequest(e, functions.Address{Type: "test/desk", ID: deskID(0)}, "w1")
		must(t, err)
		stepUntilIdle(e, nil)
		must(t, c.Wait(ctx))
		must(t, errors.Join(waiting[0].Wait(ctx), waiting[2].Wait(ctx)))
		wantErr(t, waiting[1].Wait(ctx), functions.ErrCancelled)
		var n int
		p, err := e.Submit(taken.On(deskID(0)).Into(&n))
		must(t, err)
		stepUntilIdle(e, nil)
		must(t, p.Wait(ctx))
		if n != 200+100+10_000 {
			t.Errorf("granted %v: the desk holds %d", granted, n)
		}
	}
}

// holds reports whether the call of a request holds a lock.
func holds(e *engine.Engine, requestID string) bool {
	_, held := engine.LookNow(e)
	for _, l := range held {
		if slices.ContainsFunc(l.Holders, func(c engine.LockClaim) bool { return c.RequestID == requestID }) {
			return true
		}
	}
	return false
}

// TestCancelBeforeItsTurn: runs and calls that are known to take long wait for their turn. One that is cancelled there has never begun.
func TestCancelBeforeItsTurn(t *testing.T) {
	clock := newPassingClock()
	ran := map[string]bool{}
	long := func(what string) { ran[what] = true; clock.pass(3 * time.Millisecond) }
	runs := twopc.New("test/long", func(_ *twopc.Tx, what string) error { long(what); return nil })
	trip := saga.New("test/long-trip", func(_ *saga.Run, what string) error { long(what); return nil })
	calls := functions.Update(desks, "long", func(_ *functions.Ctx, _ *desk, what string) error { long(what); return nil })
	e := open(t, engine.Options{Dir: "data", Workers: 1, Seams: seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}}, notes, desks, runs, trip)
	_, err := e.Submit(newDesk.On("d", false))
	must(t, err)
	for name, c := range map[string]struct {
		of   functions.Address
		make func(what string) functions.Request
		want error
	}{
		"run":  {functions.Address{Type: "test/long"}, func(what string) functions.Request { return runs.As(what, what) }, twopc.ErrCancelled},
		"saga": {functions.Address{Type: "test/long-trip"}, func(what string) functions.Request { return trip.As(what, what) }, saga.ErrCancelled},
		"call": {functions.Address{Type: "test/desk", ID: "d"}, func(what string) functions.Request { return calls.On("d", what).As(what) }, functions.ErrCancelled},
	} {
		var all []engine.Pending
		for i := range 10 {
			p, err := e.Submit(c.make(fmt.Sprint(name, i)))
			must(t, err)
			all = append(all, p)
		}
		last := fmt.Sprint(name, 9)
		for i := range 4 {
			for !ran[fmt.Sprint(name, i)] && e.Step(inOrder) {
			}
		}
		question, err := engine.BeginCancelRequest(e, c.of, last)
		must(t, err)
		stepUntilIdle(e, nil)
		must(t, question.Wait(ctx))
		wantErr(t, all[9].Wait(ctx), c.want)
		if !ran[fmt.Sprint(name, 8)] || ran[last] {
			t.Errorf("%s: what has run is %v", name, ran)
		}
	}
	if n := engine.InFlight(e); n != 0 {
		t.Errorf("%d requests are in flight", n)
	}
}

// starter has a message start lockThenBlock.
var starter = functions.Update(notes, "start", func(ctx *functions.Ctx, _ *noteState, ids []string) error {
	ctx.Send(lockThenBlock.With(ids))
	return nil
})

// TestCancelOfWhatAMessageStarted: a transaction that nobody waits for is cancelled by its number, in the midst of its steps, and is not run
// again by the next process: what its row tells of goes with its end.
func TestCancelOfWhatAMessageStarted(t *testing.T) {
	entered, release := blocked(t)
	fs := vfs.NewMem()
	o := engine.Options{Dir: "data", Workers: 2, MaxDrain: time.Millisecond, Seams: seams.Set{FS: fs}}
	parts := []functions.Part{lockThenBlock, notes, desks}
	e := open(t, o, parts...)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	must(t, e.Do(ctx, newDesk.On(deskID(0), false)))
	must(t, e.Do(ctx, newDesk.On(deskID(1), false)))
	started, err := e.Submit(starter.On("diary", []string{deskID(1), deskID(0)}))
	must(t, err)
	<-entered
	c, err := engine.BeginCancelTransaction(e, engine.LastNumber(e))
	must(t, err)
	time.Sleep(2 * engine.Slice) // a round that has lasted so long ends with the operation, and what is to be cancelled comes before its vote
	eventually(t, "half of MaxDrain is over", func() bool { return engine.IsLate(e) })
	release()
	must(t, errors.Join(started.Wait(ctx), c.Wait(ctx)))
	for range 2 {
		if a, b := ask(t, e, taken.On(deskID(0))), ask(t, e, taken.On(deskID(1))); a != 0 || b != 0 {
			t.Errorf("the desks hold %d and %d", a, b)
		}
		if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{7}) {
			t.Errorf("the effects of its abort are %v", got)
		}
		e = reopen(t, e, o, parts...)
	}
}

// TestCancelRefuses: what cannot be cancelled says why.
func TestCancelRefuses(t *testing.T) {
	e := openDesk(t, engine.Options{Workers: 2, MaxUndoTries: 1})
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	must(t, e.Do(ctx, newDesk.On("b", true)))
	must(t, e.Do(ctx, take.On("a", 1).As("done")))
	wantErr(t, e.Do(ctx, refusedTx.As("failed", "a")), errRude)
	wantErr(t, e.Do(ctx, errandSaga.As("stuck", errand{Desks: []string{"b"}, Fail: true})), saga.ErrStuck)
	desk := functions.Address{Type: "test/desk", ID: "a"}
	over, stop := context.WithCancel(ctx)
	stop()
	for name, c := range map[string]struct {
		ctx   context.Context
		of    functions.Address
		id    string
		want  error
		words string
	}{
		"done":        {ctx, desk, "done", engine.ErrNotRunning, "has succeeded"},
		"failed":      {ctx, functions.Address{Type: "test/refused"}, "failed", engine.ErrNotRunning, "has failed: "},
		"its failure": {ctx, functions.Address{Type: "test/refused"}, "failed", errRude, ""},
		"stuck":       {ctx, functions.Address{Type: "test/errand"}, "stuck", engine.ErrNotRunning, "stuck"},
		"unknown":     {nil, desk, "other", engine.ErrNotRunning, "nobody has asked"},
		"no id":       {ctx, desk, "", functions.ErrBadCall, ""},
		"no type":     {ctx, functions.Address{Type: "test/none", ID: "a"}, "x", engine.ErrUnknownType, ""},
		"too late":    {over, desk, "done", engine.ErrNotBegun, ""},
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, e.CancelRequest(c.ctx, c.of, c.id), c.want, c.words) })
	}
	wantErr(t, e.CancelTransaction(over, 1), engine.ErrNotBegun)
	must(t, e.Close())
	wantErr(t, e.CancelTransaction(ctx, 1), engine.ErrClosed)
	wantErr(t, e.CancelRequest(ctx, desk, "done"), engine.ErrClosed)
}

// TestCancelRequestOfASaga: a saga is cancelled by its id while it sleeps and before it has outlived an epoch; it is compensated, and to
// cancel it again changes nothing.
func TestCancelRequestOfASaga(t *testing.T) {
	e := openErrands(t, engine.Options{Workers: 2, Seams: seams.Set{Clock: newHandClock()}})
	pending, err := e.Submit(errandSaga.As("e1", errand{Desks: []string{"a", "b"}, Wait: time.Hour}))
	must(t, err)
	of := functions.Address{Type: "test/errand"}
	must(t, e.CancelRequest(ctx, of, "e1"))
	must(t, e.CancelRequest(ctx, of, "e1"))
	wantErr(t, pending.Wait(ctx), saga.ErrCancelled)
	must(t, e.CancelRequest(ctx, of, "e1"))
	wantTaken(t, e, 0, 0, 0)
	noSagas(t, e)
	if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{2}) {
		t.Errorf("the effects of a cancelled saga are %v, want those of failure", got)
	}
}
