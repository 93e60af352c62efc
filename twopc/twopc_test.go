package twopc_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/twopc"
)

type desk struct{ Taken int }

var (
	desks = functions.NewType[desk]("test/desk")
	take  = functions.Update(desks, "take", func(*functions.Ctx, *desk, int) error { return nil })
	taken = functions.View(desks, "taken", func(_ *functions.Ctx, d desk) (int, error) { return d.Taken, nil })
)

// play runs a transaction's body and answers each of its calls with 7. It returns what it issued, a line for each group.
func play(t *testing.T, part functions.Part) (groups []string, r *routines.Routine) {
	t.Helper()
	r = routines.NewRoutine()
	t.Cleanup(r.Close)
	r.Begin(part.Definition().(*routines.Function), []byte{5}, 3)
	seven, err := values.Encode(7)
	if err != nil {
		t.Fatal(err)
	}
	for !r.Resume() {
		group := ""
		for i := range r.Issued() {
			s := &r.Issued()[i]
			group += fmt.Sprintf("[%s may fail %v]", s.Call.Target(), s.MayFail)
			s.Result = instances.EncodedResult(seven)
		}
		groups = append(groups, group)
	}
	return groups, r
}

// TestCalls: what a body calls is issued in groups, and it gets the answers, its input and the number of its attempt.
func TestCalls(t *testing.T) {
	tx := twopc.NewReturning("test/calls", func(tx *twopc.Tx, n int) (int, error) {
		if err := tx.All(take.On("b", n), take.On("c", n)); err != nil {
			return 0, err
		}
		if err := tx.Try(take.On("a", n)); err != nil {
			return 0, err
		}
		tried, err := twopc.TryAsk(tx, taken.On("b"))
		if err != nil {
			return 0, err
		}
		asked, err := twopc.Ask(tx, taken.On("a"))
		return 100*asked + 10*tried + tx.Attempt(), err
	})
	groups, r := play(t, tx)
	want := []string{
		"[test/desk.take(b) may fail false][test/desk.take(c) may fail false]", "[test/desk.take(a) may fail true]",
		"[test/desk.taken(b) may fail true]", "[test/desk.taken(a) may fail false]",
	}
	if n, err := instances.ResultAs[int](r.Result); err != nil || n != 773 || r.Err != nil || !slices.Equal(groups, want) {
		t.Errorf("%q, result %d, %v, %v", groups, n, err, r.Err)
	}
}

// TestBadCalls: a call that is none fails before anything is issued.
func TestBadCalls(t *testing.T) {
	for name, call := range map[string]functions.Call{"zero": {}, "no instance": take.On("", 1)} {
		groups, r := play(t, twopc.New("test/bad", func(tx *twopc.Tx, _ int) error { return tx.Do(call) }))
		if len(groups) != 0 || !errors.Is(r.Err, functions.ErrBadCall) {
			t.Errorf("%s: issued %q, %v", name, groups, r.Err)
		}
	}
}

// TestNotMade: a transaction that nobody made has no definition, and its starts are errors.
func TestNotMade(t *testing.T) {
	var none *coordinator.Function[int]
	if err := none.With(1).Envelope().Err; !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("error %v", err)
	}
	if err := twopc.New[int]("test/nothing", nil).Definition().Validate(); err == nil {
		t.Error("a transaction without a body is valid")
	}
}
