package engine

import (
	"maps"
	"slices"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
)

// The life of an epoch.
//
//	open      Workers take requests, due timers and ingress records, and handle the messages that follow from them.
//	close     closeGate: as soon as the sealer is free and there is something to seal. Workers take nothing new and drain.
//	          A function that keeps sending would never let this end: after half of Options.MaxDrain, a million messages or a
//	          quarter of Options.MaxEpochBytes the epoch is cut as it is (cutting); workers then handle urgent messages only, which
//	          run no code of users.
//	rest      No worker has anything to do, unless it is a backlog: see schedule.go. The last one conducts: it sees all workers,
//	          and none of them moves.
//	untangle  Whoever waits for a lock now, in a cycle, is deadlocked. All cycles are broken; draining goes on, unless the epoch
//	          is cut by force: then the victims hear of it in the next one.
//	cut       Dirty rows, outcomes, replies and records of all workers become one sealing, and the next epoch opens.
//	seal      The sealer writes one batch with one sync, while the next epoch runs.
//	release   Replies and egress records go out.
//
// Invariants:
//   - A decision of a transaction and all its applications are in one epoch: decisions are urgent messages, and there is none
//     under way at rest. So no row of an undecided transaction's changes is ever written, and after a crash it is simply run
//     again from its input, if anything knows of it.
//   - The outcome of a request and its effects are in one epoch, for the same reason: msgDone is urgent.
//   - What a saga's journal records as called without a result was not executed in the sealed state: results are urgent too. So
//     after a crash it is called again.
//   - What a client or an egress gets to see is sealed.

// portion is what one worker adds to an epoch.
type portion struct {
	dirty    []*instance
	images   []image // of dirty, made at the cut
	rows     []row
	ranges   []keyRange // of rows that are deleted; none of them is in rows
	outcomes []*request // settled, with ids
	replies  []*request // to be released
	touched  []*coord
	emits    []functions.Emitted
	feeds    []fed // what was taken from ingresses, and handled of that
	records  []egressRecord
}

// image is the state of an instance to be written.
type image struct {
	inst  *instance
	state functions.Image
}

// row is a row to be written, or deleted if there is no value.
type row struct {
	key, value []byte
	effects    *format.JournalEffects // in the place of the value: the sealer encodes them
}

// keyRange is the keys from lower (included) to upper (excluded).
type keyRange struct{ lower, upper []byte }

func (p *portion) empty() bool {
	return len(p.dirty) == 0 && len(p.rows) == 0 && len(p.outcomes) == 0 && len(p.replies) == 0 && len(p.touched) == 0 &&
		len(p.emits) == 0 && len(p.feeds) == 0
}

func (p *portion) reset() {
	clear(p.dirty)
	clear(p.images)
	clear(p.rows)
	clear(p.ranges)
	clear(p.outcomes)
	clear(p.replies)
	clear(p.touched)
	clear(p.emits)
	clear(p.feeds)
	clear(p.records)
	*p = portion{
		dirty: keepSmall(p.dirty), images: keepSmall(p.images), rows: keepSmall(p.rows), ranges: keepSmall(p.ranges), outcomes: keepSmall(p.outcomes),
		replies: keepSmall(p.replies), touched: keepSmall(p.touched), emits: keepSmall(p.emits), feeds: keepSmall(p.feeds),
		records: keepSmall(p.records),
	}
}

// closeGate ends admission to the running epoch.
func (e *Engine) closeGate() {
	if e.gate.open.CompareAndSwap(true, false) {
		e.closedAt.Store(e.clocks.now())
	}
}

// conduct is called when all workers are at rest, by the last one or by the sealer.
func (e *Engine) conduct() {
	if (e.untangle() || e.mustWork()) && !e.cutting.Load() {
		e.wakeBusy()
		return
	}
	switch sealing := e.sealing.Load(); {
	case sealing && (e.budget.isFull() || e.cutting.Load()):
		return // until that is sealed and this epoch can be cut
	case sealing:
	case e.hasWork():
		if e.isLeft() {
			e.cutting.Store(true)
		}
		e.cut()
	case e.stopping.Load() && e.mayStop():
		return
	}
	for _, w := range e.workers {
		w.drained = 0
	}
	e.cutting.Store(false)
	if e.stopping.Load() && e.lastCuts >= maxLastCuts {
		return // sealed once more, then nothing runs again
	}
	e.lookout.opened(e.options.MaxDrain / 2)
	e.noteRequests()
	e.gate.open.Store(true)
	e.wakeBusy()
	e.armClock()
}

// noteRequests notes which workers requests wait for, when admission is about to begin, before any worker begins what is costly.
func (e *Engine) noteRequests() {
	accepting := int64(0)
	for _, w := range e.workers {
		w.mu.Lock()
		w.accepting = len(w.inbox) > 0 || w.taken.len() > 0
		w.mu.Unlock()
		if w.accepting {
			accepting++
		}
	}
	e.accepting.Store(accepting)
	if accepting > 0 {
		e.asked.Store(true)
	}
}

// maxLastCuts bounds the epochs that are cut after Close was called, should functions keep sending.
const maxLastCuts = 3

// mayStop reports whether a closing engine is at its end, and says so to Close.
func (e *Engine) mayStop() bool {
	if e.lastCuts < maxLastCuts {
		for _, w := range e.workers {
			w.mu.Lock()
			busy := len(w.inbox) > 0 || len(w.mail) > 0
			w.mu.Unlock()
			if busy || w.hasWork() {
				return false
			}
		}
	}
	e.gate.end()
	e.atEnd.Do(func() { close(e.ended) })
	return true
}

// wakeBusy wakes the workers that have something to do.
func (e *Engine) wakeBusy() {
	for _, w := range e.workers {
		w.mu.Lock()
		busy := w.hasInput()
		w.mu.Unlock()
		if busy || w.urgent.len() > 0 || w.hasWork() || w.timerIsDue() {
			e.gate.wake(w)
		}
	}
}

// mustWork reports whether a worker has something that it stood back with, and may go on now.
func (e *Engine) mustWork() bool {
	return e.lastCuts < maxLastCuts && slices.ContainsFunc(e.workers, (*worker).mustWork)
}

// isLeft reports whether what has begun is left at rest: it stood back for a request.
func (e *Engine) isLeft() bool {
	return slices.ContainsFunc(e.workers, func(w *worker) bool { return w.underWay() > 0 })
}

// hasWork reports whether there is something to seal.
func (e *Engine) hasWork() bool {
	for _, w := range e.workers {
		if !w.epoch.empty() {
			return true
		}
	}
	return e.trialEnds()
}

// cut ends the running epoch and hands it to the sealer.
func (e *Engine) cut() {
	e.cutTrial()
	s := &sealing{epoch: e.epoch, forced: e.cutting.Load(), charged: e.charged()}
	behind := false
	for _, w := range e.workers {
		p := w.epoch
		if s.forced || w.hasBacklog() {
			behind = behind || w.hasBacklog()
			w.carry()
		}
		w.waiters = slices.DeleteFunc(w.waiters, func(c *call) bool { return c.number != 0 || !c.visit.Claim.Waiting() })
		w.cutRuns(s.forced)
		w.cutFeeds()
		for _, i := range p.dirty {
			i.dirty = false
			p.images = append(p.images, image{i, i.seat.Committed()})
			w.cache.charge(i)
		}
		e.number(p)
		s.portions = append(s.portions, p)
		w.epoch = w.freshPortion()
		w.charged = 0
		w.cache.tidy(e.sealed.Load())
	}
	e.budget.used.Store(0)
	e.behind.Store(behind)
	s.marks = e.marks()
	e.marked = s.marks
	if e.stopping.Load() {
		e.lastCuts++
	}
	e.trace("cut epoch %d", e.epoch)
	e.asked.Store(false)
	e.epoch++
	e.stats.epochs.Add(1)
	e.sealing.Store(true)
	e.toSeal <- s
}

// freshPortion makes an empty portion, in used memory if there is any.
func (w *worker) freshPortion() *portion {
	n := len(w.portions)
	if n == 0 {
		return &portion{}
	}
	p := w.portions[n-1]
	w.portions = w.portions[:n-1]
	return p
}

// reclaim takes back what earlier epochs used: the runs that were over when the last one was cut, and the portions whose replies are
// out, with the requests that they settled. A request that comes again finds its outcome's row. Nothing waits for this, so it is
// done after a cut and not during it.
func (w *worker) reclaim(free []*portion) {
	for i, c := range w.spent {
		w.recycle(c)
		w.spent[i] = nil
	}
	w.spent = w.spent[:0]
	for _, p := range free {
		for _, q := range p.outcomes {
			w.engine.ids.forget(q, w.engine.workerOf(q.shard).seen.Add)
		}
		p.reset()
		w.portions = append(w.portions, p)
	}
}

// cutRuns writes rows for the coordinator functions that go on beyond the epoch, and deletes those of the ones that ended.
func (w *worker) cutRuns(forced bool) {
	for _, c := range w.epoch.touched {
		c.touched = false
		switch {
		case !c.over:
			w.cutRun(c)
		case c.hasRow:
			w.dropRun(c)
		case !forced:
			w.spent = append(w.spent, c)
		}
	}
	clear(w.epoch.touched)
	w.epoch.touched = w.epoch.touched[:0]
}

// carry writes rows for the messages that have not been handled when an epoch is cut. Requests of clients are not
// written: no reply has gone out for them. Calls of transactions and sagas follow from their own rows.
//
// A restart handles messages in the order of their numbers. So those that an instance has let wait for its lock are numbered
// before those that are still to reach it: first who has been granted it, then who waits, then the rest.
func (w *worker) carry() {
	w.eachBegun(func(m message) {
		if m.kind == msgGranted {
			w.carryCall(m.call)
		}
	})
	for _, c := range w.waiters {
		if c.visit.Claim.Waiting() {
			w.carryCall(c)
		}
	}
	w.carryQueued()
}

// carryQueued writes rows for the messages that have not reached their instance, or their worker.
func (w *worker) carryQueued() {
	w.carryLine(&w.arrivals)
	for i := range w.fed {
		w.carryLine(&w.fed[i])
	}
	w.carryLine(&w.sent)
}

func (w *worker) carryLine(q *waitingLine) {
	for _, m := range q.all()[q.carried:] {
		switch m.kind {
		case msgCall:
			w.carryCall(m.call)
		case msgStart:
			w.touch(m.coord)
		}
	}
	q.carried = q.len()
}

func (w *worker) carryCall(c *call) {
	if !c.isMessage() || c.number != 0 {
		return
	}
	c.number = w.engine.nextID.Add(1)
	env := functions.Envelope{Op: c.op, ID: c.id, Arg: c.arg, Value: c.value}
	row := format.Carried{StoredMessage: env.Stored(), Arrived: c.line != lineSent, Own: c.fired != nil}
	if c.line == lineFed {
		row.Ingress = c.feed.name
	}
	value, err := functions.EncodeRow(row)
	if err != nil {
		panic("engine: a message's row always encodes: " + err.Error())
	}
	w.addRow(format.NumberedKey(nil, c.shard, format.KindMessage, c.number), value)
	w.engine.stats.carried.Add(1)
}

// marks is the watermark of the epoch that is being cut.
func (e *Engine) marks() format.Watermark {
	m := format.Watermark{Epoch: e.epoch, NextID: e.nextID.Load(), At: storable(e.clocks.wall.Now()), Time: e.clocks.now()}
	for i := range e.timerSeq {
		m.Timers = max(m.Timers, e.timerSeq[i].n&timerCountMask)
	}
	if len(e.egresses)+len(e.absent) > 0 {
		m.Egress = make(map[string]uint64, len(e.egresses)+len(e.absent))
		maps.Copy(m.Egress, e.absent)
	}
	for _, g := range e.egresses {
		m.Egress[g.name] = g.last
	}
	return m
}

// Timer numbers have the worker in their upper byte, so that workers need not agree on them.
const (
	timerWorkerShift = 56
	timerCountMask   = 1<<timerWorkerShift - 1
)
