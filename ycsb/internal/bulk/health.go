package bulk

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb"
)

// Health tells whether an engine can go on. Its zero value does, until Fatal is called, which is for engine.Options.Fatal: the engine
// then answers nobody any more, and the process lives on to say so.
type Health struct {
	failure atomic.Pointer[error]
	noSpace atomic.Bool
}

// Fatal notes the error that nothing can be made durable after.
func (h *Health) Fatal(err error) { h.failure.CompareAndSwap(nil, &err) }

// Close closes the engine. One whose disk is full may wait for room forever: it is left to itself after a while, and the error says so.
func (h *Health) Close(e *engine.Engine) error {
	patience := 20 * time.Second // more than the engine's own deadline
	if h.noSpace.Load() {
		patience = 5 * time.Second
	}
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(patience):
		return fmt.Errorf("%w: the engine has not closed within %v", ycsb.ErrStore, patience)
	}
}

// Classify marks an error of the engine with what a workload has to know of it: [ycsb.ErrUnknown] if nobody knows what happened, and
// [ycsb.ErrStore] if the engine takes nothing any more. All others leave everything as it was.
func (h *Health) Classify(err error) error {
	if err == nil {
		return nil
	}
	unknown := errors.Is(err, engine.ErrUnknown)
	failure := h.failure.Load()
	switch {
	case failure != nil && unknown:
		return fmt.Errorf("%w: %w: %w", ycsb.ErrStore, ycsb.ErrUnknown, *failure)
	case failure != nil:
		return fmt.Errorf("%w: %w", ycsb.ErrStore, *failure)
	case unknown:
		return fmt.Errorf("%w: %w", ycsb.ErrUnknown, err)
	case errors.Is(err, engine.ErrNoSpace):
		h.noSpace.Store(true)
		return fmt.Errorf("%w: %w", ycsb.ErrStore, err)
	}
	return err
}
