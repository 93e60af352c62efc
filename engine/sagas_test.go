package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
)

// A desk is taken and given back. One that is stubborn does not take anything back.
type desk struct {
	Taken    int
	Stubborn bool
}

const errStubborn functions.Failure = "test: stubborn"

var (
	desks   = functions.NewType[desk]("test/desk")
	newDesk = functions.Create(desks, "new", func(_ *functions.Ctx, d *desk, stubborn bool) error { d.Stubborn = stubborn; return nil })
	take    = functions.Update(desks, "take", func(_ *functions.Ctx, d *desk, n int) error { d.Taken += n; return nil })
	give    = functions.Update(desks, "give", func(_ *functions.Ctx, d *desk, n int) error {
		if d.Stubborn {
			return fmt.Errorf("%w: keeps %d", errStubborn, n)
		}
		d.Taken -= n
		return nil
	})
	stubborn = functions.Update(desks, "stubborn", func(_ *functions.Ctx, d *desk, s bool) error { d.Stubborn = s; return nil })
	taken    = functions.View(desks, "taken", func(_ *functions.Ctx, d desk) (int, error) { return d.Taken, nil })
)

// errand takes desks one after the other, waits, and succeeds or fails.
type errand struct {
	Desks []string
	Wait  time.Duration
	Fail  bool
}

var errandSaga = saga.New("test/errand", func(s *saga.Run, a errand) error {
	s.OnSuccess(jot.On("diary", 1))
	s.OnFailure(jot.On("diary", 2))
	for i, d := range a.Desks {
		if err := s.Do(take.On(d, i+1), give.On(d, i+1)); err != nil {
			return err
		}
	}
	if a.Wait > 0 {
		if err := s.Sleep(a.Wait); err != nil {
			return err
		}
	}
	if a.Fail {
		return errRude
	}
	return nil
})

func errandParts() []functions.Part { return []functions.Part{notes, desks, errandSaga} }

func openErrands(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	e := open(t, o, errandParts()...)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	for _, d := range []string{"a", "b", "c"} {
		must(t, e.Do(ctx, newDesk.On(d, false)))
	}
	return e
}

func wantTaken(t *testing.T, e *engine.Engine, a, b, c int) {
	t.Helper()
	got := [3]int{ask(t, e, taken.On("a")), ask(t, e, taken.On("b")), ask(t, e, taken.On("c"))}
	if got != [3]int{a, b, c} {
		t.Errorf("the desks hold %v, want %v", got, [3]int{a, b, c})
	}
}

// theSaga waits until exactly one saga is listed, in this phase.
func theSaga(t *testing.T, e *engine.Engine, phase string) engine.SagaInfo {
	t.Helper()
	var all []engine.SagaInfo
	eventually(t, fmt.Sprintf("one saga is listed as %v", phase), func() bool {
		var err error
		all, err = e.Sagas(ctx)
		must(t, err)
		return len(all) == 1 && all[0].Phase == phase
	})
	return all[0]
}

func noSagas(t *testing.T, e *engine.Engine) {
	t.Helper()
	all, err := e.Sagas(ctx)
	must(t, err)
	if len(all) != 0 {
		t.Errorf("sagas are listed that ended: %+v", all)
	}
}

// TestSleepingSagaSurvivesRestart: it is listed while it sleeps, goes on after a restart (also when its time passed meanwhile),
// makes each step once, and who asks again under its id gets its outcome.
func TestSleepingSagaSurvivesRestart(t *testing.T) {
	for _, whileClosed := range []bool{false, true} {
		clock := newHandClock()
		o := engine.Options{Dir: t.TempDir(), Workers: 2, Seams: seams.Set{Clock: clock}}
		e := openErrands(t, o)
		request := errandSaga.As("e1", errand{Desks: []string{"a", "b"}, Wait: time.Hour})
		pending, err := e.Submit(request)
		must(t, err)
		info := theSaga(t, e, "running")
		if info.Function != "test/errand" || info.RequestID != "e1" || len(info.Steps) != 3 || info.Failure != nil {
			t.Errorf("it is listed as %+v", info)
		}
		if got, want := fmt.Sprint(info.Steps[0].Call, info.Steps[0].Undo, info.Steps[2].Call), "test/desk.take(a)test/desk.give(a)sleep of 1h0m0s"; strings.ReplaceAll(got, " test", "test") != want {
			t.Errorf("its steps are listed as %q", got)
		}
		must(t, e.Close())
		wantErr(t, pending.Wait(ctx), engine.ErrUnknown)

		if whileClosed {
			clock.move(2 * time.Hour)
		}
		o.Workers = 3
		e = open(t, o, errandParts()...)
		if !whileClosed {
			if again := theSaga(t, e, "running"); again.ID != info.ID {
				t.Errorf("the saga has number %d, had %d", again.ID, info.ID)
			}
			clock.move(time.Hour - 1)
			theSaga(t, e, "running")
		}
		pending, err = e.Submit(request)
		must(t, err)
		clock.move(1)
		must(t, pending.Wait(ctx))
		wantTaken(t, e, 1, 2, 0)
		noSagas(t, e)
		e = reopen(t, e, o, errandParts()...)
		must(t, e.Do(ctx, request))
		wantTaken(t, e, 1, 2, 0)
		if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{1}) {
			t.Errorf("the outcome's effects are %v", got)
		}
	}
}

// TestStuckSaga: a compensation that fails in all its tries leaves the saga stuck. That is listed with the reason, told to whoever
// asks under its id, and stays so over a restart, until somebody decides: then it ends as decided, and the id has that outcome.
func TestStuckSaga(t *testing.T) {
	for _, c := range []struct {
		decision saga.Decision
		give     bool // the stubborn desk gives in first
		a, b, c  int
	}{
		{saga.Retry, true, 0, 0, 0},
		{saga.Skip, false, 0, 2, 0},
		{saga.MarkDone, false, 1, 2, 0},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%v", c.decision, restart), func(t *testing.T) {
				clock := newPassingClock()
				var log logLines
				o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxUndoTries: 3, Logger: log.logger(), Seams: seams.Set{Clock: clock}}
				e := openErrands(t, o)
				must(t, e.Do(ctx, stubborn.On("b", true)))
				request := errandSaga.As("e1", errand{Desks: []string{"a", "b", "c"}, Fail: true})
				wantErr(t, doMoving(e, clock, request), saga.ErrStuck, "test: rude", "test/desk.give(b)", "keeps 2")
				if log.line("stuck", "test/errand") == "" {
					t.Errorf("the log says: %s", log.String())
				}
				wantTaken(t, e, 1, 2, 0)
				if restart {
					e = reopen(t, e, o, errandParts()...)
				}
				info := theSaga(t, e, "stuck")
				if s := info.Steps; !errors.Is(info.Failure, errRude) || s[1].Tries != 3 || !errors.Is(s[1].Err, errStubborn) || s[2].Undone != sagas.Compensated {
					t.Errorf("it is listed as %+v", info)
				}
				err := e.Do(ctx, request)
				wantErr(t, err, saga.ErrStuck)
				wantErr(t, err, engine.ErrUnknown)
				wantErr(t, e.Do(ctx, errandSaga.As("e1", errand{})), engine.ErrReusedID)
				wantErr(t, e.CancelSaga(ctx, info.ID), engine.ErrNoSaga)
				if got := ask(t, e, lines.On("diary")); len(got) != 0 {
					t.Errorf("before the saga is over there are effects: %v", got)
				}

				must(t, e.DecideSaga(ctx, info.ID, saga.Retry)) // in vain
				eventually(t, "it is stuck again", func() bool {
					clock.pass(time.Minute)
					all, err := e.Sagas(ctx)
					must(t, err)
					return len(all) == 1 && all[0].Phase == "stuck"
				})
				if c.give {
					must(t, e.Do(ctx, stubborn.On("b", false)))
				}
				must(t, e.DecideSaga(ctx, info.ID, c.decision))
				err = e.Do(ctx, request)
				wantErr(t, err, errRude)
				if errors.Is(err, saga.ErrStuck) || errors.Is(err, engine.ErrUnknown) {
					t.Errorf("the final outcome is %v", err)
				}
				wantTaken(t, e, c.a, c.b, c.c)
				noSagas(t, e)
				wantErr(t, e.DecideSaga(ctx, info.ID, c.decision), engine.ErrNoSaga)
				e = reopen(t, e, o, errandParts()...)
				wantErr(t, e.Do(ctx, request), errRude)
				noSagas(t, e)
				if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{2}) {
					t.Errorf("the outcome's effects are %v", got)
				}
			})
		}
	}
}

// doMoving makes a request while time passes.
func doMoving(e *engine.Engine, clock *passingClock, r functions.Request) error {
	pending, err := e.Submit(r)
	if err != nil {
		return err
	}
	for !pending.Done() {
		clock.pass(time.Second)
		time.Sleep(time.Millisecond)
	}
	return pending.Wait(ctx)
}

// TestDecideSaga refuses what is no decision, and sagas that are not stuck.
func TestDecideSaga(t *testing.T) {
	e := openErrands(t, engine.Options{Seams: seams.Set{Clock: newHandClock()}})
	if _, err := e.Submit(errandSaga.With(errand{Desks: []string{"a"}, Wait: time.Hour})); err != nil {
		t.Fatal(err)
	}
	info := theSaga(t, e, "running")
	wantErr(t, e.DecideSaga(ctx, info.ID, saga.Retry), engine.ErrNoSaga, "running")
	wantErr(t, e.DecideSaga(ctx, info.ID+1000, saga.Retry), engine.ErrNoSaga)
	if err := e.DecideSaga(ctx, info.ID, 0); err == nil {
		t.Error("0 is no decision")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for range 100 { // who does not wait does no harm
		if err := e.CancelSaga(ended, info.ID+1000); err == nil {
			t.Error("an unknown saga was cancelled")
		}
		_, _ = e.Sagas(ended)
	}
}

// TestCancelSaga compensates a sleeping saga, at once and also after a restart; its outcome is ErrCancelled, and what its body
// attached to failure happens.
func TestCancelSaga(t *testing.T) {
	for _, restart := range []bool{false, true} {
		o := engine.Options{Dir: t.TempDir(), Workers: 2, Seams: seams.Set{Clock: newHandClock()}}
		e := openErrands(t, o)
		request := errandSaga.As("e1", errand{Desks: []string{"a", "b"}, Wait: time.Hour})
		_, err := e.Submit(request)
		must(t, err)
		info := theSaga(t, e, "running")
		if restart {
			e = reopen(t, e, o, errandParts()...)
		}
		pending, err := e.Submit(request)
		must(t, err)
		must(t, e.CancelSaga(ctx, info.ID))
		wantErr(t, pending.Wait(ctx), saga.ErrCancelled)
		wantTaken(t, e, 0, 0, 0)
		noSagas(t, e)
		wantErr(t, e.CancelSaga(ctx, info.ID), engine.ErrNoSaga)
		e = reopen(t, e, o, errandParts()...)
		wantErr(t, e.Do(ctx, request), saga.ErrCancelled)
		wantTaken(t, e, 0, 0, 0)
		if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{2}) {
			t.Errorf("the effects of a cancelled saga are %v, want those of failure", got)
		}
	}
}

// TestChangedSagaDiverges: a saga whose function was changed between two openings, so that it makes other steps than were
// recorded, is stopped with an error that names the step, and its recorded steps are compensated.
func TestChangedSagaDiverges(t *testing.T) {
	takes := func(d string, n int, undo string, wait time.Duration) func(*saga.Run, errand) error {
		return func(s *saga.Run, _ errand) error {
			s.OnFailure(jot.On("diary", 2))
			if err := s.Do(take.On(d, n), give.On(undo, n)); err != nil {
				return err
			}
			return s.Sleep(wait)
		}
	}
	for _, c := range []struct {
		name  string
		body  func(*saga.Run, errand) error
		err   error
		words []string
	}{
		{"another instance", takes("b", 1, "a", time.Hour), saga.ErrDiverged, []string{"step 1 was test/desk.take(a)", "is now test/desk.take(b)"}},
		{"another argument", takes("a", 2, "a", time.Hour), saga.ErrDiverged, []string{"step 1"}},
		{"another compensation", takes("a", 1, "b", time.Hour), saga.ErrDiverged, []string{"undone by test/desk.give(b)"}},
		{"no compensation", func(s *saga.Run, _ errand) error {
			s.OnFailure(jot.On("diary", 2))
			return s.Do(take.On("a", 1), saga.NoUndo)
		}, saga.ErrDiverged, []string{"undone by test/desk.give(a)", "is now test/desk.take(a)"}},
		{"a step in the place of a sleep", func(s *saga.Run, _ errand) error {
			s.OnFailure(jot.On("diary", 2))
			if err := s.Do(take.On("a", 1), give.On("a", 1)); err != nil {
				return err
			}
			return s.Do(take.On("b", 1), give.On("b", 1))
		}, saga.ErrDiverged, []string{"step 2", "sleep of 1h0m0s", "is now test/desk.take(b)"}},
		{"fewer steps", func(s *saga.Run, _ errand) error {
			s.OnSuccess(jot.On("diary", 1))
			s.OnFailure(jot.On("diary", 2))
			return s.Do(take.On("a", 1), give.On("a", 1))
		}, saga.ErrDiverged, []string{"returned", "step 2"}},
		{"at once", func(s *saga.Run, _ errand) error {
			s.OnFailure(jot.On("diary", 2))
			return s.All(saga.Step{Do: take.On("a", 1), Undo: give.On("a", 1)}, saga.Step{Do: take.On("b", 1), Undo: saga.NoUndo})
		}, saga.ErrDiverged, []string{"step 2"}},
		{"it fails", func(s *saga.Run, _ errand) error { s.OnFailure(jot.On("diary", 2)); return errRude }, errRude, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newHandClock()
			o := engine.Options{Dir: t.TempDir(), KeepOutcomes: 48 * time.Hour, Seams: seams.Set{Clock: clock}}
			e := openErrands(t, o)
			request := errandSaga.As("e1", errand{Desks: []string{"a"}, Wait: time.Hour})
			_, err := e.Submit(request)
			must(t, err)
			theSaga(t, e, "running")
			e = reopen(t, e, o, notes, desks, saga.New("test/errand", c.body))
			wantErr(t, e.Do(ctx, request), c.err, c.words...)
			wantTaken(t, e, 0, 0, 0)
			clock.move(24 * time.Hour)
			wantErr(t, e.Do(ctx, request), c.err)
			noSagas(t, e)
			if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{2}) {
				t.Errorf("the effects are %v, want those of failure", got)
			}
		})
	}
}

// TestSagaUndoesInReverse: groups are compensated the last first, each step that succeeded once; one that failed, and one that
// needs none, not at all. The body may go on after a failed step.
func TestSagaUndoesInReverse(t *testing.T) {
	step := func(n int) saga.Step { return saga.Step{Do: jot.On("diary", n), Undo: jot.On("diary", -n)} }
	s := saga.New("test/reverse", func(s *saga.Run, fail bool) error {
		if err := s.All(step(1)); err != nil {
			return err
		}
		if err := s.Do(jotThen.On("diary", 100), jot.On("diary", -100)); !errors.Is(err, errRude) {
			return fmt.Errorf("test: the failed step gives %w", err)
		}
		if err := s.Do(jot.On("diary", 2), saga.NoUndo); err != nil {
			return err
		}
		if err := s.All(step(3), step(4)); err != nil {
			return err
		}
		if all, err := saga.Ask(s, lines.On("diary")); err != nil || len(all) != 4 {
			return fmt.Errorf("test: the diary has %v, %w", all, err)
		}
		if err := s.All(); err != nil {
			return err
		}
		if fail {
			return errRude
		}
		return nil
	})
	for _, fail := range []bool{false, true} {
		e := open(t, engine.Options{}, notes, s)
		must(t, e.Do(ctx, newNote.On("diary", 0)))
		want := []int{1, 2, 3, 4}
		if err := e.Do(ctx, s.With(fail)); fail {
			wantErr(t, err, errRude)
			want = append(want, -3, -4, -1)
		} else {
			must(t, err)
		}
		got := ask(t, e, lines.On("diary"))
		if len(got) == 7 {
			slices.SortFunc(got[4:6], func(a, b int) int { return b - a }) // these run at once
		}
		if !slices.Equal(got, want) {
			t.Errorf("the diary has %v, want %v", got, want)
		}
	}
}

var (
	quickSaga = saga.New("test/quick", func(s *saga.Run, n int) error { return s.Do(take.On("a", n), give.On("a", n)) })
	startMany = functions.Update(starters, "start-many", func(ctx *functions.Ctx, _ *talker, n int) error {
		for range n {
			ctx.Send(quickSaga.With(1))
		}
		return nil
	})
)

// TestSagasWithWaitingStarts lists sagas while thousands that messages have started wait for their turn in epochs that are cut
// short.
func TestSagasWithWaitingStarts(t *testing.T) {
	e := open(t, engine.Options{Workers: 2, MaxDrain: time.Microsecond}, notes, desks, starters, spinners, jotSaga, jotTx, quickSaga)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newStarter.On("s", 0)))
	must(t, e.Do(ctx, newSpinner.On("s", 0)))
	must(t, e.Do(ctx, spin.On("s", 1)))
	for range 5 {
		p, err := e.Submit(startMany.On("s", 1000))
		must(t, err)
		for !p.Done() {
			_, err := e.Sagas(ctx)
			must(t, err)
		}
		must(t, p.Wait(ctx))
	}
	must(t, e.Do(ctx, brake.On("s", 0)))
	eventually(t, "all sagas end", func() bool { return ask(t, e, taken.On("a")) == 5000 })
	if s := e.Stats(); s.Carried == 0 {
		t.Errorf("no epoch was cut short: %+v", s)
	}
	eventually(t, "no saga is left", func() bool { all, err := e.Sagas(ctx); return err == nil && len(all) == 0 })
}
