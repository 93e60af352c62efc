package hotel

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/engine"
)

// TestClosedUnderLoad: an engine that is closed while clients are at work leaves nothing half done, however often: all
// conditions hold when it is opened again.
func TestClosedUnderLoad(t *testing.T) {
	for _, protocol := range protocols {
		dir := t.TempDir()
		for round := range 4 {
			w, err := OpenWorkload(Options{Dir: dir, Scale: small, Protocol: protocol, Mix: ReservationMix})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Load(t.Context(), noProgress); err != nil {
				t.Fatal(err)
			}
			mustBeRight(t, w)
			if done := closeUnderLoad(t, w, uint64(round)); done < 200 {
				t.Errorf("%s: only %d operations were made", protocol, done)
			}
		}
		mustBeRight(t, loaded(t, Options{Dir: dir, Scale: small, Protocol: protocol, Mix: ReservationMix}))
	}
}

// closeUnderLoad lets clients work until the engine, which is closed after 200 operations, takes no more.
func closeUnderLoad(t *testing.T, w *Workload, seed uint64) int64 {
	t.Helper()
	var done atomic.Int64
	enough := make(chan struct{})
	var running sync.WaitGroup
	for n := range 8 {
		running.Go(func() {
			c := w.Client(n, rand.New(rand.NewPCG(seed, uint64(n))))
			for {
				c.Next()
				if err := c.Do(t.Context(), ""); errors.Is(err, engine.ErrClosed) {
					return
				}
				if done.Add(1) == 200 {
					close(enough)
				}
			}
		})
	}
	<-enough
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	running.Wait()
	return done.Load()
}
