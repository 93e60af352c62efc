package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/twopc"
)

// countedTx takes a desk and says how often it was taken.
var (
	countedTx = twopc.NewReturning("test/counted", func(tx *twopc.Tx, id string) (int, error) {
		if err := tx.Do(take.On(id, 1)); err != nil {
			return 0, err
		}
		return twopc.Ask(tx, taken.On(id))
	})
	refusedTx = twopc.New("test/refused", func(tx *twopc.Tx, id string) error {
		if err := tx.Do(take.On(id, 1)); err != nil {
			return err
		}
		return fmt.Errorf("%w, and %w", errRude, errStubborn)
	})
	addTaken = functions.UpdateReturning(desks, "add", func(_ *functions.Ctx, d *desk, n int) (int, error) { d.Taken += n; return d.Taken, nil })
)

func requestParts() []functions.Part {
	return []functions.Part{notes, desks, errandSaga, countedTx, refusedTx}
}

func openDesk(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	e := open(t, o, requestParts()...)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	return e
}

// TestSameIDSameOutcome: a request that comes again under its id, at the same time, right after, or after a restart, runs once and
// has one outcome: results, and failures with what errors.Is finds in them.
func TestSameIDSameOutcome(t *testing.T) {
	for _, c := range []struct {
		name    string
		request func(into *int) functions.Request
		result  int
		errs    []error
		taken   int
	}{
		{"call", func(into *int) functions.Request { return addTaken.On("a", 1).Into(into).As("id") }, 1, nil, 1},
		{"transaction", func(into *int) functions.Request { return countedTx.With("a").Into(into).As("id") }, 1, nil, 1},
		{"saga", func(*int) functions.Request { return errandSaga.As("id", errand{Desks: []string{"a"}}) }, 0, nil, 1},
		{"view", func(into *int) functions.Request { return taken.On("a").Into(into).As("id") }, 0, nil, 0},
		{"failed call", func(*int) functions.Request { return take.On("missing", 1).As("id") }, 0, []error{functions.ErrNotFound}, 0},
		{"failed transaction", func(*int) functions.Request { return refusedTx.As("id", "a") }, 0, []error{errRude, errStubborn}, 0},
		{"failed saga", func(*int) functions.Request {
			return errandSaga.As("id", errand{Desks: []string{"a", "missing"}})
		}, 0, []error{functions.ErrNotFound}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := engine.Options{Dir: t.TempDir(), Workers: 2}
			e := openDesk(t, o)
			var text atomic.Pointer[string]
			check := func(what string) {
				var got int
				err := e.Do(ctx, c.request(&got))
				if (err != nil) != (c.errs != nil) {
					t.Errorf("%s: error %v", what, err)
					return
				}
				if err != nil {
					now := err.Error()
					if !text.CompareAndSwap(nil, &now) && *text.Load() != now {
						t.Errorf("%s: the failure is %q, was %q", what, now, *text.Load())
					}
				}
				for _, want := range c.errs {
					if !errors.Is(err, want) {
						t.Errorf("%s: error %v, want %v", what, err, want)
					}
				}
				if got != c.result {
					t.Errorf("%s: result %d, want %d", what, got, c.result)
				}
			}
			var group sync.WaitGroup
			for i := range 20 {
				group.Go(func() { check(fmt.Sprint("at the same time ", i)) })
			}
			group.Wait()
			check("right after")
			must(t, e.Do(ctx, stubborn.On("a", false))) // an epoch passes
			check("later")
			if n := ask(t, e, taken.On("a")); n != c.taken {
				t.Errorf("it ran %d times, want %d", n, c.taken)
			}
			e = reopen(t, e, o, requestParts()...)
			must(t, e.Do(ctx, newDesk.On("missing", false))) // what failed would not fail now
			check("after a restart")
			check("and again")
			if n := ask(t, e, taken.On("a")); n != c.taken {
				t.Errorf("after a restart it has run %d times, want %d", n, c.taken)
			}
		})
	}
}

// TestReusedID: an id that belongs to a request is refused for any other for the same instance or coordinator function, at every stage of
// the first, and the other has no effect.
func TestReusedID(t *testing.T) {
	others := []functions.Request{
		take.On("a", 2).As("id"), give.On("a", 1).As("id"), taken.On("a").Into(new(int)).As("id"),
	}
	o := engine.Options{Dir: t.TempDir(), Workers: 2}
	e := openDesk(t, o)
	check := func() {
		t.Helper()
		for i, other := range others {
			if err := e.Do(ctx, other); !errors.Is(err, engine.ErrReusedID) {
				t.Errorf("request %d: error %v", i, err)
			}
		}
		if n := ask(t, e, taken.On("a")); n != 1 {
			t.Errorf("a refused request had an effect: %d", n)
		}
	}
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	check()
	e = reopen(t, e, o, requestParts()...)
	check()

	// While the first one runs.
	pending, err := e.Submit(errandSaga.As("slow", errand{Wait: 50 * time.Millisecond}))
	must(t, err)
	wantErr(t, e.Do(ctx, errandSaga.As("slow", errand{Wait: 51 * time.Millisecond})), engine.ErrReusedID)
	must(t, pending.Wait(ctx))
}

// TestOutcomesExpire: within KeepOutcomes an id has its outcome, also over a restart; after that it is a new request. Negative
// keeps forever.
func TestOutcomesExpire(t *testing.T) {
	for _, keep := range []time.Duration{time.Minute, -1} {
		clock := newPassingClock()
		o := engine.Options{Dir: t.TempDir(), KeepOutcomes: keep, Seams: seams.Set{Clock: clock}}
		e := openDesk(t, o)
		request := take.On("a", 1).As("id")
		for i, wait := range []time.Duration{0, time.Minute, 1, time.Hour} {
			clock.pass(wait)
			must(t, e.Do(ctx, stubborn.On("a", false))) // an idle engine may keep its last outcomes for longer
			if i == 2 {
				e = reopen(t, e, o, requestParts()...)
			}
			must(t, e.Do(ctx, request))
			must(t, e.Do(ctx, request))
			want := []int{1, 1, 2, 3}[i]
			if keep < 0 {
				want = 1
			}
			if n := ask(t, e, taken.On("a")); n != want {
				t.Fatalf("keeping for %v: after %v it has run %d times, want %d", keep, wait, n, want)
			}
		}
	}
}

// TestOutcomesAreSwept: the rows of expired outcomes go while new ones come, and those that are kept stay.
func TestOutcomesAreSwept(t *testing.T) {
	clock := newPassingClock()
	e := openDesk(t, engine.Options{KeepOutcomes: time.Minute, Seams: seams.Set{Clock: clock}})
	submit := func(prefix string, n int) {
		for start := 0; start < n; start += 500 {
			var group sync.WaitGroup
			for i := start; i < min(start+500, n); i++ {
				p, err := e.Submit(take.On("a", 1).As(fmt.Sprint(prefix, i)))
				must(t, err)
				group.Go(func() {
					if err := p.Wait(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		}
	}
	submit("old", 3000)
	clock.pass(45 * time.Second)
	submit("middle", 3000)
	clock.pass(30 * time.Second)
	submit("new", 15_000)
	if swept := e.Stats().Swept; swept < 2900 || swept > 3000 {
		t.Errorf("%d outcomes were swept, want nearly all of 3000 and no other", swept)
	}
	before := ask(t, e, taken.On("a"))
	submit("middle", 3000)
	if n := ask(t, e, taken.On("a")); n != before {
		t.Errorf("%d of the outcomes to be kept were lost", n-before)
	}
	submit("old", 100)
	if n := ask(t, e, taken.On("a")); n != before+100 {
		t.Errorf("of 100 expired ids %d ran again", n-before)
	}
}

// A gatekeeper holds its worker until the test lets go.
type gatekeeper struct{ entered, open chan struct{} }

// wait is called by the code that is to hold a worker.
func (g *gatekeeper) wait() {
	g.entered <- struct{}{}
	<-g.open
}

var (
	keeper atomic.Pointer[gatekeeper]
	block  = functions.Update(desks, "block", func(_ *functions.Ctx, d *desk, n int) error { d.Taken += n; keeper.Load().wait(); return nil })
)

// blocked arms the operation "block" and everything else that waits for the gatekeeper: it says on entered that it runs, and goes
// on after release.
func blocked(t *testing.T) (entered <-chan struct{}, release func()) {
	g := &gatekeeper{entered: make(chan struct{}, 100), open: make(chan struct{})}
	keeper.Store(g)
	release = sync.OnceFunc(func() { close(g.open) })
	t.Cleanup(release)
	return g.entered, release
}

// TestOverload: with MaxInFlight requests under way one more is refused at once, without effect; what was taken gets its outcome,
// and then there is room again.
func TestOverload(t *testing.T) {
	_, release := blocked(t)
	e := openDesk(t, engine.Options{Workers: 1, MaxInFlight: 4})
	var pending []engine.Pending
	for range 4 {
		p, err := e.Submit(block.On("a", 1))
		must(t, err)
		pending = append(pending, p)
	}
	start := time.Now()
	for range 100 {
		wantErr(t, e.Do(ctx, take.On("a", 1000)), engine.ErrOverloaded, "4")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("100 refusals took %v", took)
	}
	if pending[0].Done() {
		t.Error("a blocked request is done")
	}
	release()
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	for range 10 {
		must(t, e.Do(ctx, take.On("a", 1)))
	}
	if n := ask(t, e, taken.On("a")); n != 14 {
		t.Errorf("the state counts %d, want 14", n)
	}
}

// TestJoinedRequestsLeaveTheCount: requests that wait for the outcome of an earlier one with the same id count as long as they wait,
// and no longer.
func TestJoinedRequestsLeaveTheCount(t *testing.T) {
	const most = 4
	clock := newPassingClock()
	e := openDesk(t, engine.Options{Workers: 1, MaxInFlight: most, Seams: seams.Set{Clock: clock}})
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	for round := range 3 {
		var pending []engine.Pending
		for range most {
			p, err := e.Submit(errandSaga.As(fmt.Sprint("id-", round), errand{Wait: time.Hour}))
			must(t, err)
			pending = append(pending, p)
		}
		wantErr(t, e.Do(ctx, take.On("a", 1)), engine.ErrOverloaded)
		ask(t, e, taken.On("a")) // the worker has looked at what was asked before
		clock.pass(time.Hour)
		for _, p := range pending {
			must(t, p.Wait(ctx))
		}
		if n := engine.InFlight(e); n != 0 {
			t.Errorf("round %d: %d requests in flight, and none waits", round, n)
		}
	}
	for range 2 * most {
		must(t, e.Do(ctx, take.On("a", 1)))
	}
}

// TestOneIDForManyTargets: of different requests for one instance that come under one id at once one runs, and the others are refused;
// what other instances are asked under that id at the same time, on several workers, has nothing to do with it. So it is when they are repeated,
// and over a restart.
func TestOneIDForManyTargets(t *testing.T) {
	const rounds, targets, rivals = 50, 8, 3
	o := engine.Options{Dir: t.TempDir(), Workers: 2, Shards: 2} // several targets on each shard
	e := openDesk(t, o)
	desk := func(target int) string { return fmt.Sprint("desk-", target) }
	for i := range targets {
		must(t, e.Do(ctx, newDesk.On(desk(i), false)))
	}
	ask := func(round int) (winners [targets]int) {
		var won [targets][rivals]bool
		var group sync.WaitGroup
		for i := range targets {
			for j := range rivals {
				group.Go(func() {
					err := e.Do(ctx, take.On(desk(i), 1+j).As(fmt.Sprint("id-", round)))
					if won[i][j] = err == nil; !won[i][j] {
						wantErr(t, err, engine.ErrReusedID, "was not run")
					}
				})
			}
		}
		group.Wait()
		for i := range won {
			winners[i] = slices.Index(won[i][:], true)
			if winners[i] < 0 || slices.Contains(won[i][winners[i]+1:], true) {
				t.Fatalf("round %d: on desk %d these have run: %v", round, i, won[i])
			}
		}
		return winners
	}
	var first [rounds][targets]int
	var sums [targets]int
	for round := range first {
		first[round] = ask(round)
		for i, winner := range first[round] {
			sums[i] += 1 + winner
		}
	}
	for range 2 {
		for round, winners := range first {
			if again := ask(round); again != winners {
				t.Errorf("round %d: %d have run, and then %d", round, winners, again)
			}
		}
		e = reopen(t, e, o, requestParts()...)
	}
	for i, sum := range sums {
		n, err := engine.Ask(ctx, e, taken.On(desk(i)))
		if must(t, err); n != sum {
			t.Errorf("desk %d: %d were taken, want %d", i, n, sum)
		}
	}
}

// TestContextEndsWhileWaiting: the answer is ErrUnknown with the context's error. The request goes on, once, and its id tells what
// became of it.
func TestContextEndsWhileWaiting(t *testing.T) {
	_, release := blocked(t)
	e := openDesk(t, engine.Options{Workers: 1})
	cancelled, cancel := context.WithCancel(ctx)
	time.AfterFunc(5*time.Millisecond, cancel)
	request := block.On("a", 1).As("id")
	err := e.Do(cancelled, request)
	wantErr(t, err, engine.ErrUnknown)
	wantErr(t, err, context.Canceled)
	release()
	must(t, e.Do(ctx, request))
	if n := ask(t, e, taken.On("a")); n != 1 {
		t.Errorf("the state counts %d, want 1", n)
	}
}

// TestCallsAfterClose are refused with ErrClosed, and Close may be called again.
func TestCallsAfterClose(t *testing.T) {
	e := openDesk(t, engine.Options{})
	must(t, e.Close())
	wantErr(t, e.Do(ctx, take.On("a", 1)), engine.ErrClosed)
	wantErr(t, e.Do(ctx, countedTx.With("a").Drop().As("id")), engine.ErrClosed)
	_, err := engine.Ask(ctx, e, taken.On("a"))
	wantErr(t, err, engine.ErrClosed)
	_, err = e.Submit(take.On("a", 1))
	wantErr(t, err, engine.ErrClosed)
	_, err = e.Sagas(ctx)
	wantErr(t, err, engine.ErrClosed)
	wantErr(t, e.CancelSaga(ctx, 1), engine.ErrClosed)
	e.Stats()
	e.Deadlocks()
	must(t, e.Close())
}

// TestCloseUnderLoad: of requests that meet Close, nil happened, ErrClosed did not, and ErrUnknown is told by the id later.
func TestCloseUnderLoad(t *testing.T) {
	o := engine.Options{Dir: t.TempDir(), Workers: 2}
	e := openDesk(t, o)
	const clients = 16
	var outcomes [clients][]error
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			for i := 0; ; i++ {
				err := e.Do(ctx, countedTx.With("a").Drop().As(fmt.Sprint(c, "-", i)))
				outcomes[c] = append(outcomes[c], err)
				if err != nil {
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	must(t, e.Close())
	group.Wait()
	e = open(t, o, requestParts()...)
	happened := 0
	for c := range clients {
		for i, err := range outcomes[c] {
			switch {
			case err == nil:
				happened++
			case errors.Is(err, engine.ErrUnknown):
				must(t, e.Do(ctx, countedTx.With("a").Drop().As(fmt.Sprint(c, "-", i))))
				happened++
			case !errors.Is(err, engine.ErrClosed):
				t.Errorf("error %v", err)
			}
		}
	}
	if n := ask(t, e, taken.On("a")); n != happened {
		t.Errorf("%d requests happened, the state counts %d", happened, n)
	}
}

// TestArgumentIsTakenWhenTheCallIsMade: later changes to it do not matter, to calls nor to the inputs of coordinator functions.
func TestArgumentIsTakenWhenTheCallIsMade(t *testing.T) {
	e := open(t, engine.Options{}, notes, desks, talkers, errandSaga)
	for _, d := range []string{"a", "b"} {
		must(t, e.Do(ctx, newDesk.On(d, false)))
	}
	for _, n := range []string{"diary", "x"} {
		must(t, e.Do(ctx, newNote.On(n, 0)))
	}
	must(t, e.Do(ctx, newTalker.On("t", 0)))
	ids := []string{"a"}
	start := errandSaga.With(errand{Desks: ids})
	ids[0] = "b"
	must(t, e.Do(ctx, start))
	if a, b := ask(t, e, taken.On("a")), ask(t, e, taken.On("b")); a != 1 || b != 0 {
		t.Errorf("the desks hold %d and %d", a, b)
	}
	to := []string{"diary"}
	call := say.On("t", talk{To: to, Each: 1, From: 5})
	to[0] = "x"
	must(t, e.Do(ctx, call))
	must(t, e.Do(ctx, call))
	if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{1, 5, 5}) {
		t.Errorf("the diary has %v", got)
	}
}
