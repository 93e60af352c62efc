package engine

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
)

// Trace is the course of a transaction or a saga that is over and durable. Durations in it are from when it began.
type Trace struct {
	ID        uint64
	Function  string
	Saga      bool            // and not a transaction
	RequestID string          // "" if it has none
	Context   context.Context // of the request, if [Events].TraceWanted has wanted it; it may be over. Otherwise nil
	Began     time.Time
	Attempts  uint32
	Calls     []TracedCall  // in the order in which they were sent, at most MaxTracedCalls
	CallCount int           // how many there were in all
	Committed bool          // of a saga: done
	Failure   string        // why it did not commit, or was undone
	Decided   time.Duration // when it was decided
	Epoch     uint64        // in which it was
	Sealed    time.Duration // when that was durable

	began time.Duration // as the engine counts what has elapsed
}

// MaxTracedCalls bounds the calls that a [Trace] has.
const MaxTracedCalls = 200

// TracedCall is a call to a participant: of a transaction, which takes the lock, runs the operation and votes; of a saga, which runs it.
type TracedCall struct {
	Attempt   uint32 // of a transaction
	Undo      bool   // the compensation of a step of a saga
	Address   functions.Address
	Operation string // "" if only the lock is taken, up front in a further attempt
	Mode      locks.Mode
	Sent      time.Duration
	WaitBegan time.Duration // for the lock; like WaitEnded 0 if it was free
	WaitEnded time.Duration // granted, or given up
	Back      time.Duration // when its vote was there; 0: never, as the engine has closed
	Vote      string        // "yes", "no" or "gave way"; "" while it is not there. Of a saga: it has succeeded, or failed
	Failure   string        // why it is no

	call *call // until it is back
}

// maxTraces bounds the traces that are kept, of those that had to wait, went wrong or were tried again, and of the others.
const maxTraces = 64

// maxTracesPerSecond bounds the transactions that are traced in a second of engine time.
const maxTracesPerSecond = 512

// traceRoom counts the transactions that are traced in a second.
type traceRoom struct{ second, left atomic.Int64 }

// take reports whether one more may be traced.
func (r *traceRoom) take(elapsed time.Duration) bool {
	if second := 1 + int64(elapsed/time.Second); r.second.Swap(second) != second {
		r.left.Store(maxTracesPerSecond)
	}
	return r.left.Add(-1) >= 0
}

// traceLog has the last traces.
type traceLog struct {
	mu              sync.Mutex
	eventful, plain []Trace // the oldest first
}

func (l *traceLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.eventful, l.plain = nil, nil
}

func (l *traceLog) add(t Trace) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := &l.plain
	if t.isEventful() {
		list = &l.eventful
	}
	*list = append(*list, t)
	if len(*list) == 2*maxTraces {
		*list = append((*list)[:0], (*list)[maxTraces:]...)
	}
}

func (t *Trace) isEventful() bool {
	if t.Attempts > 1 || !t.Committed {
		return true
	}
	for i := range t.Calls {
		if t.Calls[i].WaitEnded != 0 {
			return true
		}
	}
	return false
}

// Traces returns the courses of the last transactions that were traced, the oldest first: at most 64 in which something waited, failed or was
// tried again, and in the second list 64 others. They are those that [Events].TransactionSealed is told of
// while somebody watches ([Engine.Watch]). It does not block.
func (e *Engine) Traces() (eventful, plain []Trace) {
	l := &e.watching.traces
	l.mu.Lock()
	defer l.mu.Unlock()
	return lastTraces(l.eventful), lastTraces(l.plain)
}

func lastTraces(list []Trace) []Trace {
	return append([]Trace(nil), list[max(0, len(list)-maxTraces):]...)
}

// sampler counts the transactions that a worker begins in an epoch while somebody is told of some.
type sampler struct {
	epoch uint64
	begun uint
}

// takes counts one more, and reports whether it is the 1st, 2nd, 4th, 8th and so on.
func (s *sampler) takes(epoch uint64) bool {
	if s.epoch != epoch {
		*s = sampler{epoch: epoch}
	}
	s.begun++
	return bits.OnesCount(s.begun) == 1
}

// beginTrace makes the trace of a run that begins, if it is to have one.
func (x *executor) beginTrace(c *coord) {
	isWanted := c.req != nil && c.req.traced != nil
	if !isWanted && !x.sampler.takes(x.group.epoch) {
		return
	}
	now, elapsed := x.group.clocks.Both()
	if !isWanted && !x.group.traceRoom.take(elapsed) {
		return
	}
	c.traced = &Trace{ID: c.id, Function: c.function.Name, Saga: c.saga != nil, Began: now, began: elapsed}
	if c.req != nil {
		c.traced.RequestID, c.traced.Context = c.req.env.RequestID, c.req.traced
	}
}

// sinceBegan is the time since the run began.
func (x *executor) sinceBegan(t *Trace) time.Duration { return x.group.clocks.Elapsed() - t.began }

// traceSent notes a call to a participant, or a request for its lock.
func (x *executor) traceSent(t *Trace, out *call) {
	if t.CallCount++; t.CallCount > MaxTracedCalls {
		return
	}
	traced := TracedCall{Attempt: out.attempt, Undo: out.undo, Address: functions.Address(out.address()), Mode: out.mode, Sent: x.sinceBegan(t), call: out}
	if out.op != nil {
		traced.Operation = out.op.FullName()
	}
	t.Calls = append(t.Calls, traced)
}

// traceVote notes the answer to a call.
func (x *executor) traceVote(t *Trace, out *call) {
	for i := len(t.Calls) - 1; i >= 0; i-- {
		traced := &t.Calls[i]
		if traced.call != out {
			continue
		}
		traced.call, traced.Back = nil, x.sinceBegan(t)
		if out.waitEnded != 0 {
			traced.WaitBegan, traced.WaitEnded = out.waitBegan-t.began, out.waitEnded-t.began
		}
		switch {
		case out.conflict:
			traced.Vote = "gave way"
		case out.crowded:
			traced.Vote, traced.Failure = "no", x.group.errUndecided().Error()
		case out.outcome.failure != nil:
			traced.Vote, traced.Failure = "no", out.outcome.failure.Error()
		default:
			traced.Vote = "yes"
		}
		return
	}
}

// endTrace notes the decision, and hands the trace to whoever seals the epoch.
func (x *executor) endTrace(c *coord, o *outcome, attempts uint32, committed bool) {
	t := c.traced
	c.traced = nil
	t.Decided, t.Epoch, t.Attempts, t.Committed = x.sinceBegan(t), x.group.epoch, attempts, committed
	if o.failure != nil {
		t.Failure = o.failure.Error()
	}
	x.epoch.traces = append(x.epoch.traces, t)
}

// tellSealed tells of the runs of a portion that were traced and are durable.
func (e *Engine) tellSealed(p *portion) {
	told := e.events.Load()
	if len(p.traces) == 0 || told == nil {
		return
	}
	now := e.clocks.Elapsed()
	for _, t := range p.traces {
		t.Sealed = now - t.began
		tell := told.TransactionSealed
		if t.Saga {
			tell = told.SagaSealed
		}
		if tell != nil {
			tell(*t)
		}
	}
}
