package engine_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/twopc"
)

// A crate holds as many bytes as it is told.
type crate struct{ Goods []byte }

// freight is how many crates are loaded, and with how much.
type freight struct {
	From, Crates, Bytes int
}

var (
	crates  = functions.NewType[crate]("test/crate")
	pack    = functions.Create(crates, "pack", func(_ *functions.Ctx, c *crate, bytes int) error { c.Goods = make([]byte, bytes); return nil })
	repack  = functions.Update(crates, "repack", func(_ *functions.Ctx, c *crate, bytes int) error { c.Goods = make([]byte, bytes); return nil })
	weigh   = functions.View(crates, "weigh", func(_ *functions.Ctx, c crate) (int, error) { return len(c.Goods), nil })
	unload  = functions.View(crates, "unload", func(_ *functions.Ctx, c crate) ([]byte, error) { return c.Goods, nil })
	crateIn = functions.NewEgress[[]byte]("crates")
	ship    = functions.Update(crates, "ship", func(ctx *functions.Ctx, c *crate, times int) error {
		for range times {
			ctx.Emit(crateIn.Record("", c.Goods))
		}
		return nil
	})
	load = twopc.New("test/load", func(tx *twopc.Tx, f freight) error {
		var calls []functions.Call
		for i := range f.Crates {
			calls = append(calls, pack.On(fmt.Sprint(f.From+i), f.Bytes))
		}
		return tx.All(calls...)
	})
	// reload changes one crate again and again.
	reload = twopc.New("test/reload", func(tx *twopc.Tx, f freight) error {
		for range f.Crates {
			if err := tx.Do(repack.On(fmt.Sprint(f.From), f.Bytes)); err != nil {
				return err
			}
		}
		return nil
	})
)

// TestEpochsAreBounded: however much is written at a time, no batch is larger than Options.MaxEpochBytes. All that is asked for
// happens nevertheless, spread over several epochs, except for a transaction that needs more than a quarter by itself: it fails and
// leaves nothing.
func TestEpochsAreBounded(t *testing.T) {
	const most = 1 << 20
	var largest int
	o := engine.Options{Workers: 2, MaxBytes: 32 << 10, MaxEpochBytes: most, CacheBytes: 64 << 20}
	o.Seams.Log = seams.Over(func(_ uint64, b *table.Batch, write func() error) error {
		largest = max(largest, b.Len())
		time.Sleep(10 * time.Millisecond) // there is time to change a lot meanwhile
		return write()
	})
	e := open(t, o, crates, load, reload)
	wantErr(t, e.Do(ctx, load.With(freight{1000, 10, 30_000})), functions.ErrTooLarge, "MaxEpochBytes")
	if ask(t, e, crates.Exists("1000")) {
		t.Error("a transaction that was too large has left something")
	}
	must(t, e.Do(ctx, pack.On("again", 10)))
	must(t, e.Do(ctx, load.With(freight{1000, 8, 30_000}))) // the largest that fits
	must(t, e.Do(ctx, reload.With(freight{1000, 100, 30_000})))
	var group sync.WaitGroup
	few := make(chan struct{}, most/(8*30_000)) // as many as may be undecided at a time: see TestUndecidedTransactionsAreBounded
	for i := range 100 {
		group.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			if err := e.Do(ctx, load.As(fmt.Sprint("load-", i), freight{10 * i, 8, 30_000})); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			if err := e.Do(ctx, pack.On(fmt.Sprint("plain-", i), 30_000)); err != nil {
				t.Error(err)
			}
			if data, err := engine.Ask(ctx, e, unload.On("1000").As(fmt.Sprint("ask-", i))); err != nil || len(data) != 30_000 {
				t.Error(len(data), err)
			}
		})
	}
	group.Wait()
	if largest > most || largest < most/8 {
		t.Errorf("the largest batch had %d bytes, the bound is %d: an eighth should be there", largest, most)
	}
	for i := range 100 {
		if n := ask(t, e, weigh.On(fmt.Sprint(10*i+7))); n != 30_000 {
			t.Fatalf("crate %d has %d bytes", 10*i+7, n)
		}
	}
}

// TestResultsCountWhereTheyAreMade: a result counts when its operation has run, not only when it has come to the worker that keeps the
// outcome: many can be on their way there.
func TestResultsCountWhereTheyAreMade(t *testing.T) {
	const most = 1 << 20
	largest := 0
	o := engine.Options{Workers: 2, MaxBytes: 32 << 10, MaxEpochBytes: most}
	o.Seams.Log = seams.Over(func(_ uint64, b *table.Batch, write func() error) error {
		largest = max(largest, b.Len())
		time.Sleep(20 * time.Millisecond) // requests gather meanwhile
		return write()
	})
	e := open(t, o, crates)
	must(t, e.Do(ctx, pack.On("c", 30_000)))
	var pending []engine.Pending
	for i := range 600 {
		p, err := e.Submit(unload.On("c").Into(new([]byte)).As(fmt.Sprint("ask-", i)))
		must(t, err)
		pending = append(pending, p)
	}
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	if largest > most {
		t.Errorf("the largest batch had %d bytes, the bound is %d", largest, most)
	}
}

// TestManySmallRowsAreSpread: an epoch has a bound in rows too, so that nobody waits for a seal of a million of them.
func TestManySmallRowsAreSpread(t *testing.T) {
	most := 0
	o := engine.Options{Workers: 1, MaxDrain: time.Hour}
	o.Seams.Log = seams.Over(func(_ uint64, b *table.Batch, write func() error) error {
		most = max(most, b.Count())
		return write()
	})
	e := open(t, o, notes, mills)
	must(t, e.Do(ctx, newMill.On("m", 0)))
	must(t, e.Do(ctx, newNote.On("bell", 0)))
	var pending []engine.Pending
	for range 40 {
		p, err := e.Submit(fill.On("m", make([]grist, 9000)))
		must(t, err)
		pending = append(pending, p)
	}
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	eventually(t, "all is ground", func() bool { return ask(t, e, ground.On("m")) == 40*9000 })
	if most > 120_000 {
		t.Errorf("one epoch had %d rows", most)
	}
}

// TestTooManyMessages: an operation that sends more messages than there is room for fails and sends none; those that were sent are run,
// and then there is room again. A message that leads to another always has room.
func TestTooManyMessages(t *testing.T) {
	e := open(t, engine.Options{Workers: 2, MaxMessages: 100}, mills)
	must(t, e.Do(ctx, newMill.On("m", 0)))
	wantErr(t, e.Do(ctx, fill.On("m", make([]grist, 101))), engine.ErrTooManyMessages)
	must(t, e.Do(ctx, fill.On("m", make([]grist, 100)))) // the bound
	eventually(t, "there is room again", func() bool { return e.Queued() == 0 })
	must(t, e.Do(ctx, fill.On("m", slices.Repeat([]grist{{Again: 50}}, 100))))
	eventually(t, "each has led to fifty more", func() bool { return ask(t, e, ground.On("m")) == 100+100*51 })
	if n := e.Queued(); n != 0 {
		t.Errorf("%d messages count as not run", n)
	}
}

// TestMaxTimersIsTheEngines: the bound is the engine's, however many workers it has; timers that fired or were cancelled, and sleeping
// sagas, do not count.
func TestMaxTimersIsTheEngines(t *testing.T) {
	clock := newHandClock()
	e := openBells(t, engine.Options{Workers: 4, MaxTimers: 3, Seams: seams.Set{Clock: clock}})
	for i, bell := range []string{"b", "c", "b"} {
		must(t, e.Do(ctx, set.On(bell, []alarm{{i, time.Hour}})))
	}
	for _, bell := range []string{"b", "c"} {
		wantErr(t, e.Do(ctx, set.On(bell, []alarm{{3, time.Hour}})), engine.ErrTooManyTimers)
	}
	must(t, e.Do(ctx, unset.On("c", 1)))
	must(t, e.Do(ctx, set.On("b", []alarm{{3, 2 * time.Hour}})))
	wantErr(t, e.Do(ctx, set.On("c", []alarm{{4, time.Hour}})), engine.ErrTooManyTimers)
	clock.move(time.Hour)
	eventually(t, "two fire", func() bool { return len(ask(t, e, lines.On("diary"))) == 2 })
	must(t, e.Do(ctx, set.On("c", []alarm{{5, time.Hour}, {6, time.Hour}})))
	wantErr(t, e.Do(ctx, set.On("c", []alarm{{7, time.Hour}})), engine.ErrTooManyTimers)
}

// TestEffectsAreBounded: one operation cannot emit more than an eighth of an epoch.
func TestEffectsAreBounded(t *testing.T) {
	o := engine.Options{MaxBytes: 32 << 10, MaxEpochBytes: 1 << 20, Egresses: map[string]engine.Egress{"crates": new(received)}}
	e := open(t, o, crates)
	must(t, e.Do(ctx, pack.On("c", 30_000)))
	must(t, e.Do(ctx, ship.On("c", 4)))
	wantErr(t, e.Do(ctx, ship.On("c", 5)), functions.ErrTooLarge, "MaxEpochBytes")
}

// TestEpochBytesOptions: the bounds of the bound.
func TestEpochBytesOptions(t *testing.T) {
	for _, c := range []struct {
		bytes int64
		state int
		ok    bool
	}{
		{0, 0, true}, {8 << 20, 0, true}, {8<<20 - 1, 0, false}, {3 << 30, 0, true}, {3<<30 + 1, 0, false}, {-1, 0, false},
		{0, 256 << 20, true}, {1 << 30, 256 << 20, false}, {2 << 30, 256 << 20, true}, {8 << 10, 1 << 10, true},
	} {
		err := engine.Options{Dir: "d", MaxEpochBytes: c.bytes, MaxBytes: c.state}.Validate()
		if (err == nil) != c.ok {
			t.Errorf("MaxEpochBytes %d with MaxBytes %d: %v", c.bytes, c.state, err)
		}
	}
}

// TestLargeRequestsTakeMorePlaces: what waits is bounded in bytes too.
func TestLargeRequestsTakeMorePlaces(t *testing.T) {
	e := open(t, engine.Options{Workers: 1, MaxInFlight: 10}, texts, mills)
	must(t, e.Do(ctx, newText.On("a", nil)))
	must(t, e.Do(ctx, write.On("a", make([]byte, 9*16<<10))))
	wantErr(t, e.Do(ctx, write.On("a", make([]byte, 10*16<<10))), engine.ErrOverloaded)
	must(t, e.Do(ctx, write.On("a", make([]byte, 9*16<<10)))) // the places were given back
}

// TestFullFiltersAreNeverWrong: with filters that have room for few ids, ids are looked for in the store, and each runs once.
func TestFullFiltersAreNeverWrong(t *testing.T) {
	o := engine.Options{Dir: t.TempDir(), Workers: 1, FilterBytes: 1}
	e := openDesk(t, o)
	const n = 100_000 // the smallest filter is good for half as many
	var pending []engine.Pending
	wait := func() {
		t.Helper()
		for _, p := range pending {
			must(t, p.Wait(ctx))
		}
		pending = pending[:0]
	}
	for i := range n {
		p, err := e.Submit(take.On("a", 1).As(fmt.Sprint(i)))
		must(t, err)
		if pending = append(pending, p); len(pending) == 1000 {
			wait()
		}
	}
	for i := range 100 {
		must(t, e.Do(ctx, take.On("a", 1).As(fmt.Sprint(i*999))))
	}
	if got := ask(t, e, taken.On("a")); got != n {
		t.Errorf("%d ids ran %d times", n, got)
	}
	if s := e.Stats(); s.FalseAlarms == 0 {
		t.Error("there were no false alarms: the test tests nothing")
	}
}
