package saga_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
)

type desk struct{ Taken int }

var (
	desks = functions.NewType[desk]("test/desk")
	take  = functions.Update(desks, "take", func(*functions.Ctx, *desk, int) error { return nil })
	give  = functions.Update(desks, "give", func(*functions.Ctx, *desk, int) error { return nil })
	taken = functions.View(desks, "taken", func(_ *functions.Ctx, d desk) (int, error) { return d.Taken, nil })
)

// play runs a saga's body and answers each of its steps with 7. It returns what it issued, a line for each group.
func play(t *testing.T, part functions.Part, input []byte) (groups []string, r *routines.Routine) {
	t.Helper()
	r = routines.NewRoutine()
	t.Cleanup(r.Close)
	r.Begin(part.Definition().(*routines.Function), input, 1)
	seven, err := values.Encode(7)
	if err != nil {
		t.Fatal(err)
	}
	for !r.Resume() {
		group := ""
		for i := range r.Issued() {
			s := &r.Issued()[i]
			group += fmt.Sprintf("[%s undo %v %v]", s.Call.Target(), s.HasUndo, s.Sleep)
			s.Result = instances.EncodedResult(seven)
		}
		groups = append(groups, group)
	}
	return groups, r
}

// TestSteps: what a body makes is issued in groups, each step with its compensation, and it gets the answers.
func TestSteps(t *testing.T) {
	s := saga.NewReturning("test/steps", func(s *saga.Run, id string) (int, error) {
		if err := s.Do(take.On(id, 1), give.On(id, 1)); err != nil {
			return 0, err
		}
		if err := s.All(saga.Step{Do: take.On("b", 1), Undo: saga.NoUndo}, saga.Step{Do: take.On("c", 1), Undo: give.On("c", 1)}); err != nil {
			return 0, err
		}
		if err := s.Sleep(time.Minute); err != nil {
			return 0, err
		}
		return saga.Ask(s, taken.On(id))
	})
	input, err := values.Encode("a")
	if err != nil {
		t.Fatal(err)
	}
	groups, r := play(t, s, input)
	want := []string{
		"[test/desk.take(a) undo true 0s]", "[test/desk.take(b) undo false 0s][test/desk.take(c) undo true 0s]",
		"[nothing undo false 1m0s]", "[test/desk.taken(a) undo false 0s]",
	}
	if n, err := instances.ResultAs[int](r.Result); err != nil || n != 7 || r.Err != nil || !slices.Equal(groups, want) {
		t.Errorf("%q, result %d, %v, %v", groups, n, err, r.Err)
	}
}

// TestBadCompensations: a step whose compensation is forgotten, changes nothing or is malformed fails before it is made.
func TestBadCompensations(t *testing.T) {
	for name, undo := range map[string]functions.Call{
		"forgotten": {}, "a question": taken.On("a").Into(new(int)), "malformed": give.On("", 1),
	} {
		s := saga.New("test/bad", func(s *saga.Run, _ int) error { return s.Do(take.On("a", 1), undo) })
		groups, r := play(t, s, []byte{0})
		if len(groups) != 0 || !errors.Is(r.Err, functions.ErrBadCall) {
			t.Errorf("%s: issued %q, %v", name, groups, r.Err)
		}
	}
}

// TestNotMade: a saga that nobody made has no definition, and its starts are errors.
func TestNotMade(t *testing.T) {
	var none *coordinator.Function[int]
	if err := none.With(1).Envelope().Err; !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("error %v", err)
	}
	if err := saga.New[int]("test/nothing", nil).Definition().Validate(); err == nil {
		t.Error("a saga without a body is valid")
	}
}
