package engine

import (
	"sync"

	"github.com/concordat-dev/concordat/internal/format"
)

// ids knows the requests with ids whose outcomes have no rows yet. An id is the engine's: of two requests with one id the second finds the
// first, whatever they are for. So the ids belong to no worker, and a request runs on the worker of what it is for, which need not wait
// for another that may be in the middle of an operation. What is in a part of it is guarded by the part's mutex, what is in a request is
// its worker's.
type ids struct {
	alone bool   // there is one worker, and nobody else looks here: one part, and no mutex
	mask  uint16 // of the numbers of parts
	parts [idParts]idPart
}

// idParts is how many parts there are. A coordinator function's shard follows from its id, so workers meet at a part for calls only.
const idParts = 64

type idPart struct {
	mu       sync.Mutex
	requests map[string]*request // not settled or not yet sealed

	_ [112]byte // two cache lines for each part, which are fetched together
}

func (i *ids) init(workers int) {
	if i.alone = workers == 1; !i.alone {
		i.mask = idParts - 1
	}
	for n := range i.parts {
		i.parts[n].requests = map[string]*request{}
	}
}

// part has the ids whose outcomes are in a shard.
func (i *ids) part(shard uint16) *idPart { return &i.parts[shard&i.mask] }

func (i *ids) lock(p *idPart) {
	if !i.alone {
		p.mu.Lock()
	}
}

func (i *ids) unlock(p *idPart) {
	if !i.alone {
		p.mu.Unlock()
	}
}

// workerFor is the worker that can tell of an id: that of the request that has it.
func (e *Engine) workerFor(shard uint16, id string) *worker {
	if e.ids.alone {
		return e.workers[0]
	}
	part := e.ids.part(shard)
	e.ids.lock(part)
	defer e.ids.unlock(part)
	if first := part.requests[id]; first != nil {
		return first.worker
	}
	return e.workerOf(shard)
}

// put gives a request its id, whoever had it.
func (i *ids) put(q *request) {
	part := i.part(q.shard)
	i.lock(part)
	defer i.unlock(part)
	part.requests[q.env.RequestID] = q
}

// forget ends that, if the request has it: its outcome has a row.
func (i *ids) forget(q *request, seen func(hash uint64)) {
	part := i.part(q.shard)
	i.lock(part)
	defer i.unlock(part)
	if part.requests[q.env.RequestID] == q {
		delete(part.requests, q.env.RequestID)
		seen(format.RequestHash(q.env.RequestID))
	}
}

// isRepeat settles a request whose id is known already, and otherwise gives it the id.
func (w *worker) isRepeat(q *request) bool {
	all := &w.engine.ids
	part := all.part(q.shard)
	all.lock(part)
	first, row := w.lookFor(part, q.shard, q.env.RequestID)
	if first == nil && row == nil {
		part.requests[q.env.RequestID] = q
	}
	all.unlock(part)
	switch {
	case first != nil:
		w.join(q, first)
	case row != nil:
		w.answerFrom(q, row)
	}
	return first != nil || row != nil
}

// lookFor finds the request that has an id, or the row of its outcome if it has not expired; neither if the id is free. The caller holds
// the part's mutex.
//
// The worker of a request forgets it once it is sealed, but may be at rest: so where it is another one, the row is what counts then.
func (w *worker) lookFor(part *idPart, shard uint16, id string) (first *request, row format.Outcome) {
	if first = part.requests[id]; first == nil {
		return nil, w.outcomeOf(shard, id)
	}
	if first.worker != w && first.isSealed() {
		return nil, w.outcomeRow(shard, id)
	}
	return first, nil
}

// join lets q wait for the outcome of first, which has the same id.
func (w *worker) join(q, first *request) {
	like := q.identity.like(first.identity)
	if first.worker != w {
		like = isOther // nothing else of it may be looked at
	}
	switch {
	case w.refuses(q, like):
	case first.isSealed():
		q.outcome = first.outcome
		w.engine.finish(q)
	case first.isSettled(): // to be sealed with this epoch or the one before
		q.outcome = first.outcome
		w.epoch.replies = append(w.epoch.replies, q)
	case first.coord != nil && first.coord.parked:
		q.err = parkedError(first.coord)
		w.engine.finish(q)
	case first.coord != nil && first.coord.isStuck():
		q.err = w.stuckError(first.coord)
		w.engine.finish(q)
	default:
		q.next, first.next = first.next, q
	}
}
