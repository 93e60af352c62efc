package hotel

import (
	"errors"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// sleeper is a saga that does not end while the test runs.
var sleeper = saga.New("hotel/sleeper", func(s *saga.Run, _ int) error { return s.Sleep(time.Hour) })

// TestUnsettledSaga: a saga that has not ended is a violation.
func TestUnsettledSaga(t *testing.T) {
	e, err := engine.Open(engine.Options{Dir: t.TempDir()}, append(Parts(), sleeper)...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := &Workload{engine: e, options: Options{Scale: small}.withDefaults(), told: make([]told, small.Customers)}
	if err := w.Load(t.Context(), noProgress); err != nil {
		t.Fatal(err)
	}
	mustBeRight(t, w)
	if _, err := e.Submit(sleeper.With(1)); err != nil {
		t.Fatal(err)
	}
	for listed := 0; listed == 0; { // it is listed once its epoch is over
		if err := e.Do(t.Context(), begin.On(everythingID, stocked{})); !errors.Is(err, functions.ErrExists) {
			t.Fatal(err)
		}
		sagas, err := e.Sagas(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		listed = len(sagas)
	}
	if wrong := audited(t, w).Wrong; !mentions(wrong, "settled", "") {
		t.Errorf("condition settled is not among %v", wrong)
	}
}
