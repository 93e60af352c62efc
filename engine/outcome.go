package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
)

// outcomeFrom is the outcome that a row has.
func outcomeFrom(row format.Outcome) outcome {
	payload, failed := row.Payload()
	if failed {
		return outcome{failure: functions.DecodeFailure(payload)}
	}
	return outcome{result: functions.EncodedResult(payload)}
}

// likeRow compares a request with the one that a row is of.
func (q *request) likeRow(row format.Outcome) likeness {
	fingerprint := row.Fingerprint()
	switch {
	case row.IsWide():
		arg, shape := row.Wide()
		return q.identity.like(newIdentity(fingerprint, arg, uint64(shape)))
	case !row.IsOld():
		return q.identity.like(identity{fingerprint, row.Tag()})
	case fingerprint == oldFingerprint(&q.env):
		return isSame
	}
	return isOther
}

func writeOutcome(batch store.Batch, q *request, now int64) {
	var buf [256]byte
	key := format.OutcomeKey(buf[:0], q.shard, q.env.RequestID)
	payload, failed := q.outcome.result.Encoded(), q.outcome.failure != nil
	if failed {
		payload = q.outcome.failure.Encoded()
	}
	batch.SetDeferred(len(key), format.OutcomeLen(payload), func(k, v []byte) {
		copy(k, key)
		format.PutOutcome(v, q.identity.fingerprint, q.identity.tag, now, failed, payload)
	})
}

// outcomeOf reads the row of a request's outcome, if the id may have been used; nil if there is none, or if it has expired.
func (w *worker) outcomeOf(shard uint16, requestID string) format.Outcome {
	if !w.engine.workerOf(shard).seen.May(format.RequestHash(requestID)) {
		return nil
	}
	return w.outcomeRow(shard, requestID)
}

// outcomeRow is outcomeOf for an id that may be in no filter yet.
func (w *worker) outcomeRow(shard uint16, requestID string) format.Outcome {
	w.key = format.OutcomeKey(w.scratch(), shard, requestID)
	value, found := w.load(w.key)
	if !found {
		w.engine.stats.alarms.Add(1)
		return nil
	}
	row := format.Outcome(value)
	if row.IsDamaged() {
		w.engine.fatal(fmt.Errorf("%w: outcome of request %q", ErrDamaged, requestID))
	}
	if w.engine.expired(row.Settled(), w.engine.clocks.now()) {
		return nil
	}
	return row
}

// answerFrom settles a request from the row of an earlier one with the same id.
func (w *worker) answerFrom(q *request, row format.Outcome) {
	if w.refuses(q, q.likeRow(row)) {
		return
	}
	q.outcome = outcomeFrom(row)
	w.engine.finish(q)
}

// expired reports whether an outcome is older than it is kept. Both times are engine times.
func (e *Engine) expired(settled, now int64) bool {
	keep := e.options.KeepOutcomes
	return keep >= 0 && settled < now && now-settled > int64(keep)
}

// OutcomeState is how far a request is.
type OutcomeState uint8

// The states of a request that is looked up by its id.
const (
	NotKnown  OutcomeState = iota // no request had the id, or its outcome has expired
	Running                       // it has begun, or waits for its turn
	Stuck                         // it waits for a person: a stuck saga, see Engine.DecideSaga, or what is parked, see Engine.Parked
	Succeeded                     // it has a result
	Failed                        // it has failed
)

var outcomeStates = [...]string{"not known", "running", "stuck", "succeeded", "failed"}

// String returns the state's name in lower case.
func (s OutcomeState) String() string { return outcomeStates[s] }

// Outcome is what is known of a request; see [Engine.Outcome].
type Outcome struct {
	State OutcomeState
	// Err is why the request failed (errors.Is finds the functions.Failure values in it), or why its saga is stuck.
	Err error

	result []byte
}

// Decode stores the result of a request that succeeded in *result, and is the failure of one that failed. A request that succeeded and
// has no result leaves *result as it is. Errors besides that: [ErrUnknown] in all other states; [ErrResult] for a result that does not
// decode, also because a codec method of its type panics: then there is a functions.PanicError in it.
func (o Outcome) Decode(result any) error {
	switch o.State {
	case Succeeded:
		if len(o.result) == 0 {
			return nil
		}
		decode := func(r *functions.Result) error { return functions.Decode(r.Encoded(), result) }
		return readResult(decode, functions.EncodedResult(o.result))
	case Failed:
		return o.Err
	}
	return errors.Join(fmt.Errorf("%w: the request is %v", ErrUnknown, o.State), o.Err)
}

// Outcome looks up a request by its id, without making it. What it tells is durable, and it waits for that, at most for an epoch. It
// also works while an engine is overloaded or has no disk space. Errors: functions.ErrBadCall or functions.ErrTooLarge for what is no
// id; [ErrClosed]; [ErrUnknown] if ctx ends first.
func (e *Engine) Outcome(ctx context.Context, requestID string) (o Outcome, err error) {
	if err := functions.CheckID("request", requestID); err != nil {
		return o, err
	}
	shard := e.registry.requestShard(requestID)
	var found Outcome
	if err := e.control(ctx, e.workerFor(shard, requestID), func(w *worker) error {
		found = w.lookUp(shard, requestID)
		return nil
	}); err != nil {
		return o, err
	}
	return found, nil
}

// lookUp finds out how far a request is. Whoever asked for it is told once the running epoch is sealed.
func (w *worker) lookUp(shard uint16, requestID string) Outcome {
	all := &w.engine.ids
	part := all.part(shard)
	all.lock(part)
	first, row := w.lookFor(part, shard, requestID)
	all.unlock(part)
	if first != nil {
		switch {
		case first.worker != w: // it has come in meanwhile, and more is not to be seen from here
			return Outcome{State: Running}
		case first.isSettled():
			return known(first.outcome)
		case first.coord != nil && first.coord.parked:
			return Outcome{State: Stuck, Err: parkedError(first.coord)}
		case first.coord != nil && first.coord.isStuck():
			return Outcome{State: Stuck, Err: w.stuckError(first.coord)}
		}
		return Outcome{State: Running}
	}
	if row != nil {
		return known(outcomeFrom(row))
	}
	return Outcome{}
}

func known(o outcome) Outcome {
	if o.failure != nil {
		return Outcome{State: Failed, Err: o.err()}
	}
	return Outcome{State: Succeeded, result: o.result.Encoded()}
}
