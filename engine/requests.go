package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
)

// An id belongs to what its request is for: an instance, or a coordinator function. Requests for the same with one id are one request; so
// all that is known of it is on one shard: the run or the instance, who waits, and the outcome. Requests for different instances, or
// for different coordinator functions, have nothing to do with each other, whatever their ids.

// isRepeat settles a request whose id is known already, and otherwise gives it the id.
func (x *executor) isRepeat(q *request) bool {
	first, row := x.lookFor(q.shard, q.of)
	switch {
	case first != nil:
		x.join(q, first)
	case row != nil:
		x.answerFrom(q, row)
	default:
		q.shard.requests[q.of] = q
		return false
	}
	return true
}

// lookFor finds the request that has an id, or the row of its outcome if it has not expired; neither if the id is free.
func (x *executor) lookFor(s *shard, of format.Request) (first *request, row format.Outcome) {
	if first = s.requests[of]; first == nil {
		row = x.outcomeOf(s, of)
	}
	return first, row
}

// forget forgets a request, if it is the one that has its id: its outcome has a row.
func (s *shard) forget(q *request) (forgotten bool) {
	if s.requests[q.of] != q {
		return false
	}
	delete(s.requests, q.of)
	return true
}

// join lets q wait for the outcome of first, which has the same id.
func (x *executor) join(q, first *request) {
	switch {
	case x.refuses(q, q.identity.Like(first.identity)):
	case first.isSealed():
		q.outcome = first.outcome
		x.group.finish(q)
	case first.isSettled(): // to be sealed with this epoch or the one before
		q.outcome = first.outcome
		x.epoch.replies = append(x.epoch.replies, q)
	case first.coord != nil && first.coord.parked:
		q.err = parkedError(first.coord)
		x.group.finish(q)
	case first.coord != nil && first.coord.isStuck():
		q.err = x.stuckError(first.coord)
		x.group.finish(q)
	default:
		q.next, first.next = first.next, q
	}
}

// refuses reports whether a request is not the one that its id was first used for, and settles it then. That the program has changed
// in between is reported, once for each function.
func (x *executor) refuses(q *request, like registry.Likeness) bool {
	if like == registry.IsSame {
		return false
	}
	target := q.env.Target()
	if like == registry.IsChanged {
		x.group.stats.changed.Add(1)
		if _, told := x.group.toldChanged.LoadOrStore(functionOf(&q.env), true); !told {
			x.group.options.Logger.Warn("a request is repeated with an argument of another shape, and gets the outcome of the first",
				"function", functionOf(&q.env), "request", q.env.RequestID)
		}
		return false
	}
	was := "another operation"
	if like == registry.IsOtherArg {
		was = "another argument"
	}
	q.err = fmt.Errorf("%w: %q was used with %s; this request, for %s, was not run", ErrReusedID, q.env.RequestID, was, target)
	x.group.finish(q)
	return true
}

// functionOf names the function that a request is for.
func functionOf(env *instances.Envelope) string {
	if env.Op != nil {
		return env.Op.FullName()
	}
	return env.Coordinator
}
