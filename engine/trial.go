package engine

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/saga"
)

// Poison: a message, a run or a timer that ends the process (os.Exit, a stack that overflows, no memory left) would do so at each start,
// because it is still there. So what an earlier process left unfinished is on trial if that process did not survive it.
//
//	first   All that was left is handled as it comes, as always. A row of the node, the trial, says that this has begun and what was
//	        there then: numbers below a bound, timers due at a time. It goes when all of that is handled, and when the engine is closed.
//	then    If the row is there when the directory is opened, the last process died meanwhile: what it says is suspect. Before anything
//	        else is handled, and before Open returns, suspects have their turns, in the order of their numbers: up to suspectsAtOnce
//	        at a time at first; alone, those for which a turn has not ended before. Before a turn begins each that has it gets a row
//	        with the number of its starts, sealed. When it has survived, which is sealed before the next turn begins, the row goes.
//	parked  What has started MaxStarts times is parked: its row stays, it does not run, Open logs it.
//
// So what is parked was alone with the engine when the last MaxStarts-2 processes ended: nothing innocent is parked for having been behind
// it, beside it or in a hurry. The order of messages is kept: what suspects send waits behind what else was left.
//
// A message has survived when it was handled. A run has when it is over, stuck, sleeps until later, or has added something to its
// journal: then it is not where it was, and would be tried anew. A timer that is due becomes what it sends, when its turn comes.

// MaxStarts is how often a message or a run that an earlier process left is started before it is parked, while no process survives it.
const MaxStarts = 5

const (
	// suspectsAtOnce is the number of suspects that have their first turn together.
	suspectsAtOnce = 256
	// longTurn is how long a saga that makes one step after the other keeps others from having their turn.
	longTurn = time.Second
)

// trials is the state of all this.
type trials struct {
	frozen atomic.Bool  // suspects have their turns: messages and timers wait
	left   atomic.Int64 // what was left and is not handled yet
	hasRow bool         // of the node; the conductor's

	row      format.Trial             // that was found
	starts   map[string]format.Starts // that were found, by the key of the row that they belong to
	suspects []*unfinished
	parked   []Parked
}

// unfinished is something that an earlier process left: a message, a run or a timer that is due.
type unfinished struct {
	number uint64
	starts int    // in its row; 0 if it has none
	row    []byte // the key of what it is in the store
	worker *worker

	call  *call
	coord *coord
	timer *timer // until its turn

	begun bool
	over  bool // it has survived its turn
}

func nodeTrialKey() []byte { return format.Prefix(nil, format.NodeShard, format.KindStarts) }

// recoverTrial reads the node's row.
func (e *Engine) recoverTrial() error {
	e.trials.starts = map[string]format.Starts{}
	value, found, err := e.store.Get(nodeTrialKey())
	if err != nil || !found {
		return err
	}
	e.trials.hasRow = true
	return e.takeTrial(value)
}

func (e *Engine) takeTrial(value []byte) error {
	if err := functions.Decode(value, &e.trials.row); err != nil {
		return fmt.Errorf("%w: the row of what was on trial: %w", ErrDamaged, err)
	}
	return nil
}

// recoverStart reads how often something was started.
func (e *Engine) recoverStart(_ uint16, key, value []byte) error {
	of, err := format.StartsOf(key)
	var s format.Starts
	if err == nil {
		err = functions.Decode(value, &s)
	}
	if err == nil && s.Starts < 1 {
		err = fmt.Errorf("%d starts", s.Starts)
	}
	if err != nil {
		return fmt.Errorf("%w: a number of starts: %w", ErrDamaged, err)
	}
	e.trials.starts[string(of)] = s
	return nil
}

// sortUnfinished tells what is suspect and what is parked from the rest of what was left, which stays in its line.
func (e *Engine) sortUnfinished() error {
	t := &e.trials
	for _, w := range e.workers {
		for _, line := range w.waitingLines() {
			e.sortLine(w, line)
		}
		e.sortTimers(w)
	}
	for key := range t.starts {
		return fmt.Errorf("%w: there is a number of starts of %q, which is not there", ErrDamaged, key)
	}
	t.starts = nil
	slices.SortFunc(t.suspects, func(a, b *unfinished) int { return cmp.Compare(a.number, b.number) })
	return nil
}

// sortLine leaves in a line what may run as it comes.
func (e *Engine) sortLine(w *worker, line *waitingLine) {
	all := slices.Clone(line.all())
	*line = waitingLine{}
	for _, m := range all {
		u := &unfinished{worker: w, call: m.call, coord: m.coord}
		if u.call != nil {
			u.number, u.row = m.call.number, format.NumberedKey(nil, m.call.shard, format.KindMessage, m.call.number)
		} else {
			u.number, u.row = m.coord.id, m.coord.key()
		}
		if e.isFree(u) {
			line.push(m)
		}
	}
}

// isFree notes something that was left, and reports whether it may run as it comes.
func (e *Engine) isFree(u *unfinished) bool {
	t := &e.trials
	u.starts = t.starts[string(u.row)].Starts
	delete(t.starts, string(u.row))
	if u.starts >= MaxStarts {
		e.park(u)
		return false
	}
	t.left.Add(1)
	u.attach()
	if u.starts == 0 && u.number >= t.row.Below {
		return true
	}
	t.suspects = append(t.suspects, u)
	return false
}

func (u *unfinished) attach() {
	if u.call != nil {
		u.call.left = u
	}
	if u.coord != nil {
		u.coord.left = u
	}
}

// sortTimers takes the timers that are suspect from a worker's heap. Those that are due and are not count as left until they fire.
func (e *Engine) sortTimers(w *worker) {
	t := &e.trials
	now := e.clocks.unix()
	var suspect []*timer
	for _, timer := range w.timers.heap {
		switch {
		case t.hasRow && timer.due <= t.row.Due:
			suspect = append(suspect, timer)
		case timer.due <= now:
			timer.left = true
			t.left.Add(1)
		}
	}
	slices.SortFunc(suspect, func(a, b *timer) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq)) })
	for _, timer := range suspect {
		heap.Remove(&w.timers, timer.index)
		t.left.Add(1)
		t.suspects = append(t.suspects, &unfinished{number: e.nextID.Add(1), timer: timer})
	}
}

// tryUnfinished lets suspects have their turns, before anything else runs, and notes that the rest of what was left is handled now.
func (e *Engine) tryUnfinished() {
	t := &e.trials
	if t.left.Load() == 0 {
		return
	}
	for rest := t.suspects; len(rest) > 0; {
		n := 1
		for rest[0].starts <= 1 && n < min(len(rest), suspectsAtOnce) && rest[n].starts <= 1 {
			n++
		}
		e.haveTurn(rest[:n])
		rest = rest[n:]
	}
	t.suspects = nil
	e.onWorkers(e.workers[:1], func(w *worker) {
		t.hasRow = true
		w.addRow(nodeTrialKey(), encodeRow(format.Trial{Below: e.nextID.Load() + 1, Due: functions.UnixNano(w.now)}))
	})
	t.frozen.Store(false)
	e.gate.nudge()
}

// onWorkers runs f on each of some workers, between two messages, and waits until what that did is durable. Nobody else uses the engine
// yet.
func (e *Engine) onWorkers(workers []*worker, f func(w *worker)) {
	var all []*request
	for _, w := range workers {
		q, err := e.beginControl(w, func(w *worker) error { f(w); return nil })
		if err != nil {
			panic("engine: an engine that is being opened takes orders: " + err.Error())
		}
		all = append(all, q)
	}
	for _, q := range all {
		for e.options.Seams.Stepped && len(q.done) == 0 {
			if !e.step(func(int) int { return 0 }, nil) {
				panic("engine: an order ends before an engine comes to rest")
			}
		}
		_ = q.wait(context.Background()) // an error means that the engine has ended
	}
}

// haveTurn lets some suspects run, and returns once they have survived that.
func (e *Engine) haveTurn(turn []*unfinished) {
	e.onWorkers(e.workers[:1], func(w *worker) {
		for _, u := range turn {
			before := u.starts
			u.starts = max(before, 1) + 1
			if u.timer != nil {
				w.fireSuspect(u)
			}
			w.addRow(format.StartsKey(u.row), encodeRow(format.Starts{Starts: u.starts}))
		}
	})
	e.trace("suspects: %d, of %d starts", len(turn), turn[0].starts)
	since := e.clocks.elapsed()
	for waiting := slices.Clone(turn); len(waiting) > 0; {
		var workers []*worker
		for _, w := range e.workers {
			if slices.ContainsFunc(waiting, func(u *unfinished) bool { return u.worker == w }) {
				workers = append(workers, w)
			}
		}
		e.onWorkers(workers, func(w *worker) {
			for _, u := range waiting {
				if u.worker == w {
					w.tryOn(u, e.clocks.elapsed()-since > longTurn)
				}
			}
		})
		waiting = slices.DeleteFunc(waiting, func(u *unfinished) bool { return u.over })
	}
}

// fireSuspect makes a timer what it sends, in one epoch: a message, or a run.
func (w *worker) fireSuspect(u *unfinished) {
	e, t := w.engine, u.timer
	env := &t.env
	w.countTimer(t, -1)
	w.addRow(format.TimerKey(nil, t.shard, t.due, t.seq), nil)
	w.queued += weight(env.Arg)
	if env.Op != nil {
		u.call = &call{number: u.number}
		e.initCall(u.call, env)
		if t.isOwn() {
			u.call.worker.keepFired(t, u.call) // nobody else uses the engine yet
		}
		u.worker, u.row = u.call.worker, format.NumberedKey(nil, u.call.shard, format.KindMessage, u.number)
		w.addCharged(u.row, encodeRow(format.Carried{StoredMessage: env.Stored(), Arrived: true, Own: t.isOwn()}))
	} else {
		u.coord = &coord{id: u.number, function: e.registry.coordinators[env.Coordinator].Function, input: env.Arg, value: env.Value, hasRow: true}
		u.coord.shard = e.registry.numberShard(u.number)
		u.coord.worker = e.workerOf(u.coord.shard)
		u.worker, u.row = u.coord.worker, u.coord.key()
		w.toBackground(u.coord)
		w.addCharged(u.row, u.coord.row())
	}
	u.timer = nil
	u.attach()
}

// tryOn begins a suspect's turn, or goes on with it. long says that it has lasted for long.
func (w *worker) tryOn(u *unfinished, long bool) {
	c := u.coord
	switch {
	case !u.begun && c != nil:
		u.begun = true
		w.coords[c.id] = c
		w.begun.push(message{kind: msgStart, coord: c})
	case !u.begun:
		u.begun = true
		w.begun.push(message{kind: msgCall, call: u.call})
	case c == nil:
		u.over = u.call.left == nil
	case c.over || w.restsUntilLater(c) || (c.left == nil && (long || c.backsOff())):
		u.over = true
	case c.alarm != nil: // a sleep that is over, or the back-off of a compensation: that is tried now
		entry := c.alarm.entry
		w.forgetAlarm(c)
		w.wakeSaga(c, entry)
	}
}

// backsOff reports whether a saga waits to try a compensation again.
func (c *coord) backsOff() bool { return c.alarm != nil && c.alarm.entry == backOff }

// restsUntilLater reports whether a run does nothing until a person decides about it, or its sleep is over.
func (w *worker) restsUntilLater(c *coord) bool {
	if c.saga == nil {
		return false
	}
	return c.isStuck() || (c.alarm != nil && !c.backsOff() && c.alarm.due > w.engine.clocks.unix())
}

// survivedCut ends the trial of a run that goes on beyond an epoch, if it has added to its journal or rests.
func (w *worker) survivedCut(c *coord, added bool) {
	if c.begun() && (added || w.restsUntilLater(c)) {
		w.survived(c.left)
		c.left = nil
	}
}

// begun reports whether a run has done anything since it was read from its row.
func (c *coord) begun() bool {
	return c.routine != nil || (c.saga != nil && c.saga.Phase != saga.Running)
}

// survived ends the trial of something that was left: with the running epoch it is handled.
func (w *worker) survived(u *unfinished) {
	if u.starts > 0 {
		w.addRow(format.StartsKey(u.row), nil)
	}
	w.engine.trials.left.Add(-1)
}

// cutTrial deletes the node's row when all that was left is handled, and when the engine is closed: whatever ends the process then, it is
// not what was left.
func (e *Engine) cutTrial() {
	if e.trialEnds() {
		e.trials.hasRow = false
		e.workers[0].addRow(nodeTrialKey(), nil)
	}
}

// trialEnds reports whether the node's row is to go.
func (e *Engine) trialEnds() bool {
	return e.trials.hasRow && (e.trials.left.Load() == 0 || e.stopping.Load())
}
