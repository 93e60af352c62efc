package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/saga"
)

// audit compares each batch with what its epoch was charged for: it has no more, but for some bytes a row.
type audit struct {
	mu      sync.Mutex
	charged map[uint64]int64
	batches int
	largest int
	wrong   []error
}

// rowSlack is what a row may have besides what was counted: its names, its key.
const rowSlack = 512

func (a *audit) watch(s *seams.Set) {
	a.charged = map[uint64]int64{}
	s.Charged = func(epoch uint64, bytes int64) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.charged[epoch] = bytes
	}
	s.Log = seams.Over(func(epoch uint64, b *table.Batch, write func() error) error {
		a.mu.Lock()
		a.batches++
		a.largest = max(a.largest, b.Len())
		if most := a.charged[epoch] + rowSlack*int64(b.Count()); int64(b.Len()) > most {
			a.wrong = append(a.wrong, fmt.Errorf("epoch %d has %d bytes in %d rows, and was charged for %d", epoch, b.Len(), b.Count(), a.charged[epoch]))
		}
		a.mu.Unlock()
		return write()
	})
}

func (a *audit) check(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := errors.Join(a.wrong...); err != nil || a.batches == 0 {
		t.Errorf("of %d batches: %v", a.batches, err)
	}
}

// tight vats do not leak.
var tight atomic.Bool

// Vats take bytes, send them on, and emit them.
var (
	vats   = functions.NewType[crate]("test/vat")
	newVat = functions.Create(vats, "new", func(*functions.Ctx, *crate, int) error { return nil })
	pour   = functions.Upsert(vats, "pour", func(_ *functions.Ctx, v *crate, goods []byte) error { v.Goods = goods; return nil })
	leak   = functions.Update(vats, "leak", func(_ *functions.Ctx, _ *crate, goods []byte) error {
		if tight.Load() {
			return nil
		}
		return errRude
	})
	sip     = functions.View(vats, "sip", func(_ *functions.Ctx, v crate) ([]byte, error) { return v.Goods, nil })
	drainIn = functions.NewEgress[[]byte]("drain")
	spread  = functions.Update(vats, "spread", func(ctx *functions.Ctx, _ *crate, n int) error {
		for i := range n {
			goods := make([]byte, 20_000)
			ctx.Send(pour.On(fmt.Sprint("spread", i), goods))
			ctx.Emit(drainIn.Record("", goods))
			id := ctx.SendAfter(time.Hour, pour.On(fmt.Sprint("timer", i), goods))
			ctx.SendAfter(time.Millisecond, pour.On(ctx.Self().ID, goods))
			if i%2 == 0 {
				ctx.Cancel(id)
			}
		}
		return nil
	})
	empty = functions.Delete(vats, "empty", func(*functions.Ctx, *crate) error { return nil })
	// fat steps carry bytes in all that a journal has.
	fatSaga = saga.New("test/fat", func(s *saga.Run, a fatRun) error {
		goods := make([]byte, a.Bytes)
		var steps []saga.Step
		for i := range a.Steps {
			steps = append(steps, saga.Step{Do: pour.On(fmt.Sprint("fat", i), goods), Undo: pour.On(fmt.Sprint("fat", i), goods)})
		}
		for range a.Effects {
			s.OnSuccess(drainIn.Record("", goods))
			s.OnFailure(drainIn.Record("", goods), pour.On("effect", goods))
		}
		if err := s.All(steps...); err != nil {
			return err
		}
		if a.Sleep > 0 {
			if err := s.Sleep(a.Sleep); err != nil {
				return err
			}
		}
		if a.Stick {
			if err := s.Do(pour.On("stick", nil), leak.On("stick", goods)); err != nil {
				return err
			}
		}
		if a.Fail {
			return errRude
		}
		return nil
	})
)

type fatRun struct {
	Steps, Effects, Bytes int
	Sleep                 time.Duration
	Stick, Fail           bool
	Input                 []byte
}

// TestBatchesAreWhatWasCharged: what an epoch writes is counted before it is cut, whatever it is: states, results, messages, timers, runs,
// each part of a journal, records, and what is parked. Else an epoch could not be cut before it is too large.
func TestBatchesAreWhatWasCharged(t *testing.T) {
	var far received
	refuse := engine.Callback(func(ctx context.Context, r engine.Record) error {
		if r.Seq%7 == 0 {
			return engine.Refuse(0, errRude)
		}
		return far.Write(ctx, []engine.Record{r})
	})
	var a audit
	o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxBytes: 32 << 10, MaxEpochBytes: 8 << 20, MaxUndoTries: 2, Logger: new(logLines).logger(),
		Egresses: map[string]engine.Egress{"drain": refuse}}
	a.watch(&o.Seams)
	parts := []functions.Part{vats, fatSaga}
	e := open(t, o, parts...)
	must(t, e.Do(ctx, newVat.On("v", 0)))
	must(t, e.Do(ctx, spread.On("v", 10)))
	must(t, e.Do(ctx, pour.On("w", make([]byte, 20_000)).As("id")))
	if _, err := engine.Ask(ctx, e, sip.On("w").As("sip")); err != nil {
		t.Fatal(err)
	}
	for i, r := range []fatRun{
		{Steps: 20, Effects: 5},
		{Steps: 300, Effects: 5, Fail: true}, // more than go out at once
		{Steps: 20, Sleep: 5 * time.Millisecond, Effects: 5},
		{Steps: 20, Sleep: 5 * time.Millisecond, Effects: 5, Fail: true},
		{Steps: 20, Effects: 20, Fail: true, Stick: true, Sleep: time.Millisecond},
	} {
		if r.Bytes, r.Input = 20_000, make([]byte, 20_000); r.Steps > 100 {
			r.Bytes = 1000
		}
		err := e.Do(ctx, fatSaga.As(fmt.Sprint("fat-", i), r))
		if (err != nil) != r.Fail || errors.Is(err, saga.ErrStuck) != r.Stick {
			t.Errorf("%+v: %v", r.Steps, err)
		}
	}
	eventually(t, "records are parked", func() bool { p, _ := e.ParkedRecords(ctx, "drain"); return len(p) > 2 })
	must(t, e.RetryParked(ctx, "drain", 7))
	must(t, e.Do(ctx, empty.On("v")))
	e = reopen(t, e, o, parts...)
	all, err := e.Sagas(ctx)
	must(t, err)
	must(t, e.DecideSaga(ctx, all[0].ID, saga.MarkDone))
	wantErr(t, e.Do(ctx, fatSaga.As("fat-4", fatRun{Steps: 20, Effects: 20, Fail: true, Stick: true, Sleep: time.Millisecond, Bytes: 20_000, Input: make([]byte, 20_000)})), errRude)
	must(t, e.Close())
	a.check(t)
	t.Logf("%d batches, the largest of %d bytes", a.batches, a.largest)
}

// TestEffectsOfManyOutcomes: sagas that end together, each with large effects of its failure, end in as many epochs as that takes. Those
// that are being undone have the effects in rows that are written once, however often a compensation is tried, and are gone in the end.
func TestEffectsOfManyOutcomes(t *testing.T) {
	const most, sagas, bytes = 1 << 20, 60, 60_000 // of the effects of each saga
	var far received
	var a audit
	var written atomic.Int64
	clock := newPassingClock()
	o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxBytes: 32 << 10, MaxEpochBytes: most, MaxUndoTries: 1000, Logger: new(logLines).logger(),
		Egresses: map[string]engine.Egress{"drain": &far}}
	a.watch(&o.Seams)
	o.Seams.Clock = clock
	watched := o.Seams.Log
	o.Seams.Log = func(own seams.Log) seams.Log {
		return seams.Over(func(_ uint64, b *table.Batch, write func() error) error {
			written.Add(int64(b.Len()))
			return write()
		})(watched(own))
	}
	e := open(t, o, vats, fatSaga)
	tight.Store(false)
	var pending []engine.Pending
	for i := range sagas {
		p, err := e.Submit(fatSaga.As(fmt.Sprint(i), fatRun{Steps: 1, Effects: 2, Bytes: bytes / 4, Fail: true, Stick: true}))
		must(t, err)
		pending = append(pending, p)
	}
	failed := func(tries int) func() bool {
		return func() bool {
			all, err := e.Sagas(ctx)
			n := 0
			for _, s := range all {
				for _, step := range s.Steps {
					if step.Tries >= tries {
						n++
					}
				}
			}
			return err == nil && n == sagas
		}
	}
	for tries := range 5 {
		eventually(t, "all compensations have failed", failed(tries+1))
		clock.pass(time.Hour)
	}
	eventually(t, "all compensations have failed", failed(6))
	if n := written.Load(); n > 4*sagas*bytes {
		t.Errorf("%d bytes were written for effects of %d", n, sagas*bytes)
	}
	tight.Store(true)
	clock.pass(time.Hour) // the answers to all compensations come together
	for _, p := range pending {
		wantErr(t, p.Wait(ctx), errRude)
	}
	eventually(t, "all records arrive", func() bool { return len(far.all()) == 2*sagas })
	must(t, e.Close())
	if a.check(t); a.largest > most {
		t.Errorf("the largest batch had %d bytes, the bound is %d", a.largest, most)
	}
	for key := range rowsOf(t, o.Dir) {
		if key[2] == format.KindJournal {
			t.Errorf("the row %x is left", key)
		}
	}
	t.Logf("%d batches, the largest of %d bytes", a.batches, a.largest)
}

// TestEffectsCountForTheJournal: effects that a saga attaches take room in its journal; one that attaches too much fails and is undone.
func TestEffectsCountForTheJournal(t *testing.T) {
	o := engine.Options{MaxBytes: 32 << 10, MaxJournalBytes: 100_000, Egresses: map[string]engine.Egress{"drain": new(received)}}
	e := open(t, o, vats, fatSaga)
	must(t, e.Do(ctx, fatSaga.With(fatRun{Steps: 1, Effects: 2, Bytes: 10_000}))) // 60,000 of effects, 20,000 of the step
	for what, r := range map[string]fatRun{
		"effects":            {Effects: 4, Bytes: 10_000},
		"steps with effects": {Steps: 3, Effects: 2, Bytes: 10_000},
	} {
		err := e.Do(ctx, fatSaga.With(r))
		if wantErr(t, err, functions.ErrTooLarge, "MaxJournalBytes"); !strings.Contains(err.Error(), "at most 100000") && !strings.Contains(err.Error(), "room for 1000") {
			t.Errorf("%s: %v", what, err)
		}
	}
	noSagas(t, e)
}

// TestStepsAtOnceFitIntoAnEpoch: they are recorded together, so they are bounded together, and what is too much is not begun.
func TestStepsAtOnceFitIntoAnEpoch(t *testing.T) {
	e := open(t, engine.Options{MaxBytes: 32 << 10, MaxEpochBytes: 1 << 20}, vats, fatSaga)
	must(t, e.Do(ctx, fatSaga.With(fatRun{Steps: 10, Bytes: 10_000})))
	wantErr(t, e.Do(ctx, fatSaga.With(fatRun{Steps: 20, Bytes: 10_000})), functions.ErrTooLarge, "20 steps", "MaxEpochBytes")
	if ask(t, e, vats.Exists("fat10")) {
		t.Error("some of the steps were made")
	}
}
