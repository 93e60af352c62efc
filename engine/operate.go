package engine

import (
	"context"
	"fmt"

	"github.com/concordat-dev/concordat/saga"
)

// DecideSaga carries out a person's decision about a stuck saga: to retry its compensation, to skip the step, or to mark the
// saga done. It returns once the decision is durable. A saga that is not stuck is ErrNoSaga.
func (e *Engine) DecideSaga(ctx context.Context, id uint64, d saga.Decision) error {
	if d < saga.Retry || d > saga.MarkDone {
		return fmt.Errorf("engine: unknown decision %d", d)
	}
	return e.onSaga(ctx, id, func(w *worker, c *coord) error {
		ok, acts := c.saga.Decide(d, w.sgActs[:0])
		if !ok {
			return fmt.Errorf("%w: saga %d is %v, not stuck", ErrNoSaga, id, c.saga.Phase)
		}
		w.actSaga(c, acts)
		return nil
	})
}

// CancelSaga asks a running saga to stop; its steps are compensated and it fails with saga.ErrCancelled. It returns once that
// is durable, not once it has been done. A saga that is not running any more is ErrNoSaga.
func (e *Engine) CancelSaga(ctx context.Context, id uint64) error {
	return e.onSaga(ctx, id, func(w *worker, c *coord) error {
		return w.cancelSaga(c, ErrNoSaga)
	})
}

func (e *Engine) onSaga(ctx context.Context, id uint64, f func(w *worker, c *coord) error) error {
	for _, w := range e.workers {
		found := false
		err := e.control(ctx, w, func(w *worker) error {
			c := w.run(id)
			if found = c != nil && c.saga != nil && !c.over; !found {
				return nil
			}
			return f(w, c)
		})
		if err != nil || found { // in this order: after an error f may still run
			return err
		}
	}
	return fmt.Errorf("%w: %d", ErrNoSaga, id)
}

// control runs f on a worker, between two messages, and waits until what it did is durable.
func (e *Engine) control(ctx context.Context, w *worker, f func(w *worker) error) error {
	if err := notBegun(&ctx); err != nil {
		return err
	}
	q, err := e.beginControl(w, f)
	if err != nil {
		return err
	}
	return q.wait(ctx)
}

func (e *Engine) beginControl(w *worker, f func(w *worker) error) (*request, error) {
	if err := e.admits(operating, 1); err != nil {
		return nil, err
	}
	q := newControl(e, f)
	return q, e.admitTo(w, q)
}

// newControl makes a question to a worker, which is answered when what f did is durable.
func newControl(e *Engine, f func(w *worker) error) *request {
	q := &request{engine: e, done: donePool.Get().(chan struct{}), places: 1}
	q.control = func(w *worker) {
		q.err = f(w)
		w.epoch.replies = append(w.epoch.replies, q)
	}
	return q
}
