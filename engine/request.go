package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
)

// request is something that a client waits for.
//
// It belongs to the client until it is submitted, then to the worker of its shard, from the cut of the epoch that settled it to
// the sealer, and with done to the client again.
type request struct {
	done      chan struct{} // for whoever waits; nil if nobody does
	next      *request      // others that wait for the same outcome
	places    int32         // that it takes, if somebody waits for it
	shard     uint16        // keeps the outcome, if there is an id
	closes    bool          // done is closed when the outcome is there; otherwise it gets one token and is used again
	settledIn atomic.Uint64 // the epoch that settled it; 0: it is under way
	outcome   outcome
	err       error // instead of an outcome: the engine's own error

	identity identity // tells requests with one id apart; zero without id
	env      functions.Envelope

	engine   *Engine
	worker   *worker     // runs it
	call     *call       // the call, if it is one
	function *coordEntry // the coordinator function, if it is one
	coord    *coord      // its run
	control  control     // a question to a worker instead of either

	feed     *feed // the ingress it came from, if any
	position uint64
}

// isSettled reports whether the outcome is known, and perhaps not sealed yet.
func (q *request) isSettled() bool { return q.settledIn.Load() != 0 }

// isSealed reports whether the outcome is durable.
func (q *request) isSealed() bool {
	in := q.settledIn.Load()
	return in != 0 && in <= q.worker.engine.sealed.Load()
}

// control is run on a worker, between two messages.
type control func(w *worker)

// outcome is what became of a call or a coordinator function: a result, or a failure.
type outcome struct {
	result  *functions.Result
	failure *functions.FarError
}

func (o *outcome) err() error {
	if o.failure == nil {
		return nil
	}
	return o.failure
}

var donePool = sync.Pool{New: func() any { return make(chan struct{}, 1) }}

// Do runs a request and waits until its outcome is durable. It returns nil, a failure (errors.Is finds the functions.Failure
// values in it), or one of the engine's errors.
//
// A ctx that is over already is [ErrNotBegun] with the context's error: nothing happened. If it ends while Do waits it is
// [ErrUnknown] with the context's error: the request goes on, and asking again under the same id tells what became of it. A nil
// ctx never ends.
func (e *Engine) Do(ctx context.Context, r functions.Request) error {
	if r == nil {
		return errNoRequest
	}
	q := &request{env: r.RequestEnvelope()}
	if err := e.begin(&ctx, q); err != nil {
		return err
	}
	return q.wait(ctx)
}

// Ask runs a request that has an answer and waits for it. Errors are those of [Engine.Do].
func Ask[R any](ctx context.Context, e *Engine, q functions.Question[R]) (answer R, err error) {
	if q == nil {
		return answer, errNoRequest
	}
	r := &request{env: q.Question(&answer)}
	if err := e.begin(&ctx, r); err != nil {
		return answer, err
	}
	err = r.wait(ctx)
	return answer, err
}

var errNoRequest = fmt.Errorf("%w: the request is nil", functions.ErrBadCall)

// begin is submit, unless the context is over. A nil context becomes one that never ends.
func (e *Engine) begin(ctx *context.Context, q *request) error {
	if err := notBegun(ctx); err != nil {
		return err
	}
	return e.submit(q)
}

// notBegun is the error for a context that is over before anything was begun, or nil. A nil context becomes one that never ends.
func notBegun(ctx *context.Context) error {
	if *ctx == nil {
		*ctx = context.Background()
	}
	if (*ctx).Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotBegun, endOf(*ctx))
}

// endOf is why a context is over: its error, and its cause if that is another.
func endOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// wait waits for the outcome of a request that is waited for once.
func (q *request) wait(ctx context.Context) error {
	if err := q.await(ctx); err != nil {
		return err
	}
	donePool.Put(q.done)
	q.done = nil
	return q.result()
}

// await returns nil once the outcome is there.
func (q *request) await(ctx context.Context) error {
	select {
	case <-q.done:
	case <-ctx.Done():
		if !q.isDone() {
			return fmt.Errorf("%w: %w", ErrUnknown, endOf(ctx))
		}
	case <-q.engine.dead[q.shard%deadChannels]:
		if !q.isDone() {
			return fmt.Errorf("%w: the engine was closed", ErrUnknown)
		}
	}
	return nil
}

// isDone reports whether the outcome is there, and takes the token that says so.
func (q *request) isDone() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// result is what an outcome that is there means for the client, who gets the result.
func (q *request) result() error {
	if q.err != nil {
		return q.err
	}
	if err := q.outcome.err(); err != nil {
		return err
	}
	if q.env.Into != nil {
		return readResult(q.env.Into, q.outcome.result)
	}
	return nil
}

// readResult gives a result to what decodes it, which may be code of users: a codec method of the result's type.
func readResult(into func(*functions.Result) error, result *functions.Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w", ErrResult, functions.NewPanicError(p))
		}
	}()
	if err := into(result); err != nil {
		return fmt.Errorf("%w: %w", ErrResult, err)
	}
	return nil
}

// submit checks a request and hands it to its worker.
func (e *Engine) submit(q *request) error {
	of, err := e.registry.find(&q.env, e.options.MaxBytes)
	if err != nil {
		return err
	}
	if err := e.tooManyRuns(&q.env); err != nil {
		return err
	}
	q.places = placesFor(&q.env)
	if err := e.admits(classOf(&q.env), q.places); err != nil {
		return err
	}
	q.engine = e
	if q.closes {
		q.done = make(chan struct{})
	} else {
		q.done = donePool.Get().(chan struct{})
	}
	if q.env.Op != nil {
		q.call = &call{req: q}
		e.initCall(q.call, &q.env, of.entry)
	}
	q.function = of.function
	switch {
	case q.env.RequestID != "":
		q.identity = identify(&q.env, of)
		q.shard = e.registry.requestShard(q.env.RequestID)
	case q.env.Op != nil:
		q.shard = q.call.shard
	default:
		q.shard = uint16(e.spread.Add(1) % uint64(e.options.Shards))
	}
	if q.worker = e.workerOf(q.shard); q.call != nil {
		q.worker = q.call.worker
	}
	return e.admitTo(q.worker, q)
}

// admitTo puts a request into a worker's inbox. It is counted as in flight, unless it is an ingress's: those have a bound of
// their own.
func (e *Engine) admitTo(w *worker, q *request) error {
	w.mu.Lock()
	if w.shut {
		w.mu.Unlock()
		if q.feed == nil {
			e.inFlight.Add(-int64(q.places))
		}
		return ErrClosed
	}
	w.inbox = append(w.inbox, q)
	parked := w.parked
	w.mu.Unlock()
	if !e.asked.Load() { // it is written once an epoch
		e.asked.Store(true)
	}
	if parked && e.gate.open.Load() {
		e.gate.wake(w)
	}
	return nil
}

// release gives the outcome to the client and to the others that wait for it.
func (e *Engine) release(q *request) {
	e.inFlight.Add(-q.allPlaces())
	e.answer(q)
}

// allPlaces is how many places those take who wait for the outcome.
func (q *request) allPlaces() (sum int64) {
	for ; q != nil; q = q.next {
		sum += int64(q.places)
	}
	return sum
}

// answer is release of one that is not counted any more.
func (e *Engine) answer(q *request) {
	for other := q.next; other != nil; {
		next := other.next
		other.outcome, other.err = q.outcome, q.err
		other.tell()
		other = next
	}
	q.next = nil
	q.tell()
}

// finish is release of a request that no other waits for.
func (e *Engine) finish(q *request) {
	if q.done != nil {
		e.inFlight.Add(-int64(q.places))
		q.tell()
	}
}

// tell tells whoever waits, if anybody does: nobody waits for what came from a row or an ingress.
func (q *request) tell() {
	if q.done == nil {
		return
	}
	if q.closes {
		close(q.done)
		return
	}
	q.done <- struct{}{}
}
