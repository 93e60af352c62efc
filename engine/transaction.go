package engine

import (
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/twopc"
)

// The coordinator's side.

// actTx carries out what the protocol asks for. Running the body leads to further actions, which are appended and carried out
// in turn.
func (x *executor) actTx(c *coord, acts []transactions.Action) {
	for i := 0; i < len(acts); i++ {
		switch a := acts[i]; a.Kind {
		case transactions.ActRun:
			x.dropAttached(c)
			x.begin(c, int(c.tx.Owner().Attempt))
			acts = x.runTx(c, acts)
		case transactions.ActResume:
			acts = x.runTx(c, acts)
		case transactions.ActLock:
			x.sendLock(c, a)
		case transactions.ActPrepare:
			x.sendPrepare(c, a)
		case transactions.ActWithdraw:
			out := c.locking
			if a.Step >= 0 {
				out = c.calls[a.Step]
			}
			c.withdrawn = true
			x.send(out.shard, message{kind: msgWithdraw, run: c.id, which: out.attempt, about: out})
		case transactions.ActCommit:
			x.decide(c, a.Part, msgCommit)
		case transactions.ActAbort:
			x.decide(c, a.Part, msgAbort)
		case transactions.ActFinish:
			x.finishTx(c)
		}
	}
	x.txActs = acts[:0]
}

// runTx runs the body up to its next steps or its end.
func (x *executor) runTx(c *coord, acts []transactions.Action) []transactions.Action {
	returned := x.resumeBody(c)
	x.countAttached(c)
	if returned {
		return x.returnTx(c, acts)
	}
	steps := c.routine.Issued()
	if x.isCrowded() && c.attached > 0 {
		return x.refuseSteps(c, steps, x.group.errUndecided(), acts)
	}
	for i := range steps {
		if _, err := x.find(&steps[i].Call, x.group.options.MaxBytes); err != nil {
			return x.refuseSteps(c, steps, err, acts)
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
func (x *executor) returnTx(c *coord, acts []transactions.Action) []transactions.Action {
	err := x.verdict(c)
	if !x.fits(c.writes(err)) {
		c.resume = true
		x.begun.Push(message{kind: msgGoOn, about: c})
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
func (x *executor) refuseSteps(c *coord, steps []routines.Step, err error, acts []transactions.Action) []transactions.Action {
	acts = c.tx.Cancel(err, acts)
	return c.tx.Issue(steps, acts)
}

func (x *executor) sendPrepare(c *coord, a transactions.Action) {
	out := x.newCall(c, a.Step)
	env := &c.routine.Issued()[a.Step].Call
	x.group.initCall(out, env, x.entryOf(env.Op))
	c.calls[a.Step] = out
	x.sendPart(msgPrepare, c, out, a)
}

func (x *executor) sendLock(c *coord, a transactions.Action) {
	if a.Part == 0 {
		x.group.stats.retries.Add(1)
		c.forgetParts()
	}
	addr := c.tx.PartAddress(a.Part)
	out := x.newCall(c, -1)
	out.id = addr.ID
	out.entry = x.group.registry.Types[x.group.registry.TypesByName[addr.Type]]
	out.shard = x.group.shards[x.group.registry.ShardOf(out.entry, addr.ID)]
	c.locking = out
	x.sendPart(msgLock, c, out, a)
}

// sendPart sends a participant a call, or a request for its lock.
func (x *executor) sendPart(k kind, c *coord, out *call, a transactions.Action) {
	out.attempt, out.mode, out.mayWait, out.part = c.tx.Owner().Attempt, a.Mode, a.MayWait, a.Part
	for len(c.parts) <= a.Part {
		c.parts = append(c.parts, part{})
	}
	p := &c.parts[a.Part]
	p.shard, p.attempt, out.visit = out.shard, out.attempt, p.visit
	if c.traced != nil {
		x.traceSent(c.traced, out)
	}
	x.send(out.shard, message{kind: k, run: c.id, which: out.attempt, about: out})
}

// forgetParts forgets the participants of an earlier attempt, which have been told to abort.
func (c *coord) forgetParts() {
	c.changes = 0
	clear(c.parts)
	c.parts = c.parts[:0]
}

// decide tells a participant the decision.
func (x *executor) decide(c *coord, n int, k kind) {
	p := &c.parts[n]
	x.send(p.shard, message{kind: k, run: c.id, which: p.attempt, about: p.visit})
}

// onVote takes the answer of a participant to a prepare or a lock.
func (x *executor) onVote(out *call) {
	c := out.coord
	x.touch(c)
	c.parts[out.part].visit = out.visit
	if c.traced != nil {
		x.traceVote(c.traced, out)
	}
	if out.step < 0 {
		granted := !out.conflict
		x.endCall(c, out)
		x.actTx(c, c.tx.Locked(granted, x.txActs[:0]))
		return
	}
	var err error
	acts := x.txActs[:0]
	switch {
	case out.conflict:
		err = twopc.ErrDeadlock
	case out.crowded:
		err = x.group.errUndecided()
		acts = c.tx.Cancel(err, acts) // dooms also where the call may fail
	case out.outcome.failure != nil:
		err = out.outcome.err()
	default:
		if c.changes += int64(out.changed); c.changes > x.group.budget.share {
			// Not a failure of the call, whose changes are made: it dooms also where the call may fail.
			acts = c.tx.Cancel(x.group.errChanges(c.changes), acts)
		}
	}
	step, result, conflict := out.step, out.outcome.result, out.conflict
	x.endCall(c, out)
	x.actTx(c, c.tx.Vote(step, result, err, conflict, acts))
}

// endCall keeps the memory of a call that is back, unless it was withdrawn: the withdrawal may still be on its way.
func (x *executor) endCall(c *coord, out *call) {
	if !c.withdrawn {
		x.idleCalls.Put(out)
	}
}

// onConflict tells a transaction that it has to give way: it was wounded or picked as a victim.
func (x *executor) onConflict(c *coord, attempt uint32) {
	if !c.over {
		x.actTx(c, c.tx.Conflict(attempt, x.txActs[:0]))
	}
}

func (x *executor) finishTx(c *coord) {
	o, effects := outcome{result: c.routine.Result}, c.routine.OnSuccess
	if c.tx.Decision() != transactions.Committed {
		o, effects = outcome{failure: failures.Far(c.tx.Err())}, c.routine.OnFailure
	}
	if c.traced != nil {
		x.endTrace(c, &o, c.tx.Owner().Attempt, c.tx.Decision() == transactions.Committed)
	}
	x.conclude(c, o, effects)
	x.recycleMachine(c)
}

// The participant's side.

// prepare takes the lock for a transaction's call and runs it, or lets it wait.
func (x *executor) prepare(m *message) {
	v := x.enterSeat(m)
	switch x.acquire(v) {
	case locks.Granted:
		x.runPrepare(v)
	case locks.Refused:
		x.refuse(v)
	}
}

// lock takes a lock up front.
func (x *executor) lock(m *message) {
	v := x.enterSeat(m)
	switch x.acquire(v) {
	case locks.Granted:
		x.vote(v)
	case locks.Refused:
		x.refuse(v)
	}
}

// enterSeat makes a transaction's call the one that its visit is at, which begins with the first.
func (x *executor) enterSeat(m *message) *visit {
	c := m.call()
	if c.visit == nil {
		c.visit = x.newVisit(c, locks.Owner{ID: m.run, Attempt: m.which})
	}
	v := c.visit
	c.inst, v.call, v.op = v.inst, c, c.op
	return v
}

// runPrepare runs a transaction's call, whose lock is held.
func (x *executor) runPrepare(v *visit) {
	c := v.call
	if !c.op.Kind.Reads() && x.isCrowded() {
		c.crowded = true
		x.vote(v)
		return
	}
	result, err := v.Prepare(c.op, x.enter(c), c.arg, x.group.options.MaxBytes, &x.effects, x.checker)
	x.leave()
	if err != nil {
		x.logPanic(c.op.FullName(), err)
		c.outcome.failure = failures.Far(err)
	} else {
		c.outcome.result = result
		c.changed = x.growth(v)
	}
	x.vote(v)
}

// growth is how many bytes more a transaction will write at a participant, because of a call that has just succeeded there. They count as
// undecided from here on, and what the call wants to happen as held back.
func (x *executor) growth(v *visit) (bytes int) {
	if !v.call.op.Kind.Reads() {
		if size := v.inst.seat.Cell.Size(); size > v.tentative {
			bytes, v.tentative = size-v.tentative, size
		}
	}
	if !x.effects.Empty() {
		bytes += bytesOf(&x.effects)
		x.hold(v, &x.effects)
	}
	v.grown += bytes
	x.countUndecided(int64(bytes))
	return bytes
}

// vote sends a call back.
func (x *executor) vote(v *visit) {
	c := v.call
	v.call = nil
	x.send(c.coord.shard, message{kind: msgVote, run: c.coord.id, which: c.attempt, about: c})
}

// refuse answers a call that gives way to other transactions.
func (x *executor) refuse(v *visit) {
	v.call.conflict = true
	x.vote(v)
}

// withdraw takes back a call that waits for its lock, or for its turn because it takes long: there the withdrawal has overtaken it. One that
// does neither has its vote on the way.
func (x *executor) withdraw(m *message) {
	c := m.call()
	taken, waits := takeOutOf(&x.costly, c)
	switch v := c.visit; {
	case waits && taken.kind == msgPrepare:
		x.refuse(x.enterSeat(&taken))
	case waits: // it has its lock
		x.refuse(v)
	case v != nil && v.call == c && v.Claim.Waiting():
		x.endWait(v)
		x.grant(v.inst.seat.Lock.Withdraw(&v.Claim, x.granted[:0]))
		x.refuse(v)
	}
}

// onGranted goes on with a call whose claim was granted.
func (x *executor) onGranted(v *visit) {
	switch {
	case v.isPlain():
		x.runGranted(v)
	case v.call.step < 0:
		x.vote(v)
	default:
		x.runPrepare(v)
	}
}

// commit makes a transaction's changes to an instance final.
func (x *executor) commit(v *visit) {
	changed, granted := v.Commit(x.granted[:0])
	if changed {
		x.changed(v.inst)
	}
	x.grant(granted)
	x.endStay(v)
	if v.Deleted {
		x.dropOwnTimers(v.inst)
	}
	if v.Effects != nil {
		x.apply(v.inst.address(), v.inst.shard, v.Effects)
	}
	x.endVisit(v)
}

// endStay ends the counting of what a transaction has changed at an instance, and of what it holds back there.
func (x *executor) endStay(v *visit) {
	x.giveBack(v)
	x.countUndecided(-int64(v.grown))
	v.grown = 0
}

// abort undoes a transaction's changes to an instance.
func (x *executor) abort(v *visit) {
	x.endStay(v)
	x.grant(v.Abort(x.granted[:0]))
	x.cache.charge(v.inst) // an epoch that was cut meanwhile may have charged it for what is undone now
	x.endVisit(v)
}
