package engine

import (
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/internal/queue"
)

// coord is one run of a coordinator function, from its start to its end: a transaction with all its attempts, or a saga.
type coord struct {
	id       uint64 // unique; smaller is older
	function *routines.Function
	routine  *routines.Routine
	req      *request                  // whose outcome it settles; nil if a message started it
	saga     *sagas.Coordinator        // of a saga
	tx       *transactions.Coordinator // of a transaction
	shard    *shard
	resume   bool             // it is to go on later: msgGoOn is on its way
	hasTurn  bool             // a body that takes long may be resumed now
	touched  bool             // in the running epoch's list
	over     bool             // it has its outcome
	hasRow   bool             // a row tells of it
	then     sagas.ActionKind // of a saga: what it is to go on with

	journal   int64   // of a saga: the bytes of its journal, as Engine.journals counts them
	parts     []part  // of a transaction
	calls     []*call // of a transaction: by step, the calls that are out
	locking   *call   // of a transaction: the lock that is asked for
	withdrawn bool    // of a transaction: some of them were taken back
	changes   int64   // of a transaction: bytes that it has changed, in this attempt
	// Of a transaction: bytes of effects that its body has attached to its outcomes, in this attempt.
	attached int64

	traced     *Trace      // of a run whose course is noted for those who watch
	began      int64       // in this process, Unix nanoseconds
	at         int32       // in the epoch's list
	stands     int32       // how often the conductor has come by it, see leaveOutFree
	seenIn     uint64      // in which look it did last
	parked     bool        // see left: no process has survived it
	background bool        // no client's place counts for it: see Options.MaxRuns
	rows       journalRows // of a saga
	alarm      *timer      // of a saga: the end of its sleep or back-off
	accepted   int         // of a saga: steps that an earlier opening has accepted, perhaps under a larger Options.MaxBytes
	left       *unfinished // an earlier process left it, and it is not known yet whether this one survives it

	input  []byte
	value  any        // the input itself, if it is at hand
	slotOf *partition // until it begins: whose record starts it, if that has a slot
	asked  *request   // the record of a source that started it, if one did
	origin            // of the message that began it, if one did
}

// part is a participant of a transaction, in an attempt.
type part struct {
	shard   *shard
	attempt uint32
	visit   *visit // once it has answered
}

// startFor starts the coordinator function that a client asked for.
func (x *executor) startFor(q *request) {
	c := x.idle.Take()
	c.id, c.function = x.group.nextID.Add(1), q.function.Function
	c.input, c.value, c.shard = q.env.Arg, q.env.Value, q.shard
	c.req, q.coord = q, c
	x.charge(len(c.input))
	if x.costs.isLong(c.function) {
		c.resume = true
		x.begun.Push(message{kind: msgGoOn, about: c})
		return
	}
	x.start(c)
}

// startMessage starts a coordinator function that a message asks for, on some worker.
func (x *executor) startMessage(env *instances.Envelope, from origin) *coord {
	c := x.newMessageRun(env, from)
	x.toBackground(c)
	x.send(c.shard, message{kind: msgStart, about: c})
	return c
}

// newMessageRun makes a run that a message asks for.
func (x *executor) newMessageRun(env *instances.Envelope, from origin) *coord {
	id := x.group.nextID.Add(1)
	c := &coord{id: id, function: x.group.registry.Coordinators[env.Coordinator].Function, input: env.Arg, value: env.Value, origin: from}
	c.shard = x.group.shards[x.group.registry.NumberShard(id)]
	return c
}

// start begins a run, or goes on with a saga that a row brought back.
func (x *executor) start(c *coord) {
	c.began = x.now.UnixNano()
	x.touch(c)
	if c.slotOf != nil {
		x.handledFed(c.slotOf, len(c.input))
		c.slotOf = nil
	}
	if c.rows.inRun {
		x.charge(len(c.input)) // the run's row is written anew
	}
	if c.function.Protocol == routines.Saga {
		if c.saga == nil { // a new one, not one that a row brought back
			x.setSaga(c, sagas.Journal{})
			if told := x.group.events.Load(); told != nil && told.SagaSealed != nil {
				x.beginTrace(c)
			}
		}
		x.actSaga(c, c.saga.Begin(x.sgActs[:0]))
		return
	}
	if told := x.group.events.Load(); told != nil && told.TransactionSealed != nil {
		x.beginTrace(c)
	}
	c.tx = x.idleTxs.Take()
	c.tx.Init(c.id, x.group.options.Policy, x.group.options.MaxAttempts)
	x.actTx(c, c.tx.Begin(x.txActs[:0]))
}

// newCall makes a call of a run.
func (x *executor) newCall(c *coord, step int) *call {
	out := x.idleCalls.Take()
	*out = call{} // a literal with fields would be made elsewhere and copied
	out.coord, out.step = c, step
	return out
}

const (
	// maxIdleParts bounds the participants, calls and steps that a run has memory for that is kept.
	maxIdleParts = 256
)

// recycle keeps the memory of a run that is over, and that no row tells of. No message for it is under way, no lock is held for it and
// nothing else refers to it or to its calls: of a transaction that is known at a cut that was not forced.
func (x *executor) recycle(c *coord) {
	if c.req != nil {
		c.req.coord = nil
	}
	clear(c.parts)
	clear(c.calls)
	if max(cap(c.parts), cap(c.calls)) <= maxIdleParts {
		parts, calls := c.parts[:0], c.calls[:0]
		*c = coord{}
		c.parts, c.calls = parts, calls
		x.idle.Put(c)
	}
}

// recycleMachine keeps the memory of the protocol's machine of a run that is over, and that no row tells of.
func (x *executor) recycleMachine(c *coord) {
	switch {
	case c.hasRow:
	case c.saga == nil:
		if max(c.tx.Parts(), cap(c.calls)) <= maxIdleParts {
			x.idleTxs.Put(c.tx)
		}
		c.tx = nil
	default:
		if cap(c.saga.Entries) <= maxIdleParts {
			x.idleSagas.Put(c.saga)
		}
		c.saga = nil
	}
}

// touch notes that the running epoch changes a run, so that the cut looks at it.
func (x *executor) touch(c *coord) {
	if !c.touched {
		c.touched, c.at = true, int32(len(x.epoch.touched))
		x.epoch.touched = append(x.epoch.touched, c)
	}
}

// untouch takes a run out of the running epoch's list.
func (x *executor) untouch(c *coord) {
	list := x.epoch.touched
	last := len(list) - 1
	list[c.at], list[last].at = list[last], c.at
	list[last] = nil
	x.epoch.touched = list[:last]
	c.touched = false
}

// begin makes the function's body the routine's next run.
func (x *executor) begin(c *coord, attempt int) {
	if c.routine != nil && c.routine.IsLost() {
		x.dropLost(c.function, c.routine)
		c.routine = nil
	}
	if c.routine == nil {
		c.routine = x.takeRoutine()
	}
	c.routine.WithValue(c.value).Begin(c.function, c.input, attempt)
}

// resumeBody runs the body until it issues steps or returns, and reports whether it returned.
func (x *executor) resumeBody(c *coord) bool {
	x.enterBody(c.function)
	returned := c.routine.Resume()
	x.leave()
	if returned && c.routine.Err != nil {
		x.logPanic(c.function.Name, c.routine.Err)
	}
	return returned
}

// verdict is the error that the body ended with, or what is wrong with the effects that it attached to its success.
func (x *executor) verdict(c *coord) error {
	r := c.routine
	if r.Err != nil {
		return r.Err
	}
	if len(r.Result.Encoded()) > x.group.options.MaxBytes {
		return fmt.Errorf("%w: the result of %s has %d bytes, at most %d", functions.ErrTooLarge, c.function.Name, len(r.Result.Encoded()), x.group.options.MaxBytes)
	}
	if r.OnSuccess.Empty() {
		return nil
	}
	return x.checkEffects(r.OnSuccess)
}

// conclude ends a run: its effects, its routine, its outcome.
func (x *executor) conclude(c *coord, o outcome, effects *instances.Effects) {
	x.touch(c)
	c.over = true
	x.forgetAlarm(c)
	x.chargeDrop(c)
	x.dropAttached(c)
	x.dropJournal(c)
	x.endBackground(c)
	if !effects.Empty() {
		x.applyOutcome(c, effects)
	}
	if c.routine != nil {
		x.putRoutine(c.function, c.routine)
		c.routine = nil
	}
	if c.req == nil && c.asked != nil {
		x.answerRecord(c.asked.record, o)
	}
	switch {
	case c.req == nil && o.failure != nil:
		x.group.options.Logger.Warn("a coordinator function that a message started failed", "function", c.function.Name, "error", o.err())
	case c.req != nil:
		x.settle(c.req, o)
	}
	c.letGoKey() // last: what the next record with the key emits comes behind
}

// outcomeChecker tells which effects can be part of an outcome. Whether there is room for them is seen when it is decided.
func (x *executor) outcomeChecker() routines.Checker {
	e := x.group
	return routines.Checker{
		Check:    func(effects *instances.Effects) error { return e.registry.CheckEffects(effects, e.options.MaxBytes) },
		Bytes:    bytesOf,
		MaxBytes: int(e.budget.share / 2),
	}
}

// applyOutcome carries out the effects of an outcome. They were checked when they were attached, and happen also if there is no room
// for more by now: there is no taking back an outcome. But a saga may have attached them in another process, which had an egress or a
// function that this one does not have; one of those is dropped alone.
func (x *executor) applyOutcome(c *coord, effects *instances.Effects) {
	drop := func(one *instances.Effects) bool {
		err := x.group.registry.CheckEffects(one, anyBytes)
		if err != nil {
			x.group.stats.dropped.Add(1)
			x.group.options.Logger.Error("an effect of an outcome is dropped", "function", c.function.Name, "run", c.id, "error", err)
		}
		return err != nil
	}
	if x.group.registry.CheckEffects(effects, anyBytes) != nil {
		effects.Sends = slices.DeleteFunc(effects.Sends, func(m instances.Envelope) bool {
			return drop(&instances.Effects{Sends: []instances.Envelope{m}})
		})
		effects.Emits = slices.DeleteFunc(effects.Emits, func(r format.Emitted) bool {
			return drop(&instances.Effects{Emits: []format.Emitted{r}})
		})
	}
	x.apply(format.Address{}, c.shard, effects)
}

func (x *executor) takeRoutine() *routines.Routine {
	n := len(x.routines)
	if n == 0 {
		return routines.NewRoutine().WithChecker(x.outcomeChecker())
	}
	r := x.routines[n-1]
	x.routines = x.routines[:n-1]
	return r
}

func (x *executor) putRoutine(f *routines.Function, r *routines.Routine) {
	if r.IsLost() {
		x.dropLost(f, r)
		return
	}
	if len(x.routines) < queue.MaxIdle {
		x.routines = append(x.routines, r)
		return
	}
	r.Close()
}
