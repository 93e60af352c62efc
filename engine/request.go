package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
)

// request is something that a client waits for.
//
// It belongs to the client until it is submitted, then to the worker of its shard, from the cut of the epoch that settled it to
// the sealer, and with done to the client again.
type request struct {
	done      chan struct{} // for whoever waits; nil if nobody does
	next      *request      // others that wait for the same outcome
	places    int32         // that it takes, if somebody waits for it
	closes    bool          // done is closed when the outcome is there; otherwise it gets one token and is used again
	settledIn atomic.Uint64 // the epoch that settled it; 0: it is under way
	outcome   outcome
	err       error // instead of an outcome: the engine's own error

	of       format.Request    // with its id; zero without
	identity registry.Identity // tells requests with one id apart; zero without
	env      instances.Envelope

	engine   *Engine
	shard    *shard             // of the instance, or of the run; nil for a question to a worker
	call     *call              // the call, if it is one
	function *registry.Function // the coordinator function, if it is one
	coord    *coord             // its run
	control  control            // a question to a worker instead of either

	from     *partition // of the ingress that it came from, if any
	position format.Position
	record   *taken // what else is known of it, if it came from a source

	answers *Answers // who is told with others in the place of one who waits; see SubmitTo
	tag     uint64   // by which it is told apart there

	traced   context.Context // of whoever made it, if the run that it begins is to be traced
	measured *functionCounts // of what it is for; nil if it is not counted
	began    int64           // when it was submitted, in engine time
}

// isSettled reports whether the outcome is known, and perhaps not sealed yet.
func (q *request) isSettled() bool { return q.settledIn.Load() != 0 }

// isSealed reports whether the outcome is durable.
func (q *request) isSealed() bool {
	in := q.settledIn.Load()
	return in != 0 && in <= q.shard.on.group.sealed.Load()
}

// control is run on a worker, between two messages.
type control func(w *worker)

// outcome is what became of a call or a coordinator function: a result, or a failure.
type outcome struct {
	result  *instances.Result
	failure *failures.FarError
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

// Within is a request that is made within ctx, for [Engine.Submit] and [Engine.SubmitTo], which have none of their own: it is what
// [Events].TraceWanted is asked about. That ctx ends means nothing.
func Within(ctx context.Context, r functions.Request) functions.Request {
	if r == nil || ctx == nil {
		return r
	}
	return within{r, ctx}
}

type within struct {
	functions.Request
	ctx context.Context
}

// noteContext keeps the context of a request of Submit or SubmitTo, if its run is to be traced.
func (q *request) noteContext(e *Engine, r functions.Request) {
	if w, ok := r.(within); ok && q.env.Op == nil && e.events.Load().wants(w.ctx) {
		q.traced = w.ctx
	}
}

// Doer runs requests: an [*Engine], or a client of one in another process (package client). A program that takes a Doer runs with both.
type Doer interface {
	Do(ctx context.Context, r functions.Request) error
}

// Ask runs a request that returns something and waits for its result. Errors are those of the Doer's Do; see [Engine.Do].
func Ask[R any](ctx context.Context, on Doer, r functions.RequestReturning[R]) (result R, err error) {
	if r == nil {
		return result, errNoRequest
	}
	e, embedded := on.(*Engine)
	if !embedded {
		err = on.Do(ctx, instances.Bare(r.EnvelopeInto(&result)))
		return result, err
	}
	q := &request{env: r.EnvelopeInto(&result)}
	if err := e.begin(&ctx, q); err != nil {
		return result, err
	}
	err = q.wait(ctx)
	return result, err
}

var errNoRequest = fmt.Errorf("%w: the request is nil", functions.ErrBadCall)

// begin is submit, unless the context is over. A nil context becomes one that never ends.
func (e *Engine) begin(ctx *context.Context, q *request) error {
	if err := notBegun(ctx); err != nil {
		return err
	}
	if q.env.Op == nil && e.events.Load().wants(*ctx) {
		q.traced = *ctx
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
	case <-q.dead():
		if !q.isDone() {
			return fmt.Errorf("%w: the engine was closed", ErrUnknown)
		}
	}
	return nil
}

// dead is closed when there will be no outcome any more.
func (q *request) dead() <-chan struct{} {
	if q.shard == nil {
		return q.engine.dead[0]
	}
	return q.engine.dead[q.shard.number%deadChannels]
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
func readResult(into func(*instances.Result) error, result *instances.Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w", ErrResult, failures.NewPanicError(p))
		}
	}()
	if err := into(result); err != nil {
		return fmt.Errorf("%w: %w", ErrResult, err)
	}
	return nil
}

// submit checks a request and hands it to its worker.
func (e *Engine) submit(q *request) error {
	of, err := e.registry.Find(&q.env, e.options.MaxBytes)
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
	q.measured, q.began = e.measures.of(&q.env, of), e.clocks.Now()
	switch {
	case q.answers != nil:
		q.done = q.answers.signal // only says that somebody waits
	case q.closes:
		q.done = make(chan struct{})
	default:
		q.done = donePool.Get().(chan struct{})
	}
	if q.env.Op != nil {
		q.call = &call{req: q}
		e.initCall(q.call, &q.env, of.Entry)
	}
	q.function = of.Function
	if q.env.RequestID != "" {
		q.of, q.identity = of.Request(&q.env), registry.Identify(&q.env, of)
	}
	switch {
	case q.env.Op != nil:
		q.shard = q.call.shard
	case q.env.RequestID != "":
		q.shard = e.shards[q.of.Shard(e.registry.Shards)]
	default:
		q.shard = e.shards[e.spread.Add(1)%uint64(len(e.shards))]
	}
	return e.admitTo(e.workerOf(q.shard), q)
}

// admitTo puts a request into a worker's inbox. It is counted as in flight, unless it is an ingress's: those have a bound of
// their own.
func (e *Engine) admitTo(w *worker, q *request) error {
	w.mu.Lock()
	if w.shut {
		w.mu.Unlock()
		if q.from == nil {
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
	if parked && e.open.Load() {
		e.gate.wake(w)
	}
	return nil
}

// release gives the outcome to the client and to the others that wait for it.
func (g *commons) release(q *request) {
	g.inFlight.Add(-q.allPlaces())
	g.answer(q)
}

// allPlaces is how many places those take who wait for the outcome.
func (q *request) allPlaces() (sum int64) {
	for ; q != nil; q = q.next {
		sum += int64(q.places)
	}
	return sum
}

// answer is release of one that is not counted any more.
func (g *commons) answer(q *request) {
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
func (g *commons) finish(q *request) {
	if q.done != nil {
		g.inFlight.Add(-int64(q.places))
		q.tell()
	}
}

// tell tells whoever waits, if anybody does: nobody waits for what came from a row or an ingress.
func (q *request) tell() {
	if q.measured != nil {
		q.measured.add(q)
	}
	switch {
	case q.done == nil:
	case q.answers != nil:
		q.answers.add(q)
	case q.closes:
		close(q.done)
	default:
		q.done <- struct{}{}
	}
}
