package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
)

// TestIDsOutliveClockJumps: a request under an id runs once, however the wall clock is set between its first time and its next; also
// if the engine was closed meanwhile, for however long.
func TestIDsOutliveClockJumps(t *testing.T) {
	for _, restart := range []bool{false, true} {
		for _, jump := range []time.Duration{2 * time.Hour, 56 * 365 * 24 * time.Hour, -2 * time.Hour, -20 * 365 * 24 * time.Hour} {
			t.Run(fmt.Sprintf("%v-%v", jump, restart), func(t *testing.T) {
				clock := newPassingClock()
				o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: clock}}
				e := openDesk(t, o)
				request := take.On("a", 1).As("id")
				must(t, e.Do(ctx, request))
				for _, d := range []time.Duration{jump, -jump, jump} {
					clock.move(d)
					clock.pass(time.Minute)
					if restart {
						e = reopen(t, e, o, requestParts()...)
					}
					must(t, e.Do(ctx, stubborn.On("a", false))) // so that only the outcome's row tells
					must(t, e.Do(ctx, request))
				}
				if n := ask(t, e, taken.On("a")); n != 1 {
					t.Errorf("it ran %d times", n)
				}
				clock.pass(time.Hour + time.Minute) // and it does expire
				must(t, e.Do(ctx, stubborn.On("a", false)))
				must(t, e.Do(ctx, request))
				if n := ask(t, e, taken.On("a")); n != 2 {
					t.Errorf("after its time it has run %d times, want 2", n)
				}
			})
		}
	}
}

// TestEngineTimeGoesOnOverRestarts: the time in which engines ran adds up, so an outcome expires also if none of them ran for long.
func TestEngineTimeGoesOnOverRestarts(t *testing.T) {
	clock := newPassingClock()
	o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: clock}}
	e := openDesk(t, o)
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	for range 4 {
		clock.pass(20 * time.Minute)
		must(t, e.Do(ctx, stubborn.On("a", false)))
		clock.elapsed.Store(0) // another process counts from its own beginning
		clock = newPassingClock()
		o.Seams.Clock = clock
		e = reopen(t, e, o, requestParts()...)
	}
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	if n := ask(t, e, taken.On("a")); n != 2 {
		t.Errorf("after 80 minutes of four processes it has run %d times, want 2", n)
	}
}

// TestTimeBeforeOpenDoesNotCount: what a clock had counted before an engine was opened is no time in which that ran.
func TestTimeBeforeOpenDoesNotCount(t *testing.T) {
	clock := newPassingClock()
	clock.elapse(time.Hour)
	o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: clock}}
	e := openDesk(t, o)
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	for range 2 {
		e = reopen(t, e, o, requestParts()...)
	}
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	if n := ask(t, e, taken.On("a")); n != 1 {
		t.Errorf("it has run %d times, and no time has passed", n)
	}
}

// TestIdleTimeIsKept: the time that has passed since the last epoch counts too when an engine is closed: outcomes expire in one that runs
// now and then, and asks little.
func TestIdleTimeIsKept(t *testing.T) {
	clock := newPassingClock()
	o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: clock}}
	e := openDesk(t, o)
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	for range 4 {
		clock.pass(20 * time.Minute)
		e = reopen(t, e, o, requestParts()...)
	}
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	if n := ask(t, e, taken.On("a")); n != 2 {
		t.Errorf("after 80 minutes of four idle processes it has run %d times, want 2", n)
	}
}

// TestEpochsAreCutWhenTheClockGoesBack: a function that sends to itself keeps nobody out, also when the wall clock was set back.
func TestEpochsAreCutWhenTheClockGoesBack(t *testing.T) {
	clock := newHandClock()
	e := open(t, engine.Options{Workers: 1, Seams: seams.Set{Clock: clock}}, notes, mills)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newMill.On("m", 0)))
	must(t, e.Do(ctx, grind.On("m", grist{time.Microsecond, -1})))
	for _, jump := range []time.Duration{-time.Hour, 24 * time.Hour, -1000 * time.Hour} {
		clock.move(jump)
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		for i := range 3 {
			must(t, e.Do(short, jot.On("n", i)))
		}
		cancel()
	}
	must(t, e.Do(ctx, halt.On("m", 0)))
}

// settableClock is the system's clock, but the wall clock can be set, and whoever asked to be woken is not woken because of that.
type settableClock struct {
	mu    sync.Mutex
	set   time.Duration
	began time.Time // it shows this and the time since the test began, unless it is zero
	timer *time.Timer
}

var testsBegan = time.Now()

func (c *settableClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.began.IsZero() {
		return c.began.Add(time.Since(testsBegan))
	}
	return time.Now().Round(0).Add(c.set)
}

// setTo sets the clock to about a time.
func (c *settableClock) setTo(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began = at
}

func (c *settableClock) Wake(at time.Time, f func()) {
	d := at.Sub(c.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(d, f)
}

// TestTimersFireAfterAClockJump: a timer, and a saga's sleep, whose time a jump of the wall clock has passed is over soon, on an
// engine at rest. It looks again every second.
func TestTimersFireAfterAClockJump(t *testing.T) {
	clock := &settableClock{}
	e := open(t, engine.Options{Seams: seams.Set{Clock: clock}}, append(errandParts(), bells)...)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	must(t, e.Do(ctx, newBell.On("b", 0)))
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, set.On("b", []alarm{{1, 10 * time.Minute}})))
	p, err := e.Submit(errandSaga.With(errand{Desks: []string{"a"}, Wait: 10 * time.Minute}))
	must(t, err)
	time.Sleep(50 * time.Millisecond) // at rest
	clock.mu.Lock()
	clock.set = time.Hour
	clock.mu.Unlock()
	short, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	must(t, p.Wait(short))
	eventually(t, "the timer fires", func() bool { return len(ask(t, e, lines.On("diary"))) > 1 })
}

// TestOddClocks: whatever a wall clock shows, and wherever it is set, requests run once, over restarts, timers are due when the time that
// can be told has come, and compensations are tried again.
func TestOddClocks(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
	for from, c := range map[int]struct {
		to     int
		atOnce bool // there is no later time to be due at
	}{
		1: {2026, false}, 1600: {2026, false}, 1969: {1970, false}, 1970: {2262, false}, 2026: {2263, false}, 2100: {2300, false},
		2262: {9000, true}, 2263: {2264, true}, 2300: {9999, true}, 9999: {20000, true},
	} {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			clock := &settableClock{}
			clock.setTo(at(from))
			o := engine.Options{Dir: t.TempDir(), MaxUndoTries: 2, Seams: seams.Set{Clock: clock}}
			parts := append(errandParts(), bells)
			e := open(t, o, parts...)
			must(t, e.Do(ctx, newNote.On("diary", 0)))
			must(t, e.Do(ctx, newBell.On("b", 0)))
			must(t, e.Do(ctx, newBell.On("c", 0)))
			must(t, e.Do(ctx, newDesk.On("a", true)))
			must(t, e.Do(ctx, set.On("b", []alarm{{1, 24 * time.Hour}})))
			wantErr(t, e.Do(ctx, errandSaga.With(errand{Desks: []string{"a"}, Fail: true})), saga.ErrStuck) // after it was tried again
			must(t, e.Do(ctx, take.On("a", 1).As("id")))
			if !c.atOnce {
				wantDiary(t, e)
			}
			e = reopen(t, e, o, parts...)
			clock.setTo(at(c.to))
			wantDiary(t, e, 1)
			must(t, e.Do(ctx, take.On("a", 1).As("id")))
			if n := ask(t, e, taken.On("a")); n != 2 { // one of them the saga's
				t.Errorf("%d were taken, want 2", n)
			}
		})
	}
}
