package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// TestOutcomeEffectsAreChecked: an effect that cannot be carried out dooms its transaction or saga when it is attached, for failure as
// well as for success: no further call is made, the caller hears of it, and the good effects of the failure happen.
func TestOutcomeEffectsAreChecked(t *testing.T) {
	strangers := functions.NewType[noteState]("test/stranger")
	call := functions.Update(strangers, "call", func(*functions.Ctx, *noteState, string) error { return nil })
	nobody := twopc.New("test/nobody", func(*twopc.Tx, int) error { return nil })
	pager := functions.NewEgress[string]("pager")
	scribble := functions.Update(notes, "scribble", func(*functions.Ctx, *noteState, string) error { return nil })
	large := strings.Repeat("x", 1<<20)
	bad := map[string]struct {
		effects []functions.Effect
		want    error
	}{
		"unknown egress":      {[]functions.Effect{pager.Record("", "wake up")}, engine.ErrNoEgress},
		"unknown operation":   {[]functions.Effect{call.On("a", "")}, functions.ErrUnknownOperation},
		"unknown coordinator": {[]functions.Effect{nobody.With(1)}, engine.ErrUnknownCoordinator},
		"zero call":           {[]functions.Effect{functions.Call{}}, functions.ErrBadCall},
		"large argument":      {[]functions.Effect{scribble.On("diary", large)}, functions.ErrTooLarge},
		"large record":        {[]functions.Effect{functions.NewEgress[string]("wire").Record("", large)}, functions.ErrTooLarge},
		"too large together":  {slices.Repeat([]functions.Effect{scribble.On("diary", large[:1000])}, 200), functions.ErrTooLarge},
	}
	type run struct {
		Bad           string
		Success, Fail bool
	}
	end := func(do func(functions.Call) error, r run) error {
		_ = do(jot.On("made", 1)) // whatever comes of it
		if r.Fail {
			return errRude
		}
		return nil
	}
	tx := twopc.New("test/hasty-tx", func(tx *twopc.Tx, r run) error {
		tx.OnAbort(jot.On("diary", 2))
		if r.Success {
			tx.OnCommit(bad[r.Bad].effects...)
		} else {
			tx.OnAbort(bad[r.Bad].effects...)
		}
		tx.OnAbort(jot.On("diary", 3))
		return end(tx.Do, r)
	})
	sg := saga.New("test/hasty-saga", func(s *saga.Run, r run) error {
		s.OnFailure(jot.On("diary", 2))
		if r.Success {
			s.OnSuccess(bad[r.Bad].effects...)
		} else {
			s.OnFailure(bad[r.Bad].effects...)
		}
		s.OnFailure(jot.On("diary", 3))
		return end(func(c functions.Call) error { return s.Do(c, saga.NoUndo) }, r)
	})
	o := engine.Options{MaxBytes: 32 << 10, MaxEpochBytes: 1 << 20, Egresses: map[string]engine.Egress{"wire": new(received)}}
	e := open(t, o, notes, tx, sg)
	must(t, e.Do(ctx, newNote.On("made", 0)))
	for name, c := range bad {
		for _, r := range []run{{name, true, false}, {name, false, false}, {name, true, true}, {name, false, true}} {
			if name == "too large together" && !r.Success {
				continue // the first ones are good, and happen
			}
			for what, start := range map[string]functions.Request{"transaction": tx.With(r), "saga": sg.With(r)} {
				must(t, e.Do(ctx, newNote.On("diary", 0)))
				err := e.Do(ctx, start)
				if !errors.Is(err, c.want) || (r.Fail && !errors.Is(err, errRude)) {
					t.Errorf("%s, %+v: error %v, want %v", what, r, err, c.want)
				}
				got := ask(t, e, lines.On("diary"))
				if slices.Sort(got); !slices.Equal(got, []int{2, 3}) {
					t.Errorf("%s, %+v: the messages are %.20v, want 2 and 3", what, r, got)
				}
				must(t, e.Do(ctx, burn.On("diary")))
			}
		}
	}
	if made := ask(t, e, lines.On("made")); len(made) > 0 {
		t.Errorf("%d calls were made after the effect was refused", len(made))
	}
}

// TestFailureEffectsNeedNoRoom: what was attached to failure happens, though there is no room for more messages. What is attached to
// success needs room: without it the transaction fails, and is told so.
func TestFailureEffectsNeedNoRoom(t *testing.T) {
	tx := twopc.New("test/crowded", func(tx *twopc.Tx, n int) error {
		for range n {
			tx.OnCommit(jot.On("diary", 1))
			tx.OnAbort(jot.On("diary", 2))
		}
		return nil
	})
	e := open(t, engine.Options{MaxMessages: 10}, notes, tx)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	wantErr(t, e.Do(ctx, tx.With(11)), engine.ErrTooManyMessages)
	eventually(t, "they arrive", func() bool { return len(ask(t, e, lines.On("diary"))) == 11 })
	must(t, e.Do(ctx, tx.With(10)))
	eventually(t, "they arrive", func() bool { return len(ask(t, e, lines.On("diary"))) == 21 })
	if n := e.Queued(); n != 0 {
		t.Errorf("%d messages count as not run", n)
	}
}

// TestSagaEffectsOverARestart: a saga that is being undone had effects of its failure accepted. One that the next opening cannot carry
// out is dropped alone, reported and counted; the others happen.
func TestSagaEffectsOverARestart(t *testing.T) {
	pager := functions.NewEgress[string]("pager")
	sg := saga.New("test/reporting", func(s *saga.Run, id string) error {
		s.OnFailure(jot.On("diary", 2), pager.Record("", "wake up"), jot.On("diary", 3))
		if err := s.Do(take.On(id, 1), give.On(id, 1)); err != nil {
			return err
		}
		return errRude
	})
	var log logLines
	o := engine.Options{Dir: t.TempDir(), MaxUndoTries: 1, Logger: log.logger(), Egresses: map[string]engine.Egress{"pager": new(received)}}
	e := open(t, o, notes, desks, sg)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	must(t, e.Do(ctx, newDesk.On("a", true)))
	wantErr(t, e.Do(ctx, sg.As("id", "a")), saga.ErrStuck)
	o.Egresses = nil
	e = reopen(t, e, o, notes, desks, sg)
	all, err := e.Sagas(ctx)
	must(t, err)
	must(t, e.DecideSaga(ctx, all[0].ID, saga.MarkDone))
	wantErr(t, e.Do(ctx, sg.As("id", "a")), errRude)
	eventually(t, "the good ones happen", func() bool { return slices.Equal(ask(t, e, lines.On("diary")), []int{2, 3}) })
	if n := e.Stats().Dropped; n != 1 || log.line("effect of an outcome is dropped", "test/reporting", "pager") == "" {
		t.Errorf("%d effects were dropped: %s", n, log.String())
	}
}
