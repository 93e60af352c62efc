package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/table"
)

// Poison: a message, a run or a timer that ends the process (os.Exit, a stack that overflows, no memory left) would do so at each start,
// because it is still there. So what an earlier process left unfinished is on trial if that process did not survive it.
//
//	first   All that was left is handled as it comes, as always. A row of the node, the trial, says that this has begun and what was
//	        there then: numbers below a bound, timers due at a time. It goes when all of that is handled, and when the engine is closed.
//	then    If the row is there when the directory is opened, the last process died meanwhile: what it says is suspect. Suspects have
//	        their turns, in the order of their numbers, while all else that was left, timers and messages wait. Before a turn begins each
//	        that has it gets a row with the number of its starts, sealed. When it has survived, which is sealed before the next turn
//	        begins, the row goes. A turn is of many that have not been in one before, as many as take about turnTime; of up to
//	        secondTurn that have been in one which has not ended; of one that has been in two.
//	parked  What has started MaxStarts times is parked: its row stays, it does not run, Open logs it.
//
// Turns begin before Open returns. If that takes longer than openPatience it returns, and they go on in the background, while requests are
// served. Since a request, or what it leads to, may end the process too, no start in the background is somebody's last: it counts up to
// MaxStarts-1. All that was before it has had its turn then, so with the next Open its turn comes at once, before anything else runs.
//
// So of what was left what is parked was alone when the last two processes ended, and nothing else ran at all when the last did: nothing
// innocent is parked for having been behind it, beside it or in a hurry. The order of messages is kept: what suspects send waits behind what else was left.
// Closing the engine ends all this in good order: what has had no turn stays suspect, and a turn that has not ended does not count.
//
// A message has survived when it was handled. A run has when it is over, stuck, sleeps until later, or has added something to its
// journal: then it is not where it was, and would be tried anew. A timer that is due becomes what it sends, when its turn comes.

// MaxStarts is how often a message or a run that an earlier process left is started before it is parked, while no process survives it.
const MaxStarts = 5

const (
	// The number of suspects that have their first turn together, to begin with and at most; and of those that have their second.
	firstTurn, largestTurn, secondTurn = 256, 4096, 64
	// turnTime is about how long a first turn is to take: what is quick is tried many at a time.
	turnTime = 100 * time.Millisecond
	// openPatience is how long Open waits for the turns.
	openPatience = 2 * time.Second
	// lastPatience is how long it waits then until a start that would be somebody's last is none.
	lastPatience = 500 * time.Millisecond
	// tellTurns is how often it is logged that they go on.
	tellTurns = 5 * time.Second
	// longTurn is how long a saga that makes one step after the other keeps others from having their turn.
	longTurn = time.Second
)

// trials is the state of all this.
type trials struct {
	hasRow bool // of the node; the conductor's

	row      format.Trial             // that was found
	starts   map[string]format.Starts // that were found, by the key of the row that they belong to
	suspects []*unfinished
	parked   []Parked

	background atomic.Bool   // Open returns
	noLast     chan struct{} // gets a token once no start that is under way is somebody's last, after that
	turn       []*unfinished // whose turn has begun and not ended; read when the turns are over
	ended      chan struct{} // closed when there are no turns any more
}

// unfinished is something that an earlier process left: a message, a run or a timer that is due.
type unfinished struct {
	number uint64
	starts int    // in its row; 0 if it has none
	before int    // the starts before its turn
	row    []byte // the key of what it is in the store
	shard  *shard

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
	value, found, err := e.table.Get(nodeTrialKey())
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
			e.sortLine(line)
		}
		for _, s := range w.shards {
			e.sortTimers(s)
		}
	}
	for key := range t.starts {
		return fmt.Errorf("%w: there is a number of starts of %q, which is not there", ErrDamaged, key)
	}
	t.starts = nil
	slices.SortFunc(t.suspects, func(a, b *unfinished) int { return cmp.Compare(a.number, b.number) })
	return nil
}

// sortLine leaves in a line what may run as it comes.
func (e *Engine) sortLine(line *waitingLine) {
	all := slices.Clone(line.All())
	*line = waitingLine{}
	for _, m := range all {
		u := &unfinished{call: m.call(), coord: m.coord()}
		if u.call != nil {
			u.shard, u.number = u.call.shard, u.call.number
			u.row = format.NumberedKey(nil, u.shard.number, format.KindMessage, u.number)
		} else {
			u.shard, u.number, u.row = u.coord.shard, u.coord.id, u.coord.key()
		}
		if e.isFree(u) {
			line.Push(m)
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
	e.left.Add(1)
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

// sortTimers finds the timers that are suspect. They stay where they are until their turn comes: they may be cancelled before. Those that
// are due and are not suspect count as left until they fire.
func (e *Engine) sortTimers(s *shard) {
	t := &e.trials
	now := e.clocks.Unix()
	var suspect []*timer
	for _, timer := range s.timers.heap {
		isSuspect := t.hasRow && timer.due <= t.row.Due
		if isSuspect {
			suspect = append(suspect, timer)
		}
		if isSuspect || timer.due <= now {
			timer.left = true
			e.left.Add(1)
		}
	}
	slices.SortFunc(suspect, func(a, b *timer) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.seq, b.seq)) })
	for _, timer := range suspect {
		t.suspects = append(t.suspects, &unfinished{number: e.nextID.Add(1), timer: timer, shard: s})
	}
}

// tryUnfinished lets suspects have their turns, and notes that the rest of what was left is handled now. It returns when that is done, and
// for a suspect that takes long, or for many, after openPatience: then the turns go on in the background.
func (e *Engine) tryUnfinished() {
	t := &e.trials
	t.ended, t.noLast = make(chan struct{}), make(chan struct{}, 1)
	if e.left.Load() == 0 || e.options.Seams.Stepped {
		e.haveTurns()
		return
	}
	go e.haveTurns()
	select {
	case <-t.ended:
	case <-time.After(openPatience):
		t.background.Store(true)
		e.options.Logger.Warn("the last process died: what it had left is tried a few at a time, while requests are served", "left", e.left.Load())
		select {
		case <-t.noLast:
		case <-t.ended:
		case <-time.After(lastPatience): // whoever holds a worker for so long keeps all others from being answered, too
		}
	}
}

// haveTurns lets all suspects have their turns, unless the engine is closed meanwhile.
func (e *Engine) haveTurns() {
	t := &e.trials
	defer close(t.ended)
	if e.left.Load() == 0 {
		return
	}
	size, told := firstTurn, e.clocks.Elapsed()
	for rest := t.suspects; len(rest) > 0; {
		turn := nextTurn(rest, size)
		began := e.clocks.Elapsed()
		if !e.haveTurn(turn) {
			return
		}
		rest = rest[len(turn):]
		now := e.clocks.Elapsed()
		size = nextSize(size, len(turn), now-began)
		if now-told > tellTurns {
			told = now
			e.options.Logger.Info("what the last process had left is tried", "suspects", len(rest), "left", e.left.Load())
		}
	}
	t.suspects = nil
	if e.onWorkers(e.workers[:1], func(w *worker) {
		t.hasRow = true
		w.addRow(nodeTrialKey(), encodeRow(format.Trial{Below: e.nextID.Load() + 1, Due: format.UnixNano(w.now)}))
	}) {
		e.frozen.Store(false) // now that the row is sealed
		e.gate.nudge()
	}
}

// nextTurn is who of those that are left has the next turn. first is for those that have had none.
func nextTurn(rest []*unfinished, first int) []*unfinished {
	stage := rest[0].stage()
	n := 1
	for n < min(len(rest), [...]int{first, secondTurn, 1}[stage]) && rest[n].stage() == stage {
		n++
	}
	return rest[:n]
}

// stage is how many turns have not ended that it was in: 0, 1, or more.
func (u *unfinished) stage() int { return min(max(u.starts, 1)-1, 2) }

// nextSize makes first turns take about turnTime.
func nextSize(size, had int, took time.Duration) int {
	switch {
	case took > 2*turnTime:
		return max(size/2, 1)
	case took < turnTime && had == size:
		return min(2*size, largestTurn)
	}
	return size
}

// onWorkers runs f on each of some workers, between two messages, and waits until what that did is durable. It reports false if the engine
// is closed, or has ended, meanwhile. It is not refused for a bound: what was admitted may wait for it.
func (e *Engine) onWorkers(workers []*worker, f func(w *worker)) bool {
	var all []*request
	for _, w := range workers {
		q := newControl(e, func(w *worker) error { f(w); return nil })
		e.inFlight.Add(1)
		if e.admitTo(w, q) != nil {
			return false // it is closed
		}
		all = append(all, q)
	}
	for _, q := range all {
		for e.options.Seams.Stepped && len(q.done) == 0 {
			if !e.step(func(int) int { return 0 }, nil) {
				panic("engine: an order ends before an engine comes to rest")
			}
		}
		if q.wait(context.Background()) != nil {
			return false
		}
	}
	return true
}

// haveTurn lets some suspects run, and returns once they have survived that; false if the engine is closed before.
func (e *Engine) haveTurn(turn []*unfinished) bool {
	t := &e.trials
	last := MaxStarts
	if t.background.Load() {
		last--
		t.tellNoLast()
	}
	t.turn = turn
	if !e.onTheirs(turn, func(w *worker, u *unfinished) { w.beginTurn(u, last) }) {
		return false
	}
	if told := e.events.Load(); told != nil && told.TrialBegan != nil {
		told.TrialBegan(TrialInfo{Suspects: len(turn), Starts: turn[0].starts})
	}
	since := e.clocks.Elapsed()
	waiting := withoutOver(slices.Clone(turn))
	for ; len(waiting) > 0; waiting = withoutOver(waiting) {
		long, background := e.clocks.Elapsed()-since > longTurn, t.background.Load()
		if !e.onTheirs(waiting, func(w *worker, u *unfinished) { w.tryOn(u, long) }) {
			return false
		}
		if background {
			t.tellNoLast()
		}
	}
	t.turn = nil
	return true
}

func (t *trials) tellNoLast() {
	select {
	case t.noLast <- struct{}{}:
	default:
	}
}

func withoutOver(all []*unfinished) []*unfinished {
	return slices.DeleteFunc(all, func(u *unfinished) bool { return u.over })
}

// onTheirs runs f for each of some suspects on its worker; see onWorkers.
func (e *Engine) onTheirs(all []*unfinished, f func(w *worker, u *unfinished)) bool {
	byWorker := make([][]*unfinished, len(e.workers))
	for _, u := range all {
		byWorker[u.shard.on.id] = append(byWorker[u.shard.on.id], u)
	}
	workers := slices.DeleteFunc(slices.Clone(e.workers), func(w *worker) bool { return len(byWorker[w.id]) == 0 })
	return e.onWorkers(workers, func(w *worker) {
		for _, u := range byWorker[w.id] {
			f(w, u)
		}
	})
}

// beginTurn counts a suspect's start, up to last. A timer becomes what it sends; one that was cancelled meanwhile is over.
func (w *worker) beginTurn(u *unfinished, last int) {
	if u.timer != nil && u.timer.index < 0 {
		u.over = true
		return
	}
	u.before = max(u.starts, 1)
	u.starts = min(u.before+1, last)
	if u.timer != nil {
		w.fireSuspect(u)
	}
	w.addRow(format.StartsKey(u.row), encodeRow(format.Starts{Starts: u.starts}))
}

// fireSuspect makes a timer of the worker's what it sends, in one epoch: a message, or a run.
func (w *worker) fireSuspect(u *unfinished) {
	e, t := w.engine, u.timer
	env := &t.env
	t.shard.timers.remove(t)
	w.countTimer(t, -1)
	w.addRow(format.TimerKey(nil, t.shard.number, t.due, t.seq), nil)
	w.queued += weight(env.Arg)
	if env.Op != nil {
		u.call = &call{number: u.number}
		e.initCall(u.call, env, e.registry.Types[env.Op.Type])
		if t.isOwn() { // then the message is for this worker's instance
			w.keepFired(t, u.call)
		}
		u.shard, u.row = u.call.shard, format.NumberedKey(nil, u.call.shard.number, format.KindMessage, u.number)
		w.addCharged(u.row, encodeRow(format.Carried{Message: env.Stored(), Arrived: true, Own: t.isOwn()}))
	} else {
		u.coord = &coord{id: u.number, function: e.registry.Coordinators[env.Coordinator].Function, input: env.Arg, value: env.Value, hasRow: true}
		u.coord.shard = e.shards[e.registry.NumberShard(u.number)]
		u.shard, u.row = u.coord.shard, u.coord.key()
		w.toBackground(u.coord)
		w.addCharged(u.row, u.coord.row())
	}
	u.timer = nil
	u.attach()
}

// tryOn begins a suspect's turn, or goes on with it. long says that it has lasted for long.
func (w *worker) tryOn(u *unfinished, long bool) {
	if u.starts == MaxStarts && w.engine.trials.background.Load() && !u.hasSurvived() {
		u.starts-- // requests run by now, so this start is not its last either
		w.addRow(format.StartsKey(u.row), encodeRow(format.Starts{Starts: u.starts}))
	}
	c := u.coord
	switch {
	case c != nil && c.over: // a person may have cancelled it before its turn
		u.over = true
	case !u.begun && c != nil:
		u.begun = true
		c.shard.runs[c.id] = c
		w.begun.Push(message{kind: msgStart, about: c})
	case !u.begun:
		u.begun = true
		w.begun.Push(message{kind: msgCall, about: u.call})
	case c == nil:
		u.over = u.call.left == nil
	case w.restsUntilLater(c) || (c.left == nil && (long || c.backsOff())):
		u.over = true
	case c.alarm != nil: // a sleep that is over, or the back-off of a compensation: that is tried now
		entry := c.alarm.entry
		w.forgetAlarm(c)
		w.wakeSaga(c, entry)
	}
}

// hasSurvived reports whether a suspect's trial has ended.
func (u *unfinished) hasSurvived() bool {
	return u.timer != nil || (u.call == nil || u.call.left == nil) && (u.coord == nil || u.coord.left == nil)
}

// endTurn takes back the start of those whose turn has not ended when the engine is closed, once nothing runs any more: that is no sign of
// anything. Nobody begins a turn any more.
func (e *Engine) endTurn(batch *table.Batch) {
	for _, u := range e.trials.turn {
		if u.before > 0 && !u.hasSurvived() {
			batch.Set(format.StartsKey(u.row), encodeRow(format.Starts{Starts: u.before}))
		}
	}
}

// backsOff reports whether a saga waits to try a compensation again.
func (c *coord) backsOff() bool { return c.alarm != nil && c.alarm.entry == backOff }

// begun reports whether a run has done anything since it was read from its row.
func (c *coord) begun() bool {
	return c.routine != nil || (c.saga != nil && c.saga.Phase != sagas.Running)
}

// cutTrial deletes the node's row when all that was left is handled, and when the engine is closed: whatever ends the process then, it is
// not what was left. While suspects have their turns the row stays: it says what is suspect.
func (e *Engine) cutTrial() {
	if e.trialEnds() {
		e.trials.hasRow = false
		e.workers[0].addRow(nodeTrialKey(), nil)
	}
}

// trialEnds reports whether the node's row is to go.
func (e *Engine) trialEnds() bool {
	return e.trials.hasRow && !e.frozen.Load() && (e.left.Load() == 0 || e.stopping.Load())
}
