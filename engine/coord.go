package engine

import (
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
)

// coord is one run of a coordinator function, from its start to its end: a transaction with all its attempts, or a saga.
type coord struct {
	id       uint64 // unique; smaller is older
	function *routines.Function
	worker   *worker
	routine  *routines.Routine
	req      *request                  // whose outcome it settles; nil if a message started it
	saga     *sagas.Coordinator        // of a saga
	tx       *transactions.Coordinator // of a transaction
	shard    uint16
	resume   bool             // it is to go on later: msgGoOn is on its way
	hasTurn  bool             // a body that takes long may be resumed now
	touched  bool             // in the running epoch's list
	over     bool             // it has its outcome
	hasRow   bool             // a row tells of it
	then     sagas.ActionKind // of a saga: what it is to go on with

	journal int64   // of a saga: the bytes of its journal, as Engine.journals counts them
	stays   []*call // of a transaction: by participant, the call whose visit is its own there
	calls   []*call // of a transaction: by step, the calls that are out
	locking *call   // of a transaction: the lock that is asked for
	changes int64   // of a transaction: bytes that it has changed, in this attempt
	// Of a transaction: bytes of effects that its body has attached to its outcomes, in this attempt.
	attached int64

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
	value  any   // the input itself, if it is at hand
	slotOf *feed // until it begins: the ingress whose record starts it, if that has a slot
	origin       // of the message that began it, if one did
}

// startFor starts the coordinator function that a client asked for.
func (w *worker) startFor(q *request) {
	c := w.idle.take()
	c.id, c.function = w.engine.nextID.Add(1), q.function.Function
	c.input, c.value, c.shard, c.worker = q.env.Arg, q.env.Value, q.shard, w
	c.req, q.coord = q, c
	w.charge(len(c.input))
	if w.costs.isLong(c.function) {
		c.resume = true
		w.begun.push(message{kind: msgGoOn, coord: c})
		return
	}
	w.start(c)
}

// startMessage starts a coordinator function that a message asks for, on some worker.
func (w *worker) startMessage(env *functions.Envelope, from origin) *coord {
	id := w.engine.nextID.Add(1)
	c := &coord{id: id, function: w.engine.registry.coordinators[env.Coordinator].Function, input: env.Arg, value: env.Value, origin: from}
	c.shard = w.engine.registry.numberShard(id)
	c.worker = w.engine.workerOf(c.shard)
	w.toBackground(c)
	w.send(c.worker, message{kind: msgStart, coord: c})
	return c
}

// start begins a run, or goes on with a saga that a row brought back.
func (w *worker) start(c *coord) {
	w.touch(c)
	if c.slotOf != nil {
		w.handledFed(c.slotOf, len(c.input))
		c.slotOf = nil
	}
	if c.rows.inRun {
		w.charge(len(c.input)) // the run's row is written anew
	}
	if c.function.Protocol == coordinator.Saga {
		if c.saga == nil { // a new one, not one that a row brought back
			w.engine.setSaga(c, sagas.Journal{})
		}
		w.actSaga(c, c.saga.Begin(w.sgActs[:0]))
		return
	}
	c.tx = w.idleTxs.take()
	c.tx.Init(c.id, w.engine.options.Policy, w.engine.options.MaxAttempts)
	w.actTx(c, c.tx.Begin(w.txActs[:0]))
}

// newCall makes a call of a run.
func (w *worker) newCall(c *coord, step int) *call {
	out := w.idleCalls.take()
	*out = call{} // a literal with fields would be made elsewhere and copied
	out.coord, out.step = c, step
	return out
}

const (
	// maxIdle bounds the runs, calls, routines and so on that a worker keeps, each, to use them again.
	maxIdle = 4096
	// maxIdleParts bounds the participants, calls and steps that a run has memory for that is kept.
	maxIdleParts = 256
)

// recycle keeps the memory of a run that is over, and that no row tells of. No message for it is under way, no lock is held for it and
// nothing else refers to it or to its calls: of a transaction that is known at a cut that was not forced.
func (w *worker) recycle(c *coord) {
	if c.req != nil {
		c.req.coord = nil
	}
	for _, stay := range c.stays {
		if stay != nil {
			w.idleCalls.put(stay)
		}
	}
	clear(c.stays)
	clear(c.calls)
	if max(cap(c.stays), cap(c.calls)) <= maxIdleParts {
		stays, calls := c.stays[:0], c.calls[:0]
		*c = coord{}
		c.stays, c.calls = stays, calls
		w.idle.put(c)
	}
}

// recycleMachine keeps the memory of the protocol's machine of a run that is over, and that no row tells of.
func (w *worker) recycleMachine(c *coord) {
	switch {
	case c.hasRow:
	case c.saga == nil:
		if max(c.tx.Parts(), cap(c.calls)) <= maxIdleParts {
			w.idleTxs.put(c.tx)
		}
		c.tx = nil
	default:
		if cap(c.saga.Entries) <= maxIdleParts {
			w.idleSagas.put(c.saga)
		}
		c.saga = nil
	}
}

// touch notes that the running epoch changes a run, so that the cut looks at it.
func (w *worker) touch(c *coord) {
	if !c.touched {
		c.touched, c.at = true, int32(len(w.epoch.touched))
		w.epoch.touched = append(w.epoch.touched, c)
	}
}

// untouch takes a run out of the running epoch's list.
func (w *worker) untouch(c *coord) {
	list := w.epoch.touched
	last := len(list) - 1
	list[c.at], list[last].at = list[last], c.at
	list[last] = nil
	w.epoch.touched = list[:last]
	c.touched = false
}

// begin makes the function's body the routine's next run.
func (w *worker) begin(c *coord, attempt int) {
	if c.routine != nil && c.routine.IsLost() {
		w.dropLost(c.function, c.routine)
		c.routine = nil
	}
	if c.routine == nil {
		c.routine = w.takeRoutine()
	}
	c.routine.WithValue(c.value).Begin(c.function, c.input, attempt)
}

// resumeBody runs the body until it issues steps or returns, and reports whether it returned.
func (w *worker) resumeBody(c *coord) bool {
	w.enterBody(c.function)
	returned := c.routine.Resume()
	w.leave()
	if returned && c.routine.Err != nil {
		w.logPanic(c.function.Name, c.routine.Err)
	}
	return returned
}

// verdict is the error that the body ended with, or what is wrong with the effects that it attached to its success.
func (w *worker) verdict(c *coord) error {
	r := c.routine
	if r.Err != nil {
		return r.Err
	}
	if len(r.Result.Encoded()) > w.engine.options.MaxBytes {
		return fmt.Errorf("%w: the result of %s has %d bytes, at most %d", functions.ErrTooLarge, c.function.Name, len(r.Result.Encoded()), w.engine.options.MaxBytes)
	}
	if r.OnSuccess.Empty() {
		return nil
	}
	return w.checkEffects(r.OnSuccess)
}

// conclude ends a run: its effects, its routine, its outcome.
func (w *worker) conclude(c *coord, o outcome, effects *functions.Effects) {
	w.touch(c)
	c.over = true
	w.forgetAlarm(c)
	w.chargeDrop(c)
	w.dropAttached(c)
	w.dropJournal(c)
	w.endBackground(c)
	if !effects.Empty() {
		w.applyOutcome(c, effects)
	}
	if c.routine != nil {
		w.putRoutine(c.function, c.routine)
		c.routine = nil
	}
	switch {
	case c.req == nil && o.failure != nil:
		w.engine.options.Logger.Warn("a coordinator function that a message started failed", "function", c.function.Name, "error", o.err())
	case c.req != nil:
		w.settle(c.req, o)
	}
}

// outcomeChecker tells which effects can be part of an outcome. Whether there is room for them is seen when it is decided.
func (w *worker) outcomeChecker() routines.Checker {
	e := w.engine
	return routines.Checker{
		Check:    func(effects *functions.Effects) error { return e.registry.checkEffects(effects, e.options.MaxBytes) },
		Bytes:    bytesOf,
		MaxBytes: int(e.budget.share / 2),
	}
}

// applyOutcome carries out the effects of an outcome. They were checked when they were attached, and happen also if there is no room
// for more by now: there is no taking back an outcome. But a saga may have attached them in another process, which had an egress or a
// function that this one does not have; one of those is dropped alone.
func (w *worker) applyOutcome(c *coord, effects *functions.Effects) {
	drop := func(one *functions.Effects) bool {
		err := w.engine.registry.checkEffects(one, anyBytes)
		if err != nil {
			w.engine.stats.dropped.Add(1)
			w.engine.options.Logger.Error("an effect of an outcome is dropped", "function", c.function.Name, "run", c.id, "error", err)
		}
		return err != nil
	}
	if w.engine.registry.checkEffects(effects, anyBytes) != nil {
		effects.Sends = slices.DeleteFunc(effects.Sends, func(m functions.Envelope) bool {
			return drop(&functions.Effects{Sends: []functions.Envelope{m}})
		})
		effects.Emits = slices.DeleteFunc(effects.Emits, func(r functions.Emitted) bool {
			return drop(&functions.Effects{Emits: []functions.Emitted{r}})
		})
	}
	w.apply(functions.Address{}, c.shard, effects)
}

func (w *worker) takeRoutine() *routines.Routine {
	n := len(w.routines)
	if n == 0 {
		return routines.NewRoutine().WithChecker(w.outcomeChecker())
	}
	r := w.routines[n-1]
	w.routines = w.routines[:n-1]
	return r
}

func (w *worker) putRoutine(f *routines.Function, r *routines.Routine) {
	if r.IsLost() {
		w.dropLost(f, r)
		return
	}
	if len(w.routines) < maxIdle {
		w.routines = append(w.routines, r)
		return
	}
	r.Close()
}
