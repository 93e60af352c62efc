package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// forgottenDesks is a type that the engine is not opened with.
var (
	forgottenDesks = functions.NewType[desk]("test/forgotten-desk")
	giveForgotten  = functions.Update(forgottenDesks, "give", func(*functions.Ctx, *desk, int) error { return nil })
	giveLetter     = functions.Update(desks, "give-letter", func(_ *functions.Ctx, d *desk, why string) error { d.Taken--; return nil })
)

// rashSaga takes desk a, then b with the compensation that its test sets, and goes on whatever becomes of that.
var (
	rashUndo functions.Call
	rashSaga = saga.New("test/rash", func(s *saga.Run, alone bool) error {
		if err := s.Do(take.On("a", 1), give.On("a", 1)); err != nil {
			return err
		}
		if alone {
			_ = s.Do(take.On("b", 1), rashUndo)
		} else {
			_ = s.All(saga.Step{Do: take.On("c", 1), Undo: give.On("c", 1)}, saga.Step{Do: take.On("b", 1), Undo: rashUndo})
		}
		return nil
	})
)

// TestCompensationIsChecked: a step whose compensation is missing or could not be delivered is not made, and dooms its saga.
func TestCompensationIsChecked(t *testing.T) {
	o := engine.Options{MaxBytes: 10_000, Logger: new(logLines).logger()}
	e := open(t, o, append(errandParts(), rashSaga)...)
	for _, d := range []string{"a", "b", "c"} {
		must(t, e.Do(ctx, newDesk.On(d, false)))
	}
	var n int
	for name, tc := range map[string]struct {
		undo functions.Call
		want error
		text string
	}{
		"forgotten":     {functions.Call{}, functions.ErrBadCall, "saga.NoUndo"},
		"unknown type":  {giveForgotten.On("b", 1), functions.ErrUnknownOperation, "test/forgotten-desk.give"},
		"too large":     {giveLetter.On("b", strings.Repeat("x", 10_001)), functions.ErrTooLarge, "10000"},
		"no instance":   {give.On("", 1), functions.ErrBadCall, "empty"},
		"of no use":     {taken.On("b").Into(&n), functions.ErrBadCall, "changes nothing"},
		"does not work": {badUndo(), functions.ErrBadCall, "zero value"},
	} {
		for _, alone := range []bool{true, false} {
			rashUndo = tc.undo
			err := e.Do(ctx, rashSaga.With(alone))
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%s: %v", name, err)
			}
			wantTaken(t, e, 0, 0, 0)
		}
	}
	noSagas(t, e)
	rashUndo = saga.NoUndo
	must(t, e.Do(ctx, rashSaga.With(false)))
	rashUndo = giveLetter.On("b", strings.Repeat("x", 9_997)) // at the bound: 10,000 bytes with its length
	must(t, e.Do(ctx, rashSaga.With(false)))
	wantTaken(t, e, 2, 2, 2)
}

func badUndo() functions.Call {
	var nobodyMade functions.Command[int]
	return nobodyMade.On("b", 1)
}

// TestQuestionsNeedNoUndo: what changes nothing has nothing to undo, and need not say so.
func TestQuestionsNeedNoUndo(t *testing.T) {
	asks := saga.NewReturning("test/asks", func(s *saga.Run, _ int) (a int, err error) {
		var there bool
		err = s.All(saga.Step{Do: taken.On("a").Into(&a)}, saga.Step{Do: desks.Exists("a").Into(&there)})
		return a, err
	})
	e := open(t, engine.Options{}, append(errandParts(), asks)...)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, take.On("a", 7)))
	if n, err := engine.Ask(ctx, e, asks.With(0)); n != 7 || err != nil {
		t.Errorf("asked: %d, %v", n, err)
	}
}

// NoUndo says that nothing is to be called; it is no call, and nothing that was forgotten.
func TestNoUndoIsNoCall(t *testing.T) {
	e := open(t, engine.Options{}, errandParts()...)
	if err := e.Do(ctx, saga.NoUndo); !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("called: %v", err)
	}
	if saga.NoUndo.IsZero() || !saga.NoUndo.IsNoCall() || (functions.Call{}).IsNoCall() || take.On("a", 1).IsNoCall() {
		t.Error("NoUndo is not told from other calls")
	}
}
