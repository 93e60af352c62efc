package bulk

import (
	"errors"
	"fmt"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// TestClassify: what a workload is told of the engine's errors.
func TestClassify(t *testing.T) {
	failed := new(Health)
	failed.Fatal(errors.New("no space left on device"))
	for _, test := range []struct {
		health         *Health
		err            error
		unknown, store bool
	}{
		{new(Health), functions.ErrNotFound, false, false},
		{new(Health), fmt.Errorf("%w: closed", engine.ErrUnknown), true, false},
		{new(Health), fmt.Errorf("%w: 5 bytes are free", engine.ErrNoSpace), false, true},
		{new(Health), engine.ErrOverloaded, false, false},
		{failed, engine.ErrClosed, false, true},
		{failed, engine.ErrUnknown, true, true},
	} {
		err := test.health.Classify(test.err)
		if errors.Is(err, ycsb.ErrUnknown) != test.unknown || errors.Is(err, ycsb.ErrStore) != test.store {
			t.Errorf("%v is %v", test.err, err)
		}
	}
	if err := failed.Classify(nil); err != nil {
		t.Errorf("what succeeded is %v", err)
	}
}
