// Package bulk is what workloads over an engine share. A [Writer] makes many instances, with many requests under way so that
// thousands share an epoch's sync, and [Run] spreads the units of a load over goroutines. [Do] makes one request the way that a
// workload's client has to, a [Health] tells whether the engine can go on, and a [Tally] counts what clients were told.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

// window is how many requests of one Writer are under way at once.
const window = 2048

// Writer makes instances. It is for one goroutine.
type Writer struct {
	ctx    context.Context
	engine *engine.Engine
	wrote  func()
	under  []engine.Pending // under way, the oldest first
}

// NewWriter makes a writer. wrote, if not nil, is called for each instance that has become durable, or was there already.
func NewWriter(ctx context.Context, e *engine.Engine, wrote func()) *Writer {
	if wrote == nil {
		wrote = func() {}
	}
	return &Writer{ctx: ctx, engine: e, wrote: wrote}
}

// Put begins the making of an instance; an instance that exists already is left alone. It blocks while too many are under way.
// Its error may be that of an earlier Put.
func (w *Writer) Put(create functions.Call) error {
	if len(w.under) == window {
		if err := w.await(window / 2); err != nil {
			return err
		}
	}
	for {
		pending, err := w.engine.Submit(create)
		if err == nil {
			w.under = append(w.under, pending)
			return nil
		}
		if !errors.Is(err, engine.ErrOverloaded) || len(w.under) == 0 {
			return fmt.Errorf("make %s: %w", create.Envelope().Target(), err)
		}
		if err := w.await(1); err != nil {
			return err
		}
	}
}

// Flush waits until all is durable.
func (w *Writer) Flush() error { return w.await(len(w.under)) }

// await waits for the n oldest.
func (w *Writer) await(n int) error {
	for _, pending := range w.under[:n] {
		if err := pending.Wait(w.ctx); err != nil && !errors.Is(err, functions.ErrExists) {
			return fmt.Errorf("make an instance: %w", err)
		}
		w.wrote()
	}
	w.under = append(w.under[:0], w.under[n:]...)
	return nil
}

// Run runs units on at most n goroutines and returns the first error, after which no unit is begun and the context of those that
// run is cancelled. It blocks until all have returned.
func Run(ctx context.Context, n int, units []func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan func(context.Context) error, len(units))
	for _, unit := range units {
		queue <- unit
	}
	close(queue)
	var running sync.WaitGroup
	for range min(n, len(units)) {
		running.Go(func() {
			for unit := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := unit(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// Request is a call or the start of a coordinator function, which can be given an id.
type Request interface {
	functions.Request
	As(requestID string) functions.Request
}

// Do is [Health.Do] on an engine that nobody watches.
func Do(ctx context.Context, e *engine.Engine, requestID string, r Request) error {
	return new(Health).Do(ctx, e, requestID, r)
}

// Do makes a request, with its id if that is not empty, and classifies its error.
func (h *Health) Do(ctx context.Context, e *engine.Engine, requestID string, r Request) error {
	var request functions.Request = r
	if requestID != "" {
		request = r.As(requestID)
	}
	return h.Classify(e.Do(ctx, request))
}
