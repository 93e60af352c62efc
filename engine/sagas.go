package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

// actSaga carries out what the protocol asks for. Running the body leads to further actions, which are appended and carried out
// in turn.
func (w *worker) actSaga(c *coord, acts []sagas.Action) {
	w.touch(c)
	resumed, since := 0, time.Duration(0)
	for i := 0; i < len(acts); i++ {
		switch a := acts[i]; a.Kind {
		case sagas.ActRun:
			w.begin(c, 1)
			acts = w.runSaga(c, acts)
		case sagas.ActResume:
			if resumed++; resumed == 2 { // most are resumed once, and wait: for them nobody looks at the time
				since = w.engine.clocks.elapsed()
			}
			if w.engine.cutting.Load() || (resumed > 2 && w.engine.clocks.elapsed()-since > slice) || (w.costs.isLong(c.function) && !c.hasTurn) {
				w.actLater(c, a.Kind)
				continue
			}
			c.hasTurn = false
			acts = w.runSaga(c, acts)
		case sagas.ActStop:
			acts = w.stopSaga(c, acts)
		case sagas.ActCall:
			w.sendStep(c, a.Entry, false)
		case sagas.ActUndo:
			w.sendStep(c, a.Entry, true)
		case sagas.ActSleep:
			w.sleep(c, a.Due, a.Entry)
		case sagas.ActBackOff:
			w.sleep(c, a.Due, backOff)
		case sagas.ActReport:
			w.reportStuck(c)
		case sagas.ActFinish:
			w.finishSaga(c)
		}
	}
	w.sgActs = acts[:0]
	w.chargeJournal(c)
}

// actLater carries out an action when the worker comes to it again, if need be in the next epoch.
func (w *worker) actLater(c *coord, kind sagas.ActionKind) {
	c.resume, c.then = true, kind
	w.begun.push(message{kind: msgGoOn, coord: c})
}

// hasRoomFor reports whether the running epoch has room for what the end of a saga or of its body adds to it. If not the action is carried
// out in the next one: many such ends can come at once, and each may add much.
func (w *worker) hasRoomFor(c *coord, bytes int, kind sagas.ActionKind) bool {
	if w.takeRoom(int64(bytes)) {
		return true
	}
	w.actLater(c, kind)
	return false
}

// stopSaga unwinds the body.
func (w *worker) stopSaga(c *coord, acts []sagas.Action) []sagas.Action {
	if c.routine == nil {
		return c.saga.Stopped(nil, acts)
	}
	c.routine.Stop()
	if _, bytes := c.routine.Attached(); !w.hasRoomFor(c, bytes, sagas.ActStop) {
		return acts
	}
	return c.saga.Stopped(c.routine.OnFailure, acts)
}

// runSaga runs the body up to its next steps or its end.
func (w *worker) runSaga(c *coord, acts []sagas.Action) []sagas.Action {
	for !c.routine.Returned() {
		c.routine.Limit(c.saga.Room())
		if w.resumeBody(c) {
			break
		}
		steps := c.routine.Issued()
		err := w.checkSteps(c, steps)
		if err == nil {
			c.attach()
			w.shareJournals(c)
			acts = c.saga.Issue(steps, w.now, acts)
			if difference := c.saga.TakeDifference(); difference != "" {
				w.engine.options.Logger.Warn("a saga goes on with another version of its steps", "function", c.function.Name, "saga", c.id, "difference", difference)
			}
			return acts
		}
		c.routine.Refuse(steps, err)
	}
	return w.returnSaga(c, acts)
}

// attach counts the effects that the body has attached to its outcomes towards the journal.
func (c *coord) attach() {
	success, failure := c.routine.Attached()
	c.saga.Attached(success + failure)
}

// returnSaga takes the end of the body, once there is room for the effects of the outcome, which is failure if it was cancelled or diverged.
func (w *worker) returnSaga(c *coord, acts []sagas.Action) []sagas.Action {
	err := w.verdict(c)
	success, failure := c.routine.Attached()
	bytes := max(success, failure)
	if err != nil {
		bytes = failure
	}
	if !w.hasRoomFor(c, bytes, sagas.ActResume) {
		return acts
	}
	return c.saga.Returned(c.routine.Result, err, c.routine.OnSuccess, c.routine.OnFailure, acts)
}

// checkSteps reports a compensation that could not be delivered, and steps that are recorded together and do not fit into an epoch. It
// is asked before they are made, when nothing is to be undone yet; not of steps that were made before a restart.
func (w *worker) checkSteps(c *coord, steps []routines.Step) error {
	if c.saga.Replaying() {
		return nil
	}
	bytes := 0
	for i := range steps {
		if bytes += sagas.SizeOf(&steps[i]); int64(bytes) > w.engine.budget.share {
			return fmt.Errorf("%w: %d steps at once have more than %d bytes: a quarter of Options.MaxEpochBytes", functions.ErrTooLarge, len(steps), w.engine.budget.share)
		}
		if !steps[i].HasUndo {
			continue
		}
		if _, err := w.find(&steps[i].Undo, w.engine.options.MaxBytes); err != nil {
			return fmt.Errorf("the Undo of the step %s: %w", steps[i].Call.Target(), err)
		}
	}
	return nil
}

// goOn starts a run or goes on with a saga that had to let others have their turn, or for whose effects there was no room, and decides a
// transaction for whose changes there was none.
func (w *worker) goOn(c *coord) {
	if !c.resume || c.over {
		return
	}
	c.resume = false
	if c.saga == nil && c.tx == nil {
		w.start(c)
		return
	}
	if c.saga == nil {
		w.touch(c)
		w.actTx(c, w.returnTx(c, w.txActs[:0]))
		return
	}
	c.hasTurn = true
	w.actSaga(c, append(w.sgActs[:0], sagas.Action{Kind: c.then}))
	c.hasTurn = false
}

// sendStep sends a step's call or its compensation. One that cannot be delivered fails at once.
func (w *worker) sendStep(c *coord, entry int, undo bool) {
	e := &c.saga.Entries[entry]
	env := &e.Step.Call
	if undo {
		env = &e.Step.Undo
	}
	out := w.newCall(c, entry)
	out.undo, out.changed = undo, e.Size()
	most := w.engine.options.MaxBytes
	if undo || entry < c.accepted {
		most = anyBytes // it was within the bound when the step was made
	}
	of, err := w.find(env, most)
	if err != nil {
		out.outcome.failure = functions.Far(err)
		w.charge(out.changed + out.outcome.failure.Size())
		w.send(w, message{kind: msgDone, call: out})
		return
	}
	w.engine.initCall(out, env, of)
	w.send(out.worker, message{kind: msgCall, call: out})
}

// sagaReply takes the outcome of a step or a compensation.
func (w *worker) sagaReply(out *call) {
	c, step, undo, result, err := out.coord, out.step, out.undo, out.outcome.result, out.outcome.err()
	w.idleCalls.put(out) // its worker has let go of it
	if undo {
		w.actSaga(c, c.saga.UndoReply(step, err, time.Unix(0, w.engine.clocks.now()), w.sgActs[:0]))
		return
	}
	w.shareJournals(c)
	w.actSaga(c, c.saga.Reply(step, result, err, w.sgActs[:0]))
}

// backOff stands for the end of a back-off in the place of a sleeping step.
const backOff = -1

// wakeSaga takes the end of a sleep or a back-off. It may have been cancelled meanwhile.
func (w *worker) wakeSaga(c *coord, entry int) {
	switch {
	case c.over:
	case entry == backOff:
		w.actSaga(c, c.saga.Wake(w.sgActs[:0]))
	default:
		w.charge(c.saga.Entries[entry].Size())
		w.actSaga(c, c.saga.Reply(entry, nil, nil, w.sgActs[:0]))
	}
}

// finishSaga ends a saga, once there is room for the effects of its outcome. One that is done had its room when its body returned.
func (w *worker) finishSaga(c *coord) {
	if c.saga.Phase != saga.Done && !w.hasRoomFor(c, bytesOf(c.saga.Effects), sagas.ActFinish) {
		return
	}
	c.saga.Finished()
	result, _ := c.saga.Outcome()
	w.conclude(c, outcome{result, c.saga.Failure}, c.saga.Effects)
	w.recycleMachine(c)
	if !c.hasRow && !c.resume { // no row tells of it, and no message is under way: the cut need not see it
		w.untouch(c)
		w.recycle(c)
	}
}

// reportStuck tells those who wait for a saga that a person has to decide. The saga may still end, so another request takes the
// place of the client's, for its outcome and for those who ask again under its id.
func (w *worker) reportStuck(c *coord) {
	w.engine.options.Logger.Error("a saga is stuck", "function", c.function.Name, "saga", c.id, "failure", c.sagaError(), "compensations", c.stuckAt())
	told := c.req
	if told == nil || (told.done == nil && told.next == nil) {
		return
	}
	w.toBackground(c)
	c.req = &request{env: told.env, identity: told.identity, shard: told.shard, worker: told.worker, coord: c}
	if told.env.RequestID != "" {
		w.engine.ids.put(c.req)
	}
	told.err = w.stuckError(c)
	w.epoch.replies = append(w.epoch.replies, told)
}

func (w *worker) stuckError(c *coord) error {
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

func (c *coord) isStuck() bool { return c.saga != nil && c.saga.Phase == saga.Stuck }

func (c *coord) sagaError() error {
	_, err := c.saga.Outcome()
	return err
}

// DecideSaga carries out a person's decision about a stuck saga: to retry its compensation, to skip the step, or to mark the
// saga done. It returns once the decision is durable. A saga that is not stuck is ErrNoSaga.
func (e *Engine) DecideSaga(ctx context.Context, id uint64, d saga.Decision) error {
	if d < saga.Retry || d > saga.MarkDone {
		return fmt.Errorf("engine: unknown decision %d", d)
	}
	return e.onSaga(ctx, id, func(w *worker, c *coord) error {
		ok, acts := c.saga.Decide(d, w.sgActs[:0])
		if !ok {
			return fmt.Errorf("%w: saga %d is %v, not stuck", ErrNoSaga, id, c.saga.Phase)
		}
		w.actSaga(c, acts)
		return nil
	})
}

// CancelSaga asks a running saga to stop; its steps are compensated and it fails with saga.ErrCancelled. It returns once that
// is durable, not once it has been done. A saga that is not running any more is ErrNoSaga.
func (e *Engine) CancelSaga(ctx context.Context, id uint64) error {
	return e.onSaga(ctx, id, func(w *worker, c *coord) error {
		ok, acts := c.saga.Cancel(saga.ErrCancelled, w.sgActs[:0])
		if !ok {
			return fmt.Errorf("%w: saga %d is %v", ErrNoSaga, id, c.saga.Phase)
		}
		w.forgetAlarm(c) // sleeps are not waited for
		w.actSaga(c, acts)
		return nil
	})
}

func (e *Engine) onSaga(ctx context.Context, id uint64, f func(w *worker, c *coord) error) error {
	for _, w := range e.workers {
		found := false
		err := e.control(ctx, w, func(w *worker) error {
			c := w.coords[id]
			if found = c != nil && c.saga != nil && !c.over; !found {
				return nil
			}
			return f(w, c)
		})
		if err != nil || found { // in this order: after an error f may still run
			return err
		}
	}
	return fmt.Errorf("%w: %d", ErrNoSaga, id)
}

// control runs f on a worker, between two messages, and waits until what it did is durable.
func (e *Engine) control(ctx context.Context, w *worker, f func(w *worker) error) error {
	if err := notBegun(&ctx); err != nil {
		return err
	}
	q, err := e.beginControl(w, f)
	if err != nil {
		return err
	}
	return q.wait(ctx)
}

func (e *Engine) beginControl(w *worker, f func(w *worker) error) (*request, error) {
	if err := e.admits(operating, 1); err != nil {
		return nil, err
	}
	q := newControl(e, f)
	return q, e.admitTo(w, q)
}

// newControl makes a question to a worker, which is answered when what f did is durable.
func newControl(e *Engine, f func(w *worker) error) *request {
	q := &request{engine: e, done: donePool.Get().(chan struct{}), places: 1}
	q.control = func(w *worker) {
		q.err = f(w)
		w.epoch.replies = append(w.epoch.replies, q)
	}
	return q
}
