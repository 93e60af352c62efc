package engine_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/twopc"
)

// A bell tells notes something later.
type bell struct{ Timers map[int]functions.TimerID }

type alarm struct {
	Line  int
	After time.Duration
}

var (
	bells   = functions.NewType[bell]("test/bell")
	newBell = functions.Create(bells, "new", func(_ *functions.Ctx, b *bell, _ int) error {
		b.Timers = map[int]functions.TimerID{}
		return nil
	})
	set = functions.Update(bells, "set", func(ctx *functions.Ctx, b *bell, alarms []alarm) error {
		for _, a := range alarms {
			b.Timers[a.Line] = ctx.SendAfter(a.After, jot.On("diary", a.Line))
		}
		return nil
	})
	setThenFail = functions.Update(bells, "set-then-fail", func(ctx *functions.Ctx, _ *bell, a alarm) error {
		ctx.SendAfter(a.After, jot.On("diary", a.Line))
		return errRude
	})
	setThenCancel = functions.Update(bells, "set-then-cancel", func(ctx *functions.Ctx, _ *bell, a alarm) error {
		ctx.Cancel(ctx.SendAfter(a.After, jot.On("diary", a.Line)))
		return nil
	})
	unset    = functions.Update(bells, "unset", func(ctx *functions.Ctx, b *bell, line int) error { ctx.Cancel(b.Timers[line]); return nil })
	steal    = functions.Update(bells, "steal", func(ctx *functions.Ctx, _ *bell, id functions.TimerID) error { ctx.Cancel(id); return nil })
	timerOf  = functions.View1(bells, "timer-of", func(_ *functions.Ctx, b bell, line int) (functions.TimerID, error) { return b.Timers[line], nil })
	alarms   = functions.View(bells, "alarms", func(_ *functions.Ctx, b bell) (int, error) { return len(b.Timers), nil })
	setAbort = twopc.New("test/set-then-abort", func(tx *twopc.Tx, a alarm) error {
		if err := tx.All(set.On("b", []alarm{a}), unset.On("b", 1)); err != nil {
			return err
		}
		return errRude
	})
	setCommit = twopc.New("test/set-and-commit", func(tx *twopc.Tx, a alarm) error { return tx.Do(set.On("b", []alarm{a})) })
)

func bellParts() []functions.Part { return []functions.Part{notes, bells, setAbort, setCommit} }

// openBells opens an engine with the note "diary" and the bells "b" and "c".
func openBells(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	e := open(t, o, bellParts()...)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	must(t, e.Do(ctx, newBell.On("b", 0)))
	must(t, e.Do(ctx, newBell.On("c", 0)))
	return e
}

func every(d time.Duration, n int) (all []alarm) {
	for i := range n {
		all = append(all, alarm{Line: i, After: d * time.Duration(i+1)})
	}
	return all
}

// diary waits until n lines have come in and returns them sorted; a moment later there must be no more.
func diary(t *testing.T, e *engine.Engine, n int) []int {
	t.Helper()
	eventually(t, fmt.Sprintf("%d timers fire", n), func() bool { return len(ask(t, e, lines.On("diary"))) >= n })
	must(t, e.Do(ctx, jotThenUndo(t, e)))
	got := ask(t, e, lines.On("diary"))
	slices.Sort(got)
	return got
}

// jotThenUndo is a request that only passes an epoch.
func jotThenUndo(*testing.T, *engine.Engine) functions.Call {
	return steal.On("c", functions.TimerID{})
}

func wantDiary(t *testing.T, e *engine.Engine, want ...int) {
	t.Helper()
	if got := diary(t, e, len(want)); !slices.Equal(got, want) {
		t.Fatalf("the timers that fired are %v, want %v", got, want)
	}
}

// TestTimersFireOnce: each timer fires once, when it is due and not before, over restarts with another number of workers, when it
// fell due while the engine was closed, and when the clock jumps by an hour either way.
func TestTimersFireOnce(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Workers: 2, Seams: seams.Set{Clock: clock}}
	e := openBells(t, o)
	must(t, e.Do(ctx, set.On("b", every(time.Minute, 100))))
	wantDiary(t, e)
	clock.move(10 * time.Minute)
	wantDiary(t, e, upTo(10)...)

	o.Workers = 3
	e = reopen(t, e, o, bellParts()...)
	wantDiary(t, e, upTo(10)...)
	clock.move(time.Minute - 1)
	wantDiary(t, e, upTo(10)...)
	clock.move(1)
	wantDiary(t, e, upTo(11)...)

	clock.move(-time.Hour)
	must(t, e.Do(ctx, set.On("b", []alarm{{Line: 1000, After: time.Second}})))
	clock.move(time.Second)
	wantDiary(t, e, append(upTo(11), 1000)...)
	clock.move(time.Hour - time.Second)
	wantDiary(t, e, append(upTo(11), 1000)...)

	must(t, e.Close())
	clock.move(9 * time.Minute)
	o.Workers = 1
	e = open(t, o, bellParts()...)
	wantDiary(t, e, append(upTo(20), 1000)...)

	clock.move(time.Hour)
	wantDiary(t, e, append(upTo(80), 1000)...)
	clock.move(time.Hour)
	wantDiary(t, e, append(upTo(100), 1000)...)
	e = reopen(t, e, o, bellParts()...)
	clock.move(1000 * time.Hour)
	wantDiary(t, e, append(upTo(100), 1000)...)
}

// TestCancelTimer: a timer that was cancelled does not fire, also when it was set before a restart; nobody but the instance that
// set it can cancel it; to cancel one that fired is harmless.
func TestCancelTimer(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Workers: 2, Seams: seams.Set{Clock: clock}}
	e := openBells(t, o)
	must(t, e.Do(ctx, set.On("b", every(time.Minute, 5))))
	must(t, e.Do(ctx, setThenCancel.On("b", alarm{Line: 50, After: time.Minute})))
	must(t, e.Do(ctx, unset.On("b", 0)))
	must(t, e.Do(ctx, steal.On("c", ask(t, e, timerOf.On("b", 1)))))
	e = reopen(t, e, o, bellParts()...)
	must(t, e.Do(ctx, unset.On("b", 2)))
	must(t, e.Do(ctx, unset.On("b", 2)))
	clock.move(4 * time.Minute)
	wantDiary(t, e, 1, 3)
	must(t, e.Do(ctx, unset.On("b", 3)))
	clock.move(time.Minute)
	wantDiary(t, e, 1, 3, 4)
	e = reopen(t, e, o, bellParts()...)
	clock.move(time.Hour)
	wantDiary(t, e, 1, 3, 4)
}

// TestTimersOfFailures: an operation that fails sets no timer. A transaction that aborts neither sets nor cancels one; one that
// commits does.
func TestTimersOfFailures(t *testing.T) {
	clock := newHandClock()
	e := openBells(t, engine.Options{Seams: seams.Set{Clock: clock}})
	must(t, e.Do(ctx, set.On("b", []alarm{{1, time.Minute}})))
	wantErr(t, e.Do(ctx, setThenFail.On("b", alarm{2, time.Minute})), errRude)
	wantErr(t, e.Do(ctx, setAbort.With(alarm{3, time.Minute})), errRude)
	must(t, e.Do(ctx, setCommit.With(alarm{4, time.Minute})))
	clock.move(time.Hour)
	wantDiary(t, e, 1, 4)
}

// TestMaxTimers: one timer more than the bound fails its operation, which leaves its state as it was. What fired or was
// cancelled makes room.
func TestMaxTimers(t *testing.T) {
	clock := newHandClock()
	e := openBells(t, engine.Options{Workers: 1, MaxTimers: 10, Seams: seams.Set{Clock: clock}})
	must(t, e.Do(ctx, set.On("b", every(time.Minute, 10))))
	wantErr(t, e.Do(ctx, set.On("b", []alarm{{99, time.Hour}})), engine.ErrTooManyTimers, "10")
	wantErr(t, e.Do(ctx, setCommit.With(alarm{99, time.Hour})), engine.ErrTooManyTimers)
	if n := ask(t, e, alarms.On("b")); n != 10 {
		t.Errorf("the state knows of %d timers, want 10", n)
	}
	must(t, e.Do(ctx, unset.On("b", 9)))
	must(t, e.Do(ctx, set.On("b", []alarm{{20, time.Hour}})))
	clock.move(time.Minute)
	wantDiary(t, e, 0)
	must(t, e.Do(ctx, set.On("b", []alarm{{21, time.Hour}})))
	wantErr(t, e.Do(ctx, set.On("b", []alarm{{99, time.Hour}})), engine.ErrTooManyTimers)
}

// TestClockIsArmedForTheFirst: the clock is asked to wake the engine when the first timer is due, also if that was set after another.
func TestClockIsArmedForTheFirst(t *testing.T) {
	clock := newHandClock()
	e := open(t, engine.Options{Dir: "data", Workers: 1, Seams: seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}}, bellParts()...)
	began := clock.Now()
	for _, c := range []struct {
		r     functions.Request
		wakes time.Duration
	}{
		{newBell.On("b", 0), -1}, {set.On("b", []alarm{{1, time.Hour}}), time.Hour},
		{set.On("b", []alarm{{2, time.Minute}}), time.Minute}, {set.On("b", []alarm{{3, time.Second}}), time.Second},
		{set.On("b", []alarm{{4, time.Hour}}), time.Second},
	} {
		_, err := e.Submit(c.r)
		must(t, err)
		for e.Step(func(int) int { return 0 }) {
		}
		if at := clock.at.Sub(began); c.wakes > 0 && at != c.wakes {
			t.Errorf("with a timer that is due after %v the clock wakes the engine after %v", c.wakes, at)
		}
	}
}

// TestSendAfterNegative is due at once.
func TestSendAfterNegative(t *testing.T) {
	e := openBells(t, engine.Options{})
	must(t, e.Do(ctx, set.On("b", []alarm{{1, -time.Hour}, {2, 0}, {3, time.Millisecond}})))
	wantDiary(t, e, 1, 2, 3)
}

// wakers set timers for themselves, and count what comes.
var (
	wakers   = functions.NewType[int]("test/waker")
	newWaker = functions.Create(wakers, "new", func(*functions.Ctx, *int, int) error { return nil })
	woken    = functions.Update(wakers, "woken", func(_ *functions.Ctx, w *int, n int) error { *w += n; return nil })
	wake     = functions.Update(wakers, "wake", func(ctx *functions.Ctx, _ *int, id string) error {
		ctx.SendAfter(time.Hour, woken.On(id, 1))
		return nil
	})
	endWaker = functions.Delete(wakers, "end", func(*functions.Ctx, *int) error { return nil })
	lastWill = functions.Delete(wakers, "last-will", func(ctx *functions.Ctx, _ *int) error {
		ctx.SendAfter(time.Hour, woken.On(ctx.Self().ID, 100))
		return nil
	})
	wokenBy   = functions.View(wakers, "woken-by", func(_ *functions.Ctx, w int) (int, error) { return w, nil })
	wakeOften = functions.Update(wakers, "wake-often", func(ctx *functions.Ctx, _ *int, n int) error {
		for range n {
			ctx.SendAfter(time.Hour, wokenSlowly.On(ctx.Self().ID, 1))
		}
		return nil
	})
	wokenSlowly = functions.Update(wakers, "woken-slowly", func(_ *functions.Ctx, w *int, n int) error {
		*w += n
		timesWoken.Add(1)
		time.Sleep(200 * time.Microsecond)
		return nil
	})
	timesWoken atomic.Int64
	endTx      = twopc.New("test/end-waker", func(tx *twopc.Tx, commit bool) error {
		if err := tx.All(wake.On("a", "a"), wake.On("a", "b"), endWaker.On("a")); err != nil {
			return err
		}
		if err := tx.All(newWaker.On("a", 0)); err != nil {
			return err
		}
		if !commit {
			return errRude
		}
		return tx.Do(wake.On("a", "a"))
	})
)

// TestTimersEndWithTheirInstance: what an instance has set for itself does not reach the next one with its id, over restarts, and neither
// if a transaction deletes it; if that is aborted, it stays. What it has set for others arrives, as does what others have set for it.
func TestTimersEndWithTheirInstance(t *testing.T) {
	for name, c := range map[string]struct {
		end  functions.Request
		err  error
		a, b int // what reaches them
	}{
		"deleted":         {endWaker.On("a"), nil, 1, 1},
		"by transaction":  {endTx.With(true), nil, 2, 2}, // which has it set another for each before
		"aborted":         {endTx.With(false), errRude, 4, 1},
		"with a last one": {lastWill.On("a"), nil, 101, 1},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newHandClock()
			o := engine.Options{Dir: t.TempDir(), Workers: 2, Seams: seams.Set{Clock: clock}}
			e := open(t, o, wakers, endTx)
			for _, id := range []string{"a", "b"} {
				must(t, e.Do(ctx, newWaker.On(id, 0)))
			}
			for range 3 {
				must(t, e.Do(ctx, wake.On("a", "a")))
			}
			must(t, e.Do(ctx, wake.On("a", "b")))
			must(t, e.Do(ctx, wake.On("b", "a")))
			e = reopen(t, e, o, wakers, endTx)
			wantErr(t, e.Do(ctx, c.end), c.err)
			e = reopen(t, e, o, wakers, endTx)
			if !ask(t, e, wakers.Exists("a")) {
				must(t, e.Do(ctx, newWaker.On("a", 0)))
			}
			clock.move(2 * time.Hour)
			eventually(t, "all timers have fired", func() bool { return engine.TimersSet(e) == 0 })
			e = reopen(t, e, o, wakers, endTx)
			if a, b := ask(t, e, wokenBy.On("a")), ask(t, e, wokenBy.On("b")); a != c.a || b != c.b {
				t.Errorf("what arrived is %d and %d, want %d and %d", a, b, c.a, c.b)
			}
		})
	}
}

// TestFiredTimersEndWithTheirInstance: what an instance has set for itself, and what is due and waits to be handled, does not reach the
// next one either, also if it was carried over a restart.
func TestFiredTimersEndWithTheirInstance(t *testing.T) {
	const many = 1000
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			timesWoken.Store(0)
			clock := newHandClock()
			o := engine.Options{Dir: t.TempDir(), Workers: 1, Seams: seams.Set{Clock: clock}}
			e := open(t, o, wakers, endTx)
			must(t, e.Do(ctx, newWaker.On("a", 0)))
			must(t, e.Do(ctx, wakeOften.On("a", many)))
			clock.move(2 * time.Hour)
			eventually(t, "some are handled", func() bool { return ask(t, e, wokenBy.On("a")) > 0 })
			if restart {
				e = reopen(t, e, o, wakers, endTx)
			}
			must(t, e.Do(ctx, endTx.With(true)))
			clock.move(2 * time.Hour)
			eventually(t, "nothing is left", func() bool { return engine.TimersSet(e) == 0 && e.Queued() == 0 })
			if n := timesWoken.Load(); n > many*3/4 {
				t.Fatalf("%d were handled: the test tests too little", n)
			}
			if n := ask(t, e, wokenBy.On("a")); n != 1 {
				t.Errorf("the next instance was woken %d times, not once, by itself", n)
			}
		})
	}
}
