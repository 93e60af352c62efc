package routines_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// effect is an effect that a user made.
type effect func(effects *functions.Effects) error

func (e effect) AddTo(effects *functions.Effects) error { return e(effects) }

// An effect that cannot be carried out dooms the run when it is attached: no further step is made, and whatever the body returns, the
// run fails with it. The good effects stay.
func TestBadEffectsDoomTheRun(t *testing.T) {
	good := poke.On("a", 1)
	for name, bad := range map[string]functions.Effect{
		"zero call": functions.Call{},
		"nil":       nil,
		"empty id":  poke.On("", 1),
		"timer": effect(func(e *functions.Effects) error {
			e.Timers = append(e.Timers, functions.Timer{Message: good.Envelope()})
			return nil
		}),
		"half-way": effect(func(e *functions.Effects) error {
			return errors.Join(good.AddTo(e), functions.ErrBadCall)
		}),
	} {
		for outcome, add := range map[string]func(*routines.Routine, ...functions.Effect){
			"success": (*routines.Routine).AddSuccess, "failure": (*routines.Routine).AddFailure,
		} {
			for _, own := range []error{nil, errNo} {
				r := newRoutine(t, func(r *routines.Routine) ([]byte, error) { add(r, good, bad, good); return nil, own })
				drive(r, succeed)
				wantErr(t, r.Err, functions.ErrBadCall)
				if own != nil {
					wantErr(t, r.Err, own)
				}
				if sends(r.OnSuccess)+sends(r.OnFailure) != 2 || r.OnSuccess.Len()+r.OnFailure.Len() != 2 {
					t.Errorf("%s of %s: kept %+v, %+v", name, outcome, r.OnSuccess, r.OnFailure)
				}
			}
			r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
				add(r, bad)
				wantErr(t, r.IssueOne(step("a")), functions.ErrBadCall)
				return nil, r.IssueOne(step("b"))
			})
			if rounds := drive(r, succeed); rounds != 0 || strings.Count(r.Err.Error(), "an effect") != 1 {
				t.Errorf("%s of %s: %d rounds, error %v", name, outcome, rounds, r.Err)
			}
		}
	}
}

// What the engine cannot carry out is refused when it is attached, and so is what goes beyond the bounds; each outcome has its own.
func TestEffectsAreCheckedWhenAttached(t *testing.T) {
	const maxBytes = 10 * functions.MaxEffects
	checker := routines.Checker{
		Check: func(e *functions.Effects) error {
			if len(e.Sends) > 0 && e.Sends[0].ID == "unknown" {
				return errNo
			}
			return nil
		},
		Bytes:    func(e *functions.Effects) int { return 10 * e.Len() },
		MaxBytes: maxBytes,
	}
	const tenth = functions.MaxEffects / 10
	for name, tc := range map[string]struct {
		attach func(add func(...functions.Effect))
		want   error
	}{
		"all":       {func(add func(...functions.Effect)) { many(functions.MaxEffects, add) }, nil},
		"too many":  {func(add func(...functions.Effect)) { many(functions.MaxEffects+1, add) }, functions.ErrTooLarge},
		"unknown":   {func(add func(...functions.Effect)) { add(poke.On("unknown", 1)) }, errNo},
		"in a heap": {func(add func(...functions.Effect)) { add(heap(tenth), heap(functions.MaxEffects-tenth)) }, nil},
		"too large": {func(add func(...functions.Effect)) { add(heap(tenth), heap(functions.MaxEffects-tenth), heap(1)) }, functions.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := routines.NewRoutine().WithChecker(checker)
			t.Cleanup(r.Close)
			for range 2 { // a run leaves nothing to the next
				r.Begin(function(func(r *routines.Routine) ([]byte, error) {
					tc.attach(r.AddSuccess)
					tc.attach(r.AddFailure)
					return nil, nil
				}), nil, 1)
				drive(r, succeed)
				wantErr(t, r.Err, tc.want)
			}
		})
	}
	checker.MaxBytes = 99
	r := routines.NewRoutine().WithChecker(checker)
	t.Cleanup(r.Close)
	r.Begin(function(func(r *routines.Routine) ([]byte, error) { r.AddFailure(heap(5), heap(4), heap(1)); return nil, nil }), nil, 1)
	drive(r, succeed)
	wantErr(t, r.Err, functions.ErrTooLarge)
	if n := r.OnFailure.Len(); n != 9 || !strings.Contains(r.Err.Error(), "100 bytes") {
		t.Errorf("%d effects are kept; %v", n, r.Err)
	}
}

func many(n int, add func(...functions.Effect)) {
	for range n {
		add(poke.On("a", 1))
	}
}

// heap is one effect that consists of n.
func heap(n int) functions.Effect {
	return effect(func(e *functions.Effects) (err error) {
		for range n {
			err = errors.Join(err, poke.On("a", 1).AddTo(e))
		}
		return err
	})
}

func sends(e *functions.Effects) int {
	if e == nil {
		return 0
	}
	return len(e.Sends)
}
