package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
)

// bucketOptions are those of an engine that keeps outcomes for 16 minutes, in buckets of one.
func bucketOptions(t *testing.T) (engine.Options, *passingClock) {
	clock := newPassingClock()
	return engine.Options{Dir: t.TempDir(), Workers: 2, KeepOutcomes: 16 * time.Minute, Seams: seams.Set{Clock: clock}}, clock
}

// TestIDUsedAgain: an id that has expired and is used again has its new outcome, while its old row is still there, when that goes, and after
// a restart.
func TestIDUsedAgain(t *testing.T) {
	o, clock := bucketOptions(t)
	e := openDesk(t, o)
	request := take.On("a", 1).As("id")
	must(t, e.Do(ctx, request))
	clock.pass(30 * time.Second)
	must(t, e.Do(ctx, stubborn.On("a", false).As("the same bucket")))
	clock.pass(time.Minute)
	must(t, e.Do(ctx, stubborn.On("a", false).As("another bucket")))
	clock.pass(15 * time.Minute)
	must(t, e.Do(ctx, request))
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
	if swept := e.Stats().Swept; swept != 0 {
		t.Fatalf("%d rows are gone, the first of the id is to be there", swept)
	}
	check("at once")
	e = reopen(t, e, o, requestParts()...)
	check("after a restart")
	clock.pass(2 * time.Minute)
	must(t, e.Do(ctx, stubborn.On("a", false).As("yet another")))
	if swept := e.Stats().Swept; swept != 2 {
		t.Errorf("%d rows are gone, want those of the first bucket", swept)
	}
	check("when the old row is gone")
}

// TestOutcomesGoInTime: each id is known for as long as outcomes are kept, whatever the engine's opening, buckets and filters did meanwhile;
// and its row goes soon after that.
func TestOutcomesGoInTime(t *testing.T) {
	const minutes, each = 100, 5
	o, clock := bucketOptions(t)
	e := openDesk(t, o)
	ran := 0
	submit := func(minute int, half string) {
		submitAll(t, e, each, func(i int) functions.Request { return take.On("a", 1).As(fmt.Sprint(minute, half, i)) })
	}
	check := func(now, before int, half string) {
		if now < before {
			return
		}
		submit(now-before, half)
		if n := ask(t, e, taken.On("a")); n != ran {
			t.Fatalf("in minute %d of %d requests %d have run: the %shalf of minute %d", now, ran, n, half, now-before)
		}
	}
	for now := range minutes {
		if now%23 == 22 {
			e = reopen(t, e, o, requestParts()...)
		}
		submit(now, " first ")
		ran += each
		for _, before := range []int{1, 7, 8, 9, 15} {
			check(now, before, " first ")
		}
		clock.pass(20 * time.Second)
		must(t, e.Do(ctx, stubborn.On("a", false))) // an epoch passes
		check(now, 16, " second ")                  // the first of its bucket have expired
		clock.pass(20 * time.Second)
		submit(now, " second ")
		ran += each
		check(now, 15, " second ")
		clock.pass(20 * time.Second)
	}
	must(t, e.Close())
	left := 0
	for key := range rowsOf(t, o.Dir) {
		if key[2] == format.KindOutcome {
			left++
		}
	}
	if left < 16*2*each || left > 18*2*each {
		t.Errorf("%d rows are left, want those of 16 to 18 minutes", left)
	}
}

// TestIDsReadBesideWork: an engine with more ids than it reads when it is opened knows all of them at once, and when it has read them it
// looks for new ones no more.
func TestIDsReadBesideWork(t *testing.T) {
	const n = 3000
	o := engine.Options{Dir: t.TempDir(), Workers: 2}
	e := openDesk(t, o)
	submitAll(t, e, n, func(i int) functions.Request { return take.On("a", 1).As(fmt.Sprint(i)) })
	o.Seams.FindAtOpen = 10
	e = reopen(t, e, o, requestParts()...)
	submitAll(t, e, n, func(i int) functions.Request { return take.On("a", 1).As(fmt.Sprint(i)) })
	if got := ask(t, e, taken.On("a")); got != n {
		t.Errorf("%d ids have run %d times", n, got)
	}
	more := 0
	eventually(t, "new ids are not looked for", func() bool {
		before := e.Stats().FalseAlarms
		for range 10 {
			more++
			must(t, e.Do(ctx, take.On("a", 1).As(fmt.Sprint("new-", more))))
		}
		return e.Stats().FalseAlarms == before
	})
	e = reopen(t, e, o, requestParts()...) // closed while ids are read
	must(t, e.Close())
}
