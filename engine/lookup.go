package engine

import (
	"context"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/lookup"
)

// OutcomeState is how far a request is.
type OutcomeState = lookup.OutcomeState

// The states of a request that is looked up by its id.
const (
	NotKnown  = lookup.NotKnown  // no request had the id, or its outcome has expired
	Running   = lookup.Running   // it has begun, or waits for its turn
	Stuck     = lookup.Stuck     // it waits for a person: a stuck saga, see Engine.DecideSaga, or what is parked, see Engine.Parked
	Succeeded = lookup.Succeeded // it has a result
	Failed    = lookup.Failed    // it has failed
)

// Outcome is what is known of a request; see [Engine.Outcome]. Its Decode gives the result, or the failure.
type Outcome = lookup.Outcome

// Outcome looks up a request by what it is for and its id, without making it: for a call of is the instance, for a coordinator function
// its name in the place of the type, and no ID. What it tells is durable, and it waits for that, at most for an epoch. It also works while
// an engine is overloaded or has no disk space. Errors: functions.ErrBadCall or functions.ErrTooLarge for what is no id;
// [ErrUnknownType] or [ErrUnknownCoordinator]; [ErrClosed]; [ErrUnknown] if ctx ends first.
func (e *Engine) Outcome(ctx context.Context, of functions.Address, requestID string) (o Outcome, err error) {
	request, err := e.registry.RequestFor(of, requestID)
	if err != nil {
		return o, err
	}
	s := e.shards[request.Shard(e.registry.Shards)]
	var found Outcome
	if err := e.control(ctx, e.workerOf(s), func(w *worker) error {
		found = w.lookUp(s, request)
		return nil
	}); err != nil {
		return o, err
	}
	return found, nil
}

// lookUp finds out how far a request is. Whoever asked for it is told once the running epoch is sealed.
func (w *worker) lookUp(s *shard, of format.Request) Outcome {
	first, row := w.lookFor(s, of)
	switch {
	case first == nil && row == nil:
		return Outcome{}
	case first == nil:
		return known(outcomeFrom(row))
	case first.isSettled():
		return known(first.outcome)
	case first.coord != nil && first.coord.parked:
		return Outcome{State: Stuck, Err: parkedError(first.coord)}
	case first.coord != nil && first.coord.isStuck():
		return Outcome{State: Stuck, Err: w.stuckError(first.coord)}
	}
	return Outcome{State: Running}
}

func known(o outcome) Outcome {
	if o.failure != nil {
		return Outcome{State: Failed, Err: o.err()}
	}
	return lookup.Success(o.result.Encoded())
}
