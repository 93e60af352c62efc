package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
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
//	seal      Workers and sealer encode the portions, while the next epoch runs; the sealer seals them, with one write and one sync.
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

// conduct is called when all workers are at rest, by the last one or by the sealer.
func (e *Engine) conduct() {
	if e.down.Load() {
		e.end()
		return
	}
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
	e.open.Store(true)
	e.wakeBusy()
	e.armClock()
}

// noteRequests notes which workers requests wait for, when admission is about to begin, before any worker begins what is costly.
func (e *Engine) noteRequests() {
	accepting := int64(0)
	for _, w := range e.workers {
		w.mu.Lock()
		w.accepting = len(w.inbox) > 0 || w.taken.Len() > 0
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
	e.end()
	return true
}

// end lets no worker start any more.
func (e *Engine) end() {
	e.gate.end()
	e.atEnd.Do(func() { close(e.ended) })
}

// wakeBusy wakes the workers that have something to do.
func (e *Engine) wakeBusy() {
	for _, w := range e.workers {
		w.mu.Lock()
		busy := w.hasInput()
		w.mu.Unlock()
		if busy || w.urgent.Len() > 0 || w.hasWork() || w.timerIsDue() {
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
	e.measures.drains.add(time.Duration(e.clocks.Now() - e.closedAt.Load()))
	behind, outcomes := false, 0
	for _, w := range e.workers {
		p := w.epoch
		if s.forced || w.hasBacklog() {
			behind = behind || w.hasBacklog()
			w.carry()
		}
		w.waiters = slices.DeleteFunc(w.waiters, func(c *call) bool { return c.number != 0 || !c.waitsForLock() })
		w.endCancels()
		w.cutRuns(s.forced)
		w.cutFeeds()
		for _, i := range p.dirty {
			i.dirty = false
			p.images = append(p.images, image{i, i.seat.Committed()})
			w.cache.charge(i)
		}
		outcomes += len(p.outcomes)
		s.portions = append(s.portions, p)
		w.epoch, w.cut = w.freshPortion(), s
		w.charged = 0
		w.cache.tidy(e.sealed.Load())
		w.cache.tell(&e.measures)
	}
	e.number(s.portions)
	e.budget.used.Store(0)
	e.behind.Store(behind)
	s.marks = e.marks()
	s.bucket, s.expired = e.buckets.turn(s.marks.Time, outcomes)
	s.encoding.Add(len(s.portions))
	e.marked = s.marks
	if e.stopping.Load() {
		e.lastCuts++
	}
	if told := e.events.Load(); told != nil && told.EpochCut != nil {
		told.EpochCut(e.epoch)
	}
	e.asked.Store(false)
	e.epoch++
	e.stats.epochs.Add(1)
	e.sealing.Store(true)
	e.toSeal <- s
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
			if q.shard.forget(q) {
				w.engine.seen.Add(format.RequestHash(q.of.ID))
			}
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
			w.carryCall(m.call())
		}
	})
	for _, c := range w.waiters {
		if c.waitsForLock() {
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
	for _, m := range q.All()[q.carried:] {
		switch m.kind {
		case msgCall:
			w.carryCall(m.call())
		case msgStart:
			w.touch(m.coord())
		}
	}
	q.carried = q.Len()
}

func (w *worker) carryCall(c *call) {
	if !c.isMessage() || c.number != 0 {
		return
	}
	c.number = w.engine.nextID.Add(1)
	env := instances.Envelope{Op: c.op, ID: c.id, Arg: c.arg, Value: c.value}
	row := format.Carried{Message: env.Stored(), Arrived: c.line != lineSent, Own: c.fired != nil}
	if c.line == lineFed {
		row.Ingress = c.feed.name
	}
	if c.asked != nil {
		row.Record = c.asked.record.stored()
	}
	value, err := codec.Encode(row)
	if err != nil {
		panic("engine: a message's row always encodes: " + err.Error())
	}
	w.addRow(format.NumberedKey(nil, c.shard.number, format.KindMessage, c.number), value)
	w.engine.stats.carried.Add(1)
}

// marks is the watermark of the epoch that is being cut.
func (e *Engine) marks() format.Watermark {
	m := format.Watermark{Epoch: e.epoch, NextID: e.nextID.Load(), At: clock.Storable(e.clocks.Wall.Now()), Time: e.clocks.Now()}
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

// charged is what the running epoch counts for. The conductor calls it.
func (e *Engine) charged() int64 {
	charged := e.budget.used.Load()
	for _, w := range e.workers {
		charged += w.charged
	}
	return charged
}
