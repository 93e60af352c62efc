package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

// actSaga carries out what the protocol asks for. Running the body leads to further actions, which are appended and carried out
// in turn.
func (x *executor) actSaga(c *coord, acts []sagas.Action) {
	x.touch(c)
	resumed, since := 0, time.Duration(0)
	for i := 0; i < len(acts); i++ {
		switch a := acts[i]; a.Kind {
		case sagas.ActRun:
			x.begin(c, 1)
			acts = x.runSaga(c, acts)
		case sagas.ActResume:
			if resumed++; resumed == 2 { // most are resumed once, and wait: for them nobody looks at the time
				since = x.group.clocks.Elapsed()
			}
			if x.group.cutting.Load() || (resumed > 2 && x.group.clocks.Elapsed()-since > slice) || (x.costs.isLong(c.function) && !c.hasTurn) {
				x.actLater(c, a.Kind)
				continue
			}
			c.hasTurn = false
			acts = x.runSaga(c, acts)
		case sagas.ActStop:
			acts = x.stopSaga(c, acts)
		case sagas.ActCall:
			x.sendStep(c, a.Entry, false)
		case sagas.ActUndo:
			x.sendStep(c, a.Entry, true)
		case sagas.ActSleep:
			x.sleep(c, a.Due, a.Entry)
		case sagas.ActBackOff:
			x.sleep(c, a.Due, backOff)
		case sagas.ActReport:
			x.reportStuck(c)
		case sagas.ActFinish:
			x.finishSaga(c)
		}
	}
	x.sgActs = acts[:0]
	x.chargeJournal(c)
}

// actLater carries out an action when the worker comes to it again, if need be in the next epoch.
func (x *executor) actLater(c *coord, kind sagas.ActionKind) {
	c.resume, c.then = true, kind
	x.begun.Push(message{kind: msgGoOn, about: c})
}

// hasRoomFor reports whether the running epoch has room for what the end of a saga or of its body adds to it. If not the action is carried
// out in the next one: many such ends can come at once, and each may add much.
func (x *executor) hasRoomFor(c *coord, bytes int, kind sagas.ActionKind) bool {
	if x.takeRoom(int64(bytes)) {
		return true
	}
	x.actLater(c, kind)
	return false
}

// stopSaga unwinds the body.
func (x *executor) stopSaga(c *coord, acts []sagas.Action) []sagas.Action {
	if c.routine == nil {
		return c.saga.Stopped(nil, acts)
	}
	c.routine.Stop()
	if _, bytes := c.routine.Attached(); !x.hasRoomFor(c, bytes, sagas.ActStop) {
		return acts
	}
	return c.saga.Stopped(c.routine.OnFailure, acts)
}

// runSaga runs the body up to its next steps or its end.
func (x *executor) runSaga(c *coord, acts []sagas.Action) []sagas.Action {
	for !c.routine.Returned() {
		c.routine.Limit(c.saga.Room())
		if x.resumeBody(c) {
			break
		}
		steps := c.routine.Issued()
		err := x.checkSteps(c, steps)
		if err == nil {
			c.attach()
			x.shareJournals(c)
			acts = c.saga.Issue(steps, x.now, acts)
			if difference := c.saga.TakeDifference(); difference != "" {
				x.group.options.Logger.Warn("a saga goes on with another version of its steps", "function", c.function.Name, "saga", c.id, "difference", difference)
			}
			return acts
		}
		c.routine.Refuse(steps, err)
	}
	return x.returnSaga(c, acts)
}

// attach counts the effects that the body has attached to its outcomes towards the journal.
func (c *coord) attach() {
	success, failure := c.routine.Attached()
	c.saga.Attached(success + failure)
}

// returnSaga takes the end of the body, once there is room for the effects of the outcome, which is failure if it was cancelled or diverged.
func (x *executor) returnSaga(c *coord, acts []sagas.Action) []sagas.Action {
	err := x.verdict(c)
	success, failure := c.routine.Attached()
	bytes := max(success, failure)
	if err != nil {
		bytes = failure
	}
	if !x.hasRoomFor(c, bytes, sagas.ActResume) {
		return acts
	}
	return c.saga.Returned(c.routine.Result, err, c.routine.OnSuccess, c.routine.OnFailure, acts)
}

// checkSteps reports a compensation that could not be delivered, and steps that are recorded together and do not fit into an epoch. It
// is asked before they are made, when nothing is to be undone yet; not of steps that were made before a restart.
func (x *executor) checkSteps(c *coord, steps []routines.Step) error {
	if c.saga.Replaying() {
		return nil
	}
	bytes := 0
	for i := range steps {
		if bytes += sagas.SizeOf(&steps[i]); int64(bytes) > x.group.budget.share {
			return fmt.Errorf("%w: %d steps at once have more than %d bytes: a quarter of Options.MaxEpochBytes", functions.ErrTooLarge, len(steps), x.group.budget.share)
		}
		if !steps[i].HasUndo {
			continue
		}
		if _, err := x.find(&steps[i].Undo, x.group.options.MaxBytes); err != nil {
			return fmt.Errorf("the Undo of the step %s: %w", steps[i].Call.Target(), err)
		}
	}
	return nil
}

// goOn starts a run or goes on with a saga that had to let others have their turn, or for whose effects there was no room, and decides a
// transaction for whose changes there was none.
func (x *executor) goOn(c *coord) {
	if !c.resume || c.over {
		return
	}
	c.resume = false
	if c.saga == nil && c.tx == nil {
		x.start(c)
		return
	}
	if c.saga == nil {
		x.touch(c)
		x.actTx(c, x.returnTx(c, x.txActs[:0]))
		return
	}
	c.hasTurn = true
	x.actSaga(c, append(x.sgActs[:0], sagas.Action{Kind: c.then}))
	c.hasTurn = false
}

// sendStep sends a step's call or its compensation. One that cannot be delivered fails at once.
func (x *executor) sendStep(c *coord, entry int, undo bool) {
	e := &c.saga.Entries[entry]
	env := &e.Step.Call
	if undo {
		env = &e.Step.Undo
	}
	out := x.newCall(c, entry)
	out.undo, out.size = undo, e.Size()
	most := x.group.options.MaxBytes
	if undo || entry < c.accepted {
		most = anyBytes // it was within the bound when the step was made
	}
	of, err := x.find(env, most)
	if err != nil {
		out.outcome.failure = failures.Far(err)
		x.charge(out.size + out.outcome.failure.Size())
		x.send(c.shard, message{kind: msgDone, run: c.id, about: out})
		return
	}
	x.group.initCall(out, env, of)
	if c.traced != nil {
		x.traceSent(c.traced, out)
	}
	x.send(out.shard, message{kind: msgCall, about: out})
}

// sagaReply takes the outcome of a step or a compensation.
func (x *executor) sagaReply(out *call) {
	c, step, undo, result, err := out.coord, out.step, out.undo, out.outcome.result, out.outcome.err()
	if c.traced != nil {
		x.traceVote(c.traced, out)
	}
	x.idleCalls.Put(out) // its worker has let go of it
	if undo {
		x.actSaga(c, c.saga.UndoReply(step, err, time.Unix(0, x.group.clocks.Now()), x.sgActs[:0]))
		return
	}
	x.shareJournals(c)
	x.actSaga(c, c.saga.Reply(step, result, err, x.sgActs[:0]))
}

// backOff stands for the end of a back-off in the place of a sleeping step.
const backOff = -1

// wakeSaga takes the end of a sleep or a back-off. It may have been cancelled meanwhile.
func (x *executor) wakeSaga(c *coord, entry int) {
	switch {
	case c.over:
	case entry == backOff:
		x.actSaga(c, c.saga.Wake(x.sgActs[:0]))
	default:
		x.charge(c.saga.Entries[entry].Size())
		x.actSaga(c, c.saga.Reply(entry, nil, nil, x.sgActs[:0]))
	}
}

// finishSaga ends a saga, once there is room for the effects of its outcome. One that is done had its room when its body returned.
func (x *executor) finishSaga(c *coord) {
	if c.saga.Phase != sagas.Done && !x.hasRoomFor(c, bytesOf(c.saga.Effects), sagas.ActFinish) {
		return
	}
	c.saga.Finished()
	result, _ := c.saga.Outcome()
	o := outcome{result, c.saga.Failure}
	if c.traced != nil {
		x.endTrace(c, &o, 1, c.saga.Phase == sagas.Done)
	}
	x.conclude(c, o, c.saga.Effects)
	x.recycleMachine(c)
	if !c.hasRow && !c.resume { // no row tells of it, and no message is under way: the cut need not see it
		x.untouch(c)
		x.recycle(c)
	}
}

// reportStuck tells those who wait for a saga that a person has to decide. The saga may still end, so another request takes the
// place of the client's, for its outcome and for those who ask again under its id.
func (x *executor) reportStuck(c *coord) {
	x.group.options.Logger.Error("a saga is stuck", "function", c.function.Name, "saga", c.id, "failure", c.sagaError(), "compensations", c.stuckAt())
	c.letGoKey()
	told := c.req
	if told == nil || (told.done == nil && told.next == nil) {
		return
	}
	x.toBackground(c)
	c.req = &request{env: told.env, of: told.of, identity: told.identity, shard: told.shard, coord: c, record: told.record}
	if told.env.RequestID != "" {
		c.shard.requests[c.req.of] = c.req
	}
	told.err = x.stuckError(c)
	x.epoch.replies = append(x.epoch.replies, told)
}

func (x *executor) stuckError(c *coord) error {
	return fmt.Errorf("%w: %w: saga %d: %w; %s", ErrUnknown, saga.ErrStuck, c.id, c.sagaError(), c.stuckAt())
}

// maxNamed bounds the compensations that an error or a line of the log names.
const maxNamed = 10

// stuckAt says which compensations of a stuck saga failed, and why.
func (c *coord) stuckAt() string {
	var failed []string
	first, all := c.saga.Failing(maxNamed)
	for _, i := range first {
		step := &c.saga.Entries[i].Step
		failed = append(failed, fmt.Sprintf("%s fails: %v", step.Undo.Target(), step.Err))
	}
	if all > len(first) {
		failed = append(failed, fmt.Sprintf("and %d more", all-len(first)))
	}
	return strings.Join(failed, "; ")
}

func (c *coord) isStuck() bool { return c.saga != nil && c.saga.Phase == sagas.Stuck }

func (c *coord) sagaError() error {
	_, err := c.saga.Outcome()
	return err
}
