package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/locks"
)

// call is one call of an operation, on its way to the instance and back: whoever has the message that it is in owns it. A client waits
// for it (req), a run (coord), or nobody: then it is a message that a function sent.
type call struct {
	op    *instances.Operation
	id    string
	arg   []byte
	value any // the argument itself, if it is at hand

	entry *registry.Type
	shard *shard // of the instance

	req   *request
	coord *coord
	step  int  // in the coordinator function: the step, or -1 for a lock
	undo  bool // of a saga: the step's compensation
	size  int  // of a saga's: what the step's row has without the outcome

	// Of a transaction.
	attempt uint32
	part    int
	mode    locks.Mode
	mayWait bool

	// Of a message.
	origin
	number uint64      // its row, once it was carried from one epoch to the next
	fired  *timer      // that its instance had set for itself
	slotOf *partition  // whose record it is, if that has a slot
	asked  *request    // the record of a source that it is of, if it is of one
	left   *unfinished // that an earlier process left it

	// At the instance.
	inst  *instance
	visit *visit // a transaction's; a plain call's if it has to wait

	// While somebody watches: when its wait for the lock began and ended, as clocks.elapsed has it; 0 if it did not wait.
	waitBegan, waitEnded time.Duration

	// The answer.
	outcome  outcome
	conflict bool // it is a failure for the sake of other transactions
	crowded  bool // undecided transactions have no room for what it would change
	changed  int  // bytes more that the transaction will write
}

// initCall sets up a call of an envelope that the registry has checked, on an instance of the type.
func (g *commons) initCall(c *call, env *instances.Envelope, of *registry.Type) {
	c.op, c.id, c.arg, c.value, c.entry = env.Op, env.ID, env.Arg, env.Value, of
	c.shard = g.shards[g.registry.ShardOf(c.entry, c.id)]
}

func (c *call) address() format.Address {
	return format.Address{Type: c.entry.Info.Name, ID: c.id}
}

// inTransaction reports whether the call is a transaction's, and has come to its instance.
func (c *call) inTransaction() bool { return c.visit != nil && !c.visit.isPlain() }

// isMessage reports whether nobody waits for the call.
func (c *call) isMessage() bool { return c.req == nil && c.coord == nil }

// runCall runs a call that is no transaction's, or lets it wait for its turn if the instance is locked.
func (x *executor) runCall(c *call) {
	c.inst = x.instance(c)
	lock := &c.inst.seat.Lock
	if !looksAtLock || lock.Free() {
		x.execute(c)
		return
	}
	c.mode = locks.Exclusive
	if c.op.Kind.Reads() {
		c.mode = locks.Shared
	}
	c.visit = x.newVisit(c, locks.Owner{ID: x.group.nextID.Add(1), Single: true})
	if x.acquire(c.visit) == locks.Granted {
		x.runGranted(c.visit)
	}
}

// acquire asks for the lock of a visit's call, and wounds whom the policy says.
func (x *executor) acquire(v *visit) locks.Result {
	c := v.call
	x.wounded = x.wounded[:0]
	had := v.Claim.Held()
	result := v.inst.seat.Lock.Acquire(&v.Claim, c.mode, x.group.options.Policy, c.mayWait, &x.wounded)
	if had == locks.None && result == locks.Granted {
		v.holds = x.now.UnixNano()
	}
	for _, claim := range x.wounded {
		if victim := claim.Ref.Ref.coord; victim != nil {
			x.send(victim.shard, message{kind: msgConflict, run: victim.id, which: claim.Owner.Attempt, about: victim})
		}
	}
	if result == locks.Waits {
		x.noteContended(v.inst)
		v.waits = x.group.clocks.Elapsed()
		if c.isMessage() && c.number == 0 {
			x.waiters = append(x.waiters, c)
		}
	}
	return result
}

// runGranted runs a plain call that holds the lock, and gives the lock up.
func (x *executor) runGranted(v *visit) {
	x.execute(v.call)
	x.leaveLock(v)
}

// leaveLock ends the visit of a plain call, which holds the lock.
func (x *executor) leaveLock(v *visit) {
	x.grant(v.inst.seat.Lock.Release(&v.Claim, x.granted[:0]))
	x.endVisit(v)
}

// grant queues the calls whose claims were granted.
func (x *executor) grant(claims []*claim) {
	for _, claim := range claims {
		v := claim.Ref.Ref
		x.endWait(v)
		v.holds = x.now.UnixNano()
		x.receive(message{kind: msgGranted, about: v.call})
	}
	x.granted = claims
}

// endWait counts the wait for a lock, which is over. The counts are this worker's own: all workers wait often when they wait at all.
func (x *executor) endWait(v *visit) {
	now := x.group.clocks.Elapsed()
	x.waits.add(now - v.waits)
	if told := x.group.events.Load(); told != nil {
		x.tellWaited(v, told, now)
	}
}

// execute runs a call on its instance, whose lock is free or held for it.
func (x *executor) execute(c *call) {
	if c.isMessage() {
		x.queued -= c.weight()
		if c.fired != nil && !x.isStillWanted(c.fired) {
			x.done(c)
			return
		}
	}
	x.carryOut(c)
}

// carryOut runs a call's operation, and does what follows from it.
func (x *executor) carryOut(c *call) {
	result, err := x.runOperation(c)
	if err != nil {
		x.failed(c, err)
		return
	}
	c.outcome = outcome{result: result}
	if !c.op.Kind.Reads() {
		x.changed(c.inst)
	}
	if c.op.Kind == instances.KindDelete {
		x.dropOwnTimers(c.inst) // before it sets new ones
	}
	if !x.effects.Empty() {
		x.apply(c.address(), c.shard, &x.effects)
	}
	x.done(c)
}

// runOperation runs user code on the instance's cell. Effects that cannot be carried out are a failure, with the state as
// before.
func (x *executor) runOperation(c *call) (*instances.Result, error) {
	cell := &c.inst.seat.Cell
	before := cell.Image()
	result, err := cell.Run(c.op, x.enter(c), c.arg, x.group.options.MaxBytes)
	x.leave()
	if err == nil && !x.effects.Empty() {
		if err = x.checkEffects(&x.effects); err != nil {
			cell.Restore(before)
		}
	}
	if err != nil {
		x.logPanic(c.op.FullName(), err)
	}
	return result, err
}

func (x *executor) checkEffects(e *instances.Effects) error {
	if len(e.Timers) > 0 {
		if err := x.checkTimers(e.Timers); err != nil {
			return err
		}
	}
	if len(e.Sends) > 0 {
		if err := x.checkRoom(e.Sends); err != nil {
			return err
		}
	}
	if err := x.checkRuns(e); err != nil {
		return err
	}
	if bytes := bytesOf(e); int64(bytes) > x.group.budget.share/2 {
		return fmt.Errorf("%w: an operation sends, emits and sets timers of %d bytes, at most %d: an eighth of Options.MaxEpochBytes",
			functions.ErrTooLarge, bytes, x.group.budget.share/2)
	}
	if len(e.Emits) > 0 {
		if err := x.checkBacklog(e.Emits); err != nil {
			return err
		}
	}
	return x.group.registry.CheckEffects(e, x.group.options.MaxBytes)
}

// failed is the end of a call that failed.
func (x *executor) failed(c *call, err error) {
	c.outcome = outcome{failure: failures.Far(err)}
	if c.isMessage() && (c.asked == nil || c.asked.env.RequestID == "") {
		x.handleFailure(c, err)
	}
	x.done(c)
}

// handleFailure runs the type's handler for a message that failed.
func (x *executor) handleFailure(c *call, failure error) {
	err := c.entry.Info.Handle(x.enter(c), instances.Failed{Operation: c.op.Name, Arg: instances.EncodedArg(c.arg, c.value), Err: failure})
	x.leave()
	if err == nil {
		err = x.checkEffects(&x.effects)
	}
	if err != nil {
		x.logPanic(c.op.FullName(), err)
		x.group.options.Logger.Warn("a message failed and nobody handled it", "operation", c.op.FullName(), "id", c.id, "error", err)
		x.effects.Reset()
		return
	}
	x.apply(c.address(), c.shard, &x.effects)
}

func (x *executor) logPanic(what string, err error) {
	var p *failures.PanicError
	if errors.As(err, &p) {
		x.group.options.Logger.Error("user code panicked", "in", what, "panic", p.Value, "stack", string(p.Stack))
	}
}

// done tells whoever waits for a call that its outcome is known. What will be written of the outcome counts for the epoch here, before
// the worker goes on: many outcomes can be on their way to those who write them.
func (x *executor) done(c *call) {
	switch {
	case c.coord != nil:
		x.charge(c.size + len(c.outcome.result.Encoded()) + c.outcome.failure.Size()) // its row in the journal
		x.send(c.coord.shard, message{kind: msgDone, run: c.coord.id, about: c})
	case c.req == nil:
		if c.slotOf != nil {
			x.handledFed(c.slotOf, argBytes(c.op, c.arg, c.value))
			c.slotOf = nil
		}
		if c.asked != nil {
			x.answered(c.asked, c.outcome)
		}
		if c.number != 0 {
			x.charge(0)
			x.addRow(format.NumberedKey(nil, c.shard.number, format.KindMessage, c.number), nil)
			if c.left != nil {
				x.survived(c.left)
				c.left = nil
			}
		}
	case c.req.env.RequestID == "" && c.op.Kind.Reads() && x.effects.Empty() && !c.inst.dirty && c.inst.epoch <= x.group.sealed.Load():
		c.req.outcome = c.outcome // what was read is durable: no need to wait
		x.group.release(c.req)
	default:
		x.settle(c.req, c.outcome)
	}
}

// settle ends a request with an outcome, to be released when the running epoch is sealed.
func (x *executor) settle(q *request, o outcome) {
	q.outcome = o
	q.settledIn.Store(x.group.epoch)
	if q.env.RequestID != "" {
		x.charge(len(q.env.RequestID) + len(o.result.Encoded()) + o.failure.Size())
		x.epoch.outcomes = append(x.epoch.outcomes, q)
	}
	x.epoch.replies = append(x.epoch.replies, q)
	x.answerRecord(q.record, o)
}

// apply carries out the effects of an operation or of an outcome.
func (x *executor) apply(from format.Address, shard *shard, e *instances.Effects) {
	for i := range e.Sends {
		x.sendMessage(&e.Sends[i], origin{line: lineSent})
	}
	for i := range e.Timers {
		x.setTimer(from, shard, &e.Timers[i])
	}
	for _, id := range e.Cancels {
		x.cancelTimer(from, shard, id)
	}
	x.emit(e.Emits...)
}

// emit has records go to their egresses with the running epoch.
func (x *executor) emit(records ...format.Emitted) {
	for i := range records {
		x.charge(len(records[i].Key) + len(records[i].Value))
	}
	x.epoch.emits = append(x.epoch.emits, records...)
	if x.group.options.Workers > 1 {
		for range records {
			x.epoch.emitted = append(x.epoch.emitted, x.group.emitted.Add(1))
		}
	}
}

// sendMessage sends a message that nobody waits for, and returns it, or the run that it is to start.
func (x *executor) sendMessage(env *instances.Envelope, from origin) (*call, *coord) {
	x.queued += weightOf(env)
	x.charge(len(env.ID) + argBytes(env.Op, env.Arg, env.Value)) // it may have to be carried
	if env.Op == nil {
		return nil, x.startMessage(env, from)
	}
	c := &call{origin: from}
	x.group.initCall(c, env, x.group.registry.Types[env.Op.Type])
	x.send(c.shard, message{kind: msgCall, about: c})
	return c, nil
}
