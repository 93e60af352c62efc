package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/locks"
)

// call is one call of an operation, on its way to the instance and back. Exactly one of req and coord is set for a call that
// somebody waits for; neither for a message.
type call struct {
	op    *functions.Operation
	id    string
	arg   []byte
	value any // the argument itself, if it is at hand

	entry    *typeEntry
	worker   *worker // of the instance
	inst     *instance
	req      *request
	coord    *coord
	step     int // in the coordinator function: the step, or -1 for a lock
	changed  int // with the outcome: bytes more that the transaction will write; of a saga's, what the step's row has without it
	shard    uint16
	undo     bool       // the step's compensation
	mode     locks.Mode // at the instance
	mayWait  bool       // at the instance
	conflict bool       // the outcome is a failure for the sake of other transactions
	crowded  bool       // with the outcome: undecided transactions have no room for what it would change

	outcome outcome
	origin              // of a message
	number  uint64      // of a message: its row, once it was carried from one epoch to the next
	fired   *timer      // of a message: that its instance had set for itself
	slotOf  *feed       // of a message: the ingress whose record it is, if that has a slot
	left    *unfinished // of a message that an earlier process left

	// At the instance.
	stay      *call // the call whose visit is the transaction's
	owner     locks.Owner
	part      int
	visit     visit         // a plain call's while it waits; a transaction's from its first call there
	waits     time.Duration // since when it has waited for its lock, if it does: see clocks.elapsed
	held      *held         // of a transaction's visit: what it holds back
	tentative int           // the largest state that the transaction's visit has made there
	grown     int           // all that the visit has changed, as Engine.undecided counts it
}

// initCall sets up a call of an envelope that the registry has checked, on an instance of the type.
func (e *Engine) initCall(c *call, env *functions.Envelope, of *typeEntry) {
	c.op, c.id, c.arg, c.value, c.entry = env.Op, env.ID, env.Arg, env.Value, of
	c.shard = e.registry.shardOf(c.entry, c.id)
	c.worker = e.workerOf(c.shard)
}

func (c *call) address() functions.Address {
	return functions.Address{Type: c.entry.info.Name, ID: c.id}
}

// isMessage reports whether nobody waits for the call.
func (c *call) isMessage() bool { return c.req == nil && c.coord == nil }

// runCall runs a call that is no transaction's, or lets it wait for its turn if the instance is locked.
func (w *worker) runCall(c *call) {
	c.inst = w.instance(c)
	lock := &c.inst.seat.Lock
	if !looksAtLock || lock.Free() {
		w.execute(c)
		return
	}
	c.mode = locks.Exclusive
	if c.op.Kind.Reads() {
		c.mode = locks.Shared
	}
	c.owner = locks.Owner{ID: w.engine.nextID.Add(1), Single: true}
	c.visit.Init(&c.inst.seat, c, c.owner)
	if w.acquire(c, &c.visit) == locks.Granted {
		w.runGranted(c)
	}
}

// acquire asks for a call's lock, on behalf of a visit, and wounds whom the policy says.
func (w *worker) acquire(c *call, v *visit) locks.Result {
	w.wounded = w.wounded[:0]
	result := c.inst.seat.Lock.Acquire(&v.Claim, c.mode, w.engine.options.Policy, c.mayWait, &w.wounded)
	for _, claim := range w.wounded {
		if victim := claim.Ref.Ref.coord; victim != nil {
			w.send(victim.worker, message{kind: msgConflict, coord: victim, which: claim.Owner.Attempt})
		}
	}
	if result == locks.Waits {
		w.noteContended(c.inst)
		c.waits = w.engine.clocks.elapsed()
		if c.isMessage() && c.number == 0 {
			w.waiters = append(w.waiters, c)
		}
	}
	return result
}

// runGranted runs a plain call that holds the lock, and gives the lock up.
func (w *worker) runGranted(c *call) {
	w.execute(c)
	w.grant(c.inst.seat.Lock.Release(&c.visit.Claim, w.granted[:0]))
}

// grant queues the calls whose claims were granted.
func (w *worker) grant(claims []*locks.Claim[*visit]) {
	for _, claim := range claims {
		w.endWait(claim.Ref.Ref)
		w.receive(message{kind: msgGranted, call: claim.Ref.Ref})
	}
	w.granted = claims
}

// endWait counts a call's wait for its lock, which is over. The counts are this worker's own: all workers wait often when they
// wait at all.
func (w *worker) endWait(c *call) {
	w.waits.add(w.engine.clocks.elapsed() - c.waits)
}

// execute runs a call on its instance, whose lock is free or held for it.
func (w *worker) execute(c *call) {
	if c.isMessage() {
		w.queued -= c.weight()
		if c.fired != nil && !w.isStillWanted(c.fired) {
			w.done(c)
			return
		}
	}
	w.carryOut(c)
}

// carryOut runs a call's operation, and does what follows from it.
func (w *worker) carryOut(c *call) {
	result, err := w.runOperation(c)
	if err != nil {
		w.failed(c, err)
		return
	}
	c.outcome = outcome{result: result}
	if !c.op.Kind.Reads() {
		w.changed(c.inst)
	}
	if c.op.Kind == functions.KindDelete {
		w.dropOwnTimers(c.address()) // before it sets new ones
	}
	if !w.effects.Empty() {
		w.apply(c.address(), c.shard, &w.effects)
	}
	w.done(c)
}

// runOperation runs user code on the instance's cell. Effects that cannot be carried out are a failure, with the state as
// before.
func (w *worker) runOperation(c *call) (*functions.Result, error) {
	cell := &c.inst.seat.Cell
	before := cell.Image()
	result, err := cell.Run(c.op, w.enter(c), c.arg, w.engine.options.MaxBytes)
	w.leave()
	if err == nil && !w.effects.Empty() {
		if err = w.checkEffects(&w.effects); err != nil {
			cell.Restore(before)
		}
	}
	if err != nil {
		w.logPanic(c.op.FullName(), err)
	}
	return result, err
}

func (w *worker) checkEffects(e *functions.Effects) error {
	if len(e.Timers) > 0 {
		if err := w.checkTimers(e.Timers); err != nil {
			return err
		}
	}
	if len(e.Sends) > 0 {
		if err := w.checkRoom(e.Sends); err != nil {
			return err
		}
	}
	if err := w.checkRuns(e); err != nil {
		return err
	}
	if bytes := bytesOf(e); int64(bytes) > w.engine.budget.share/2 {
		return fmt.Errorf("%w: an operation sends, emits and sets timers of %d bytes, at most %d: an eighth of Options.MaxEpochBytes",
			functions.ErrTooLarge, bytes, w.engine.budget.share/2)
	}
	if len(e.Emits) > 0 {
		if err := w.checkBacklog(e.Emits); err != nil {
			return err
		}
	}
	return w.engine.registry.checkEffects(e, w.engine.options.MaxBytes)
}

// failed is the end of a call that failed.
func (w *worker) failed(c *call, err error) {
	c.outcome = outcome{failure: functions.Far(err)}
	if c.isMessage() {
		w.handleFailure(c, err)
	}
	w.done(c)
}

// handleFailure runs the type's handler for a message that failed.
func (w *worker) handleFailure(c *call, failure error) {
	err := c.entry.info.Handle(w.enter(c), functions.Failed{Operation: c.op.Name, Arg: functions.EncodedArg(c.arg, c.value), Err: failure})
	w.leave()
	if err == nil {
		err = w.checkEffects(&w.effects)
	}
	if err != nil {
		w.logPanic(c.op.FullName(), err)
		w.engine.options.Logger.Warn("a message failed and nobody handled it", "operation", c.op.FullName(), "id", c.id, "error", err)
		w.effects.Reset()
		return
	}
	w.apply(c.address(), c.shard, &w.effects)
}

func (w *worker) logPanic(what string, err error) {
	var p *functions.PanicError
	if errors.As(err, &p) {
		w.engine.options.Logger.Error("user code panicked", "in", what, "panic", p.Value, "stack", string(p.Stack))
	}
}

// done tells whoever waits for a call that its outcome is known. What will be written of the outcome counts for the epoch here, before
// the worker goes on: many outcomes can be on their way to those who write them.
func (w *worker) done(c *call) {
	switch {
	case c.coord != nil:
		w.charge(c.changed + len(c.outcome.result.Encoded()) + c.outcome.failure.Size()) // its row in the journal
		w.send(c.coord.worker, message{kind: msgDone, call: c})
	case c.req == nil:
		if c.slotOf != nil {
			w.handledFed(c.slotOf, argBytes(c.op, c.arg, c.value))
			c.slotOf = nil
		}
		if c.number != 0 {
			w.charge(0)
			w.addRow(format.NumberedKey(nil, c.shard, format.KindMessage, c.number), nil)
			if c.left != nil {
				w.survived(c.left)
				c.left = nil
			}
		}
	case c.req.env.RequestID == "" && c.op.Kind.Reads() && w.effects.Empty() && !c.inst.dirty && c.inst.epoch <= w.engine.sealed.Load():
		c.req.outcome = c.outcome // what was read is durable: no need to wait
		w.engine.release(c.req)
	default:
		w.settle(c.req, c.outcome)
	}
}

// settle ends a request with an outcome, to be released when the running epoch is sealed.
func (w *worker) settle(q *request, o outcome) {
	q.outcome = o
	q.settledIn.Store(w.engine.epoch)
	if q.env.RequestID != "" {
		w.charge(len(q.env.RequestID) + len(o.result.Encoded()) + o.failure.Size())
		w.epoch.outcomes = append(w.epoch.outcomes, q)
	}
	w.epoch.replies = append(w.epoch.replies, q)
}

// apply carries out the effects of an operation or of an outcome.
func (w *worker) apply(from functions.Address, shard uint16, e *functions.Effects) {
	for i := range e.Sends {
		w.sendMessage(&e.Sends[i], origin{line: lineSent})
	}
	for i := range e.Timers {
		w.setTimer(from, shard, &e.Timers[i])
	}
	for _, id := range e.Cancels {
		w.cancelTimer(from, id)
	}
	w.emit(e.Emits...)
}

// emit has records go to their egresses with the running epoch.
func (w *worker) emit(records ...functions.Emitted) {
	for i := range records {
		w.charge(len(records[i].Key) + len(records[i].Value))
	}
	w.epoch.emits = append(w.epoch.emits, records...)
}

// sendMessage sends a message that nobody waits for, and returns it, or the run that it is to start.
func (w *worker) sendMessage(env *functions.Envelope, from origin) (*call, *coord) {
	w.queued += weightOf(env)
	w.charge(len(env.ID) + argBytes(env.Op, env.Arg, env.Value)) // it may have to be carried
	if env.Op == nil {
		return nil, w.startMessage(env, from)
	}
	c := &call{origin: from}
	w.engine.initCall(c, env, w.engine.registry.types[env.Op.Type])
	w.send(c.worker, message{kind: msgCall, call: c})
	return c, nil
}
