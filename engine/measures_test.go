package engine_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// TestDurationBounds: a duration of exactly a bound belongs below it, and the last entry has all that are longer.
func TestDurationBounds(t *testing.T) {
	last := len(engine.DurationCounts{}) - 1
	for i := range last + 1 {
		bound := engine.DurationBound(i)
		if at := engine.DurationIndex(bound); at != i {
			t.Errorf("%v is counted in entry %d, want %d", bound, at, i)
		}
		if at := engine.DurationIndex(bound + 1); at != min(i+1, last) {
			t.Errorf("%v is counted in entry %d, want %d", bound+1, at, min(i+1, last))
		}
	}
	for d, want := range map[time.Duration]int{-time.Hour: 0, 0: 0, 1: 0, time.Hour: last} {
		if at := engine.DurationIndex(d); at != want {
			t.Errorf("%v is counted in entry %d, want %d", d, at, want)
		}
	}
}

// TestMeasures: requests are counted by function, once each, failures by name, and not more names than there may be.
func TestMeasures(t *testing.T) {
	kinds := functions.NewType[struct{ N int }]("test/kinds")
	fail := functions.Upsert(kinds, "fail", func(_ *functions.Ctx, _ *struct{ N int }, n int) error {
		return fmt.Errorf("%w: and more", functions.Failure(fmt.Sprint("test: ", n)))
	})
	nameless := functions.Upsert(kinds, "nameless", func(*functions.Ctx, *struct{ N int }, int) error { return fmt.Errorf("no name") })
	stays := saga.New("test/stays", func(s *saga.Run, _ int) error {
		if err := s.Do(bank.Open.On("s", 1), fail.On("s", 1)); err != nil {
			return err
		}
		return fmt.Errorf("undo")
	})
	e := open(t, engine.Options{MaxUndoTries: 1}, append(bank.Parts(), kinds, stays)...)
	must(t, e.Do(ctx, bank.Open.On("a", 100)))
	must(t, e.Do(ctx, bank.Open.On("b", 0)))
	const n = 50
	for i := range n {
		_ = e.Do(ctx, fail.On("x", i))
		must(t, e.Do(ctx, bank.TransferTx.With(bank.Transfer{From: "a", To: "b", Amount: 1})))
	}
	_ = e.Do(ctx, nameless.On("x", 1))
	wantErr(t, e.Do(ctx, stays.With(1)), saga.ErrStuck)
	byName := map[string]engine.FunctionMeasures{}
	m := e.Measures()
	for _, f := range m.Functions {
		byName[f.Name] = f
	}
	total := func(name string) (sum uint64) {
		counts := byName[name].Took.Counts
		for _, n := range counts {
			sum += n
		}
		return sum
	}
	if total("bank/transfer") != n || total("bank/account.open") != 2 || total("bank/account.debit") != 0 || total("test/kinds.fail") != n {
		t.Errorf("%+v", byName)
	}
	failed := byName["test/kinds.fail"].Failures
	sum := uint64(0)
	for _, n := range failed {
		sum += n
	}
	if sum != n || len(failed) != 33 || failed["test: 0"] != 1 || failed[engine.OtherFailures] != n-32 {
		t.Errorf("failures %v", failed)
	}
	if f := byName["test/kinds.nameless"].Failures; f[engine.OtherFailures] != 1 || len(byName["bank/transfer"].Failures) != 0 {
		t.Errorf("failures %v", f)
	}
	if f := byName["test/stays"]; f.Unknown != 1 || !f.Coordinator || len(f.Failures) != 0 {
		t.Errorf("%+v", f)
	}
	if m.SealedBytes == 0 || m.Seals.Sum <= 0 || m.InFlight != 0 {
		t.Errorf("%+v", m)
	}
	phases, err := e.SagaPhases(ctx)
	must(t, err)
	if phases["stuck"] != 1 || phases["running"] != 0 || len(phases) != 3 {
		t.Errorf("%v", phases)
	}
}

// TestSizesByBound: a size is counted in the first entry whose bound it does not exceed, and the last has all that are larger.
func TestSizesByBound(t *testing.T) {
	last := len(engine.SizeCounts{}) - 1
	for i := range last {
		for n, want := range map[uint64]int{engine.SizeBound(i): i, engine.SizeBound(i) + 1: i + 1} {
			if got := engine.SizeIndex(n); got != want {
				t.Errorf("%d is counted in entry %d, want %d", n, got, want)
			}
		}
	}
	if engine.SizeIndex(0) != 0 || engine.SizeIndex(math.MaxUint64) != last {
		t.Error("the smallest or the largest size is counted elsewhere")
	}
}
