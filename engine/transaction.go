package engine

import (
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/twopc"
)

// The coordinator's side.

// actTx carries out what the protocol asks for. Running the body leads to further actions, which are appended and carried out
// in turn.
func (w *worker) actTx(c *coord, acts []transactions.Action) {
	for i := 0; i < len(acts); i++ {
		switch a := acts[i]; a.Kind {
		case transactions.ActRun:
			w.dropAttached(c)
			w.begin(c, int(c.tx.Owner().Attempt))
			acts = w.runTx(c, acts)
		case transactions.ActResume:
			acts = w.runTx(c, acts)
		case transactions.ActLock:
			w.sendLock(c, a)
		case transactions.ActPrepare:
			w.sendPrepare(c, a)
		case transactions.ActWithdraw:
			out := c.locking
			if a.Step >= 0 {
				out = c.calls[a.Step]
			}
			w.send(out.worker, message{kind: msgWithdraw, call: out})
		case transactions.ActCommit:
			w.decide(c, a.Part, msgCommit)
		case transactions.ActAbort:
			w.decide(c, a.Part, msgAbort)
		case transactions.ActFinish:
			w.finishTx(c)
		}
	}
	w.txActs = acts[:0]
}

// runTx runs the body up to its next steps or its end.
func (w *worker) runTx(c *coord, acts []transactions.Action) []transactions.Action {
	returned := w.resumeBody(c)
	w.countAttached(c)
	if returned {
		return w.returnTx(c, acts)
	}
	steps := c.routine.Issued()
	if w.isCrowded() && c.attached > 0 {
		return w.refuseSteps(c, steps, w.engine.errUndecided(), acts)
	}
	for i := range steps {
		if _, err := w.find(&steps[i].Call, w.engine.options.MaxBytes); err != nil {
			return w.refuseSteps(c, steps, err, acts)
		}
	}
	c.calls = c.calls[:0]
	for range steps {
		c.calls = append(c.calls, nil)
	}
	return c.tx.Issue(steps, acts)
}

// returnTx takes the end of the body. If what the transaction has changed does not fit into the running epoch, it is decided in the
// next one.
func (w *worker) returnTx(c *coord, acts []transactions.Action) []transactions.Action {
	err := w.verdict(c)
	if !w.fits(c.writes(err)) {
		c.resume = true
		w.begun.push(message{kind: msgGoOn, coord: c})
		return acts
	}
	return c.tx.Returned(err, acts)
}

// writes is how many bytes a transaction whose body has returned is going to write: its changes and the effects of success, or those of
// failure.
func (c *coord) writes(err error) int64 {
	success, failure := c.routine.Attached()
	if err != nil || c.tx.IsDoomed() {
		return int64(failure)
	}
	return c.changes + int64(success)
}

// refuseSteps dooms a transaction that makes a call that cannot be delivered.
func (w *worker) refuseSteps(c *coord, steps []routines.Step, err error, acts []transactions.Action) []transactions.Action {
	acts = c.tx.Cancel(err, acts)
	return c.tx.Issue(steps, acts)
}

func (w *worker) sendPrepare(c *coord, a transactions.Action) {
	out := w.newCall(c, a.Step)
	env := &c.routine.Issued()[a.Step].Call
	w.engine.initCall(out, env, w.entryOf(env.Op))
	c.calls[a.Step] = out
	w.visitPart(c, out, a)
	w.send(out.worker, message{kind: msgPrepare, call: out})
}

func (w *worker) sendLock(c *coord, a transactions.Action) {
	if a.Part == 0 {
		w.engine.stats.retries.Add(1)
		w.dropStays(c)
	}
	addr := c.tx.PartAddress(a.Part)
	out := w.newCall(c, -1)
	out.id = addr.ID
	out.entry = w.engine.registry.types[w.engine.registry.typesByName[addr.Type]]
	out.shard = w.engine.registry.shardOf(out.entry, addr.ID)
	out.worker = w.engine.workerOf(out.shard)
	c.locking = out
	w.visitPart(c, out, a)
	w.send(out.worker, message{kind: msgLock, call: out})
}

// visitPart ties a call to the transaction's visit at the participant, which is the first call's own.
func (w *worker) visitPart(c *coord, out *call, a transactions.Action) {
	out.owner, out.mode, out.mayWait, out.part = c.tx.Owner(), a.Mode, a.MayWait, a.Part
	for len(c.stays) <= a.Part {
		c.stays = append(c.stays, nil)
	}
	if c.stays[a.Part] == nil {
		c.stays[a.Part] = out
	}
	out.stay = c.stays[a.Part]
}

// dropStays forgets the visits of an earlier attempt, whose participants have been told to abort.
func (w *worker) dropStays(c *coord) {
	c.changes = 0
	clear(c.stays)
	c.stays = c.stays[:0]
}

func (w *worker) decide(c *coord, part int, k kind) {
	stay := c.stays[part]
	w.send(stay.worker, message{kind: k, call: stay})
}

// onVote takes the answer of a participant to a prepare or a lock.
func (w *worker) onVote(out *call) {
	c := out.coord
	w.touch(c)
	if out.step < 0 {
		w.actTx(c, c.tx.Locked(!out.conflict, w.txActs[:0]))
		return
	}
	var err error
	acts := w.txActs[:0]
	switch {
	case out.conflict:
		err = twopc.ErrDeadlock
	case out.crowded:
		err = w.engine.errUndecided()
		acts = c.tx.Cancel(err, acts) // dooms also where the call may fail
	case out.outcome.failure != nil:
		err = out.outcome.err()
	default:
		if c.changes += int64(out.changed); c.changes > w.engine.budget.share {
			// Not a failure of the call, whose changes are made: it dooms also where the call may fail.
			acts = c.tx.Cancel(w.engine.errChanges(c.changes), acts)
		}
	}
	w.actTx(c, c.tx.Vote(out.step, out.outcome.result, err, out.conflict, acts))
}

// onConflict tells a transaction that it has to give way: it was wounded or picked as a victim.
func (w *worker) onConflict(c *coord, attempt uint32) {
	if !c.over {
		w.actTx(c, c.tx.Conflict(attempt, w.txActs[:0]))
	}
}

func (w *worker) finishTx(c *coord) {
	o, effects := outcome{result: c.routine.Result}, c.routine.OnSuccess
	if c.tx.Decision() != transactions.Committed {
		o, effects = outcome{failure: functions.Far(c.tx.Err())}, c.routine.OnFailure
	}
	w.conclude(c, o, effects)
	w.recycleMachine(c)
}

// The participant's side.

// prepare takes the lock for a transaction's call and runs it, or lets it wait.
func (w *worker) prepare(c *call) {
	w.enterSeat(c)
	switch w.acquire(c, &c.stay.visit) {
	case locks.Granted:
		w.runPrepare(c)
	case locks.Refused:
		w.refuse(c)
	}
}

// lock takes a lock up front.
func (w *worker) lock(c *call) {
	w.enterSeat(c)
	switch w.acquire(c, &c.stay.visit) {
	case locks.Granted:
		w.vote(c)
	case locks.Refused:
		w.refuse(c)
	}
}

// enterSeat finds the instance of a transaction's call and makes the call the one that its visit waits for.
func (w *worker) enterSeat(c *call) {
	if c.stay == c {
		c.inst = w.instance(c)
		c.visit.Init(&c.inst.seat, c, c.owner)
		return
	}
	c.inst = c.stay.inst
	c.stay.visit.Ref = c
}

// runPrepare runs a transaction's call, whose lock is held.
func (w *worker) runPrepare(c *call) {
	if !c.op.Kind.Reads() && w.isCrowded() {
		c.crowded = true
		w.vote(c)
		return
	}
	result, err := c.stay.visit.Prepare(c.op, w.enter(c), c.arg, w.engine.options.MaxBytes, &w.effects, w.checker)
	w.leave()
	if err != nil {
		w.logPanic(c.op.FullName(), err)
		c.outcome.failure = functions.Far(err)
	} else {
		c.outcome.result = result
		c.changed = w.growth(c)
	}
	w.vote(c)
}

// growth is how many bytes more a transaction will write at a participant, because of a call that has just succeeded there. They count as
// undecided from here on, and what the call wants to happen as held back.
func (w *worker) growth(c *call) (bytes int) {
	if !c.op.Kind.Reads() {
		if size := c.inst.seat.Cell.Size(); size > c.stay.tentative {
			bytes, c.stay.tentative = size-c.stay.tentative, size
		}
	}
	if !w.effects.Empty() {
		bytes += bytesOf(&w.effects)
		w.hold(c.stay, &w.effects)
	}
	c.stay.grown += bytes
	w.countUndecided(int64(bytes))
	return bytes
}

func (w *worker) vote(c *call) { w.send(c.coord.worker, message{kind: msgVote, call: c}) }

// refuse answers a call that gives way to other transactions.
func (w *worker) refuse(c *call) {
	c.conflict = true
	w.vote(c)
}

// withdraw takes back a call that waits for its lock, or for its turn because it takes long: there the withdrawal has overtaken it. One that
// does neither has its vote on the way.
func (w *worker) withdraw(c *call) {
	v := &c.stay.visit
	switch kind, waits := w.costly.takeOut(c); {
	case waits && kind == msgPrepare:
		w.enterSeat(c)
	case waits: // it has its lock
	case v.Claim.Waiting() && v.Ref == c:
		w.endWait(c)
		w.grant(c.inst.seat.Lock.Withdraw(&v.Claim, w.granted[:0]))
	default:
		return
	}
	w.refuse(c)
}

// onGranted goes on with a call whose claim was granted.
func (w *worker) onGranted(c *call) {
	switch {
	case c.stay == nil:
		w.runGranted(c)
	case c.step < 0:
		w.vote(c)
	default:
		w.runPrepare(c)
	}
}

// commit makes a transaction's changes to an instance final.
func (w *worker) commit(stay *call) {
	v := &stay.visit
	changed, granted := v.Commit(w.granted[:0])
	if changed {
		w.changed(stay.inst)
	}
	w.grant(granted)
	w.endStay(stay)
	if v.Deleted {
		w.dropOwnTimers(stay.address())
	}
	if v.Effects != nil {
		w.apply(stay.address(), stay.shard, v.Effects)
	}
	if c := stay.coord; c.worker == w { // an attempt that commits has heard from all its calls: nothing else refers to this one
		c.stays[stay.part] = nil
		w.idleCalls.put(stay)
	}
}

// endStay ends the counting of what a transaction has changed at an instance, and of what it holds back there.
func (w *worker) endStay(stay *call) {
	w.giveBack(stay)
	w.countUndecided(-int64(stay.grown))
	stay.grown = 0
}

// abort undoes a transaction's changes to an instance.
func (w *worker) abort(stay *call) {
	w.endStay(stay)
	w.grant(stay.visit.Abort(w.granted[:0]))
	w.cache.charge(stay.inst) // an epoch that was cut meanwhile may have charged it for what is undone now
}
