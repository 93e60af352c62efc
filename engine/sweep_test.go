package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

// sweepOptions are those of an engine that keeps outcomes for a minute and sweeps a few rows at a time.
func sweepOptions(t *testing.T) (engine.Options, *passingClock) {
	clock := newPassingClock()
	return engine.Options{
		Dir: t.TempDir(), Workers: 2, KeepOutcomes: time.Minute, Seams: engine.Seams{Clock: clock, SweepEvery: sweepEvery},
	}, clock
}

const sweepEvery = 16

// TestIDUsedAgainWhileItIsSwept: an id that has expired and is used again has its new outcome, also if its old row is swept in the
// same epoch.
func TestIDUsedAgainWhileItIsSwept(t *testing.T) {
	swept := uint64(0)
	for _, others := range []int{sweepEvery - 2, sweepEvery - 1} { // the sweeper's turn comes with the epoch that has the id again, or after it
		o, clock := sweepOptions(t)
		e := openDesk(t, o)
		request := take.On("a", 1).As("id")
		must(t, e.Do(ctx, request))
		for i := range others {
			must(t, e.Do(ctx, stubborn.On("a", false).As(fmt.Sprint("other-", i))))
		}
		clock.pass(2 * time.Minute)
		must(t, e.Do(ctx, request))
		swept += e.Stats().Swept
		check := func(when string) {
			t.Helper()
			for range 2 {
				must(t, e.Do(ctx, stubborn.On("a", false))) // an epoch passes: what the request did is in its row only
			}
			must(t, e.Do(ctx, request))
			if n := ask(t, e, taken.On("a")); n != 2 {
				t.Errorf("%s it has run %d times, want 2", when, n)
			}
		}
		check("at once")
		e = reopen(t, e, o, requestParts()...)
		check("after a restart")
	}
	if swept != sweepEvery {
		t.Errorf("%d rows were swept with the request that has one of their ids, want %d", swept, sweepEvery)
	}
}

// TestSweepMissesNoRow: however a walk over the outcomes is cut into portions, those that are kept are known afterwards.
func TestSweepMissesNoRow(t *testing.T) {
	const old, kept, more = 10, 600, 1200
	o, clock := sweepOptions(t)
	e := openDesk(t, o)
	submit := func(prefix string, n int) {
		t.Helper()
		for first := 0; first < n; first += sweepEvery { // so few at a time that each portion of the walk is a small one
			submitAll(t, e, min(sweepEvery, n-first), func(i int) functions.Request { return take.On("a", 1).As(fmt.Sprint(prefix, first+i)) })
		}
	}
	submit("old", old)
	clock.pass(45 * time.Second)
	submit("kept", kept)
	clock.pass(20 * time.Second)
	submit("more", more) // the walk looks at two rows for each of these, so it comes to its end
	if swept := e.Stats().Swept; swept != old {
		t.Fatalf("%d rows were swept, want %d", swept, old)
	}
	before := ask(t, e, taken.On("a"))
	submit("kept", kept)
	if n := ask(t, e, taken.On("a")); n != before {
		t.Errorf("of the ids to be kept %d ran again", n-before)
	}
}

// TestSweepIsNotLate: a walk over the outcomes begins when the oldest that the last one has left is expired.
func TestSweepIsNotLate(t *testing.T) {
	const old = 10
	o, clock := sweepOptions(t) // where none is older than the opening
	e := openDesk(t, o)
	submit := func(prefix string, n int) {
		t.Helper()
		for i := range n {
			must(t, e.Do(ctx, take.On("a", 1).As(fmt.Sprint(prefix, i))))
		}
	}
	clock.pass(45 * time.Second)
	submit("old", old)
	clock.pass(20 * time.Second)
	submit("more", 10*sweepEvery) // a walk that finds nothing to sweep
	clock.pass(45 * time.Second)
	submit("most", 20*sweepEvery)
	if swept := e.Stats().Swept; swept != old {
		t.Errorf("%d rows were swept a minute and five seconds after they came, want %d", swept, old)
	}
}
