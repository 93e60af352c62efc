package routines_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// effect is an effect that a user made.
type effect func(effects *instances.Effects) error

func (e effect) AddTo(effects *instances.Effects) error { return e(effects) }

// An effect that cannot be carried out dooms the run when it is attached: no further step is made, and whatever the body returns, the
// run fails with it. The good effects stay.
func TestBadEffectsDoomTheRun(t *testing.T) {
	good := poke.On("a", 1)
	for name, bad := range map[string]instances.Effect{
		"zero call": functions.Call{},
		"nil":       nil,
		"empty id":  poke.On("", 1),
		"timer": effect(func(e *instances.Effects) error {
			e.Timers = append(e.Timers, instances.Timer{Message: good.Envelope()})
			return nil
		}),
		"half-way": effect(func(e *instances.Effects) error {
			return errors.Join(good.AddTo(e), functions.ErrBadCall)
		}),
	} {
		for outcome, add := range map[string]func(*routines.Routine, instances.Effect){
			"success": (*routines.Routine).AddSuccess, "failure": (*routines.Routine).AddFailure,
		} {
			for _, own := range []error{nil, errNo} {
				r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
					add(r, good)
					add(r, bad)
					add(r, good)
					return nil, own
				})
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
	const maxBytes = 10 * instances.MaxEffects
	checker := routines.Checker{
		Check: func(e *instances.Effects) error {
			if len(e.Sends) > 0 && e.Sends[0].ID == "unknown" {
				return errNo
			}
			return nil
		},
		Bytes:    func(e *instances.Effects) int { return 10 * e.Len() },
		MaxBytes: maxBytes,
	}
	const tenth = instances.MaxEffects / 10
	for name, tc := range map[string]struct {
		attach func(add func(...instances.Effect))
		want   error
	}{
		"all":       {func(add func(...instances.Effect)) { many(instances.MaxEffects, add) }, nil},
		"too many":  {func(add func(...instances.Effect)) { many(instances.MaxEffects+1, add) }, functions.ErrTooLarge},
		"unknown":   {func(add func(...instances.Effect)) { add(poke.On("unknown", 1)) }, errNo},
		"in a heap": {func(add func(...instances.Effect)) { add(heap(tenth), heap(instances.MaxEffects-tenth)) }, nil},
		"too large": {func(add func(...instances.Effect)) { add(heap(tenth), heap(instances.MaxEffects-tenth), heap(1)) }, functions.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			r := routines.NewRoutine().WithChecker(checker)
			t.Cleanup(r.Close)
			for range 2 { // a run leaves nothing to the next
				r.Begin(function(func(r *routines.Routine) ([]byte, error) {
					tc.attach(each(r.AddSuccess))
					tc.attach(each(r.AddFailure))
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
	r.Begin(function(func(r *routines.Routine) ([]byte, error) {
		each(r.AddFailure)(heap(5), heap(4), heap(1))
		return nil, nil
	}), nil, 1)
	drive(r, succeed)
	wantErr(t, r.Err, functions.ErrTooLarge)
	if n := r.OnFailure.Len(); n != 9 || !strings.Contains(r.Err.Error(), "100 bytes") {
		t.Errorf("%d effects are kept; %v", n, r.Err)
	}
}

// each attaches several effects.
func each(attach func(instances.Effect)) func(...instances.Effect) {
	return func(effects ...instances.Effect) {
		for _, e := range effects {
			attach(e)
		}
	}
}

func many(n int, add func(...instances.Effect)) {
	for range n {
		add(poke.On("a", 1))
	}
}

// heap is one effect that consists of n.
func heap(n int) instances.Effect {
	return effect(func(e *instances.Effects) (err error) {
		for range n {
			err = errors.Join(err, poke.On("a", 1).AddTo(e))
		}
		return err
	})
}

func sends(e *instances.Effects) int {
	if e == nil {
		return 0
	}
	return len(e.Sends)
}
