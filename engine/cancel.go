package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// To cancel is to have something fail before it has happened. What can be taken back without a trace is: a transaction that is not decided,
// a call that waits for a lock or for its turn, a run that has not begun. A saga is asked to compensate. What is decided stays so, and code
// of users that runs is not interrupted: it has returned when a worker comes to the cancel.
//
// Nothing tells after a crash that an undecided transaction was cancelled: it would be run again from its input. So whoever has cancelled
// one is told when its end is durable, with the same epoch. Those who wait for that are in a list, which is looked at when an epoch is cut:
// a transaction that nobody cancels pays nothing.

// CancelTransaction aborts a serializable transaction that is under way (see [Engine.Transactions]): nothing of it happens, its locks go,
// and it fails with [twopc.ErrCancelled], whatever its body returns; what it has attached to its abort happens. A call that runs is waited
// for, one that waits is not; it is not tried again. It blocks until that is durable. A transaction that is decided, or that there is not,
// is [ErrNotRunning]. Errors besides that: [ErrClosed], [ErrOverloaded]; [ErrNotBegun] and, if ctx ends while it waits, [ErrUnknown].
func (e *Engine) CancelTransaction(ctx context.Context, id uint64) error {
	return e.cancel(ctx, e.workers, e.cancellingTransaction(id))
}

// cancellingTransaction makes the question to all workers of which one has the transaction. None waits for another, which may be held by
// code of users: the last of those that do not have it says so.
func (e *Engine) cancellingTransaction(id uint64) *request {
	var asked atomic.Int64
	return newCancel(e, func(w *worker, q *request) {
		switch c := w.transaction(id); {
		case c != nil:
			run, err := w.cancelRun(c)
			w.answerCancel(q, run, err)
		case asked.Add(1) == int64(len(e.workers)):
			q.err = fmt.Errorf("%w: transaction %d is not under way: it is decided, or there never was one", ErrNotRunning, id)
			e.finish(q)
		}
	})
}

// CancelRequest cancels a request by what it is for and its id, as [Engine.Outcome] names it. A transaction is aborted as by
// [Engine.CancelTransaction]. A saga is told to stop as by [Engine.CancelSaga], and compensated after that. A call of an operation that
// waits for a lock, or for its turn, is not run, and fails with [functions.ErrCancelled]. The outcome is kept under the id like any other:
// whoever asks again is told that the request was cancelled, for as long as outcomes are kept.
//
// It blocks until that is durable, and does nothing to a request that was cancelled before. [ErrNotRunning]: the request has ended
// otherwise; it is stuck, or parked; it is a record of an ingress that has not begun; or nobody has asked for it, and then it may still
// come. Other errors are those of CancelTransaction and of Outcome.
func (e *Engine) CancelRequest(ctx context.Context, of functions.Address, requestID string) error {
	request, err := e.registry.RequestFor(of, requestID)
	if err != nil {
		return err
	}
	s := e.shards[request.Shard(e.registry.Shards)]
	return e.cancel(ctx, []*worker{e.workerOf(s)}, e.cancellingRequest(s, request))
}

// cancellingRequest makes the question to the worker that has a request. It is asked as soon as the worker looks. What is not to be done
// there, where no code of users runs, is done in the turn of the question among the requests: what was asked for before has begun by then.
func (e *Engine) cancellingRequest(s *shard, of format.Request) *request {
	return newCancel(e, func(w *worker, q *request) {
		if first := s.requests[of]; first != nil && !first.isSettled() && (first.call != nil || first.coord != nil && first.coord.tx != nil) {
			run, err := w.cancelRequest(s, of)
			w.answerCancel(q, run, err)
			return
		}
		q.control = func(w *worker) {
			run, err := w.cancelRequest(s, of)
			w.answerCancel(q, run, err)
		}
		_ = e.admitTo(w, q) // if the engine is at its end, whoever waits is told that
	})
}

// cancel asks workers to cancel something, and waits for the answer.
func (e *Engine) cancel(ctx context.Context, of []*worker, q *request) error {
	if err := notBegun(&ctx); err != nil {
		return err
	}
	if err := e.beginCancel(of, q); err != nil {
		return err
	}
	return q.wait(ctx)
}

func (e *Engine) beginCancel(of []*worker, q *request) error {
	if err := e.admits(operating, 1); err != nil {
		return err
	}
	for _, w := range of {
		e.interject(w, q)
	}
	return nil
}

func newCancel(e *Engine, f func(w *worker, q *request)) *request {
	q := &request{engine: e, done: donePool.Get().(chan struct{}), places: 1}
	q.control = func(w *worker) { f(w, q) }
	return q
}

// interject has a worker answer a question as soon as it looks, also while admission is closed: a participant that takes long holds up the
// epoch, and what it is to be cancelled for would be decided before the next one.
func (e *Engine) interject(w *worker, q *request) {
	w.mu.Lock()
	w.mail = append(w.mail, message{kind: msgControl, about: q})
	parked := w.parked
	w.mu.Unlock()
	e.asked.Store(true)
	if parked {
		e.gate.wake(w)
	}
}

// answerCancel answers a question once what was done is durable, and run, if there is one, is over.
func (w *worker) answerCancel(q *request, run *coord, err error) {
	if run != nil && !run.over {
		w.cancels = append(w.cancels, cancelling{run, q})
		return
	}
	q.err = err
	w.epoch.replies = append(w.epoch.replies, q)
}

// cancelling is somebody who waits for the end of a transaction that was cancelled.
type cancelling struct {
	run   *coord
	asked *request
}

// endCancels answers, in the epoch that is being cut, those who have cancelled what has ended in it.
func (w *worker) endCancels() {
	w.cancels = slices.DeleteFunc(w.cancels, func(c cancelling) bool {
		if c.run.over {
			w.epoch.replies = append(w.epoch.replies, c.asked)
		}
		return c.run.over
	})
}

// transaction finds a transaction that is not over by its id; nil if the worker has none.
func (x *executor) transaction(id uint64) (found *coord) {
	x.eachTransaction(func(c *coord) bool {
		if c.id == id {
			found = c
		}
		return found == nil
	})
	return found
}

// cancelRequest cancels the request that has an id. It returns the run whose end is to be waited for, if there is one.
func (x *executor) cancelRequest(s *shard, of format.Request) (*coord, error) {
	q, row := x.lookFor(s, of)
	switch {
	case q == nil && row == nil:
		return nil, fmt.Errorf("%w: nobody has asked for the request %q, or its outcome has expired", ErrNotRunning, of.ID)
	case q == nil:
		return nil, alreadyEnded(of, outcomeFrom(row))
	case q.isSettled():
		return nil, alreadyEnded(of, q.outcome)
	case q.call != nil:
		x.cancelCall(q.call)
		return nil, nil
	case q.coord == nil:
		return nil, fmt.Errorf("%w: the request %q is a record of an ingress, which waits", ErrNotRunning, of.ID)
	}
	return x.cancelRun(q.coord)
}

// alreadyEnded is nil for the outcome of what was cancelled.
func alreadyEnded(of format.Request, o outcome) error {
	err := o.err()
	switch {
	case isCancelled(err):
		return nil
	case err != nil:
		return fmt.Errorf("%w: the request %q has failed: %w", ErrNotRunning, of.ID, err)
	}
	return fmt.Errorf("%w: the request %q has succeeded", ErrNotRunning, of.ID)
}

func isCancelled(err error) bool {
	return errors.Is(err, twopc.ErrCancelled) || errors.Is(err, saga.ErrCancelled) || errors.Is(err, functions.ErrCancelled)
}

// cancelRun cancels a coordinator function that is under way. It returns the run if its end is to be waited for: of a saga it is durable
// with the epoch that it was cancelled.
func (x *executor) cancelRun(c *coord) (*coord, error) {
	switch {
	case c.parked:
		return nil, fmt.Errorf("%w: %v", ErrNotRunning, parkedError(c)) // whose outcome is unknown, but not because of this
	case c.saga != nil && isCancelled(c.sagaError()):
		return nil, nil
	case c.saga != nil:
		return nil, x.cancelSaga(c, ErrNotRunning)
	case c.tx != nil:
		x.touch(c)
		_, acts := c.tx.Revoke(twopc.ErrCancelled, x.txActs[:0])
		x.actTx(c, acts)
		return c, nil
	case c.resume: // a client's, which takes long and waits for its turn to begin
		x.conclude(c, outcome{failure: failures.Far(cancelledBy[c.function.Protocol])}, nil)
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %s %d has not begun: a message starts it, or an earlier process has left it", ErrNotRunning, c.function.Name, c.id)
}

// cancelledBy is what a coordinator function that was cancelled fails with.
var cancelledBy = map[routines.Protocol]error{routines.Saga: saga.ErrCancelled, routines.Serializable: twopc.ErrCancelled}

// cancelSaga tells a saga to stop. One that does not run any more is the error.
func (x *executor) cancelSaga(c *coord, gone error) error {
	ok, acts := c.saga.Cancel(saga.ErrCancelled, x.sgActs[:0])
	if !ok {
		return fmt.Errorf("%w: saga %d is %v", gone, c.id, c.saga.Phase)
	}
	x.forgetAlarm(c) // sleeps are not waited for
	x.actSaga(c, acts)
	return nil
}

// cancelCall ends a client's call that has not been run: it waits for its lock, or for its turn, perhaps with the lock granted to it.
func (x *executor) cancelCall(c *call) {
	if v := c.visit; v != nil && v.Claim.Waiting() {
		x.endWait(v)
		x.grant(v.inst.seat.Lock.Withdraw(&v.Claim, x.granted[:0]))
		x.endVisit(v)
	} else {
		x.takeOut(c)
		if v != nil {
			x.leaveLock(v)
		}
	}
	c.visit = nil
	x.settle(c.req, outcome{failure: failures.Far(functions.ErrCancelled)})
}

// takeOut takes a client's call out of the line in which it waits for its turn.
func (x *executor) takeOut(c *call) {
	if i := slices.IndexFunc(x.plain.All(), func(m message) bool { return m.call() == c }); i >= 0 {
		x.plain.Delete(i)
		return
	}
	if _, waits := takeOutOf(&x.costlyPlain, c); !waits {
		panic("engine: a call that has no outcome waits for its lock or its turn")
	}
}
