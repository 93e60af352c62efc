package engine

import (
	"container/heap"
	"math"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
)

// timer is something that is due at a time: a message that an instance set, or a saga's sleep.
type timer struct {
	due   int64
	seq   uint64
	index int // in the heap; -1 once it is out

	from  functions.Address // who set it and may cancel it
	shard uint16
	env   functions.Envelope

	left bool // it was due when the directory was opened

	coord *coord // instead of a message: the saga to wake
	entry int

	prev, next *timer // others that the instance has set for itself
	call       *call  // that is such a one which has fired, and is not handled
}

// isOwn reports whether an instance has set the timer for itself.
func (t *timer) isOwn() bool { return t.coord == nil && t.env.IsFor(t.from) }

// weight is what a timer that an instance has set counts towards Options.MaxTimers.
func (t *timer) weight() int64 { return weightOf(&t.env) }

// countTimer counts a timer that an instance has set, or no longer.
func (w *worker) countTimer(t *timer, sign int64) {
	w.timersSet += sign * t.weight()
	w.background += sign * runsOf(&t.env)
}

// ownTimers are those that an instance has set for itself, and that are not handled.
type ownTimers struct {
	first *timer
	count int
}

// timerHeap orders a worker's timers by due time.
type timerHeap struct {
	heap  []*timer
	bySeq map[uint64]*timer
	own   map[functions.Address]ownTimers
}

// link adds a timer to those of its instance's own.
func (h *timerHeap) link(t *timer) {
	if h.own == nil {
		h.own = map[functions.Address]ownTimers{}
	}
	own := h.own[t.from]
	if t.next = own.first; t.next != nil {
		t.next.prev = t
	}
	h.own[t.from] = ownTimers{t, own.count + 1}
}

func (h *timerHeap) unlink(t *timer) {
	own := h.own[t.from]
	if own.count--; own.first == t {
		own.first = t.next
	}
	if t.prev != nil {
		t.prev.next = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
	if h.own[t.from] = own; own.count == 0 {
		delete(h.own, t.from)
	}
}

// countOwn counts the timers that an instance has set for itself, and that are not handled.
func (h *timerHeap) countOwn(of functions.Address) int { return h.own[of].count }

func (h *timerHeap) Len() int { return len(h.heap) }

func (h *timerHeap) Less(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.due < b.due || (a.due == b.due && a.seq < b.seq)
}

func (h *timerHeap) Swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].index, h.heap[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.index = len(h.heap)
	h.heap = append(h.heap, t)
	if h.bySeq == nil {
		h.bySeq = map[uint64]*timer{}
	}
	if t.coord == nil {
		h.bySeq[t.seq] = t
	}
	if t.isOwn() {
		h.link(t)
	}
}

func (h *timerHeap) Pop() any {
	t := h.heap[len(h.heap)-1]
	h.heap[len(h.heap)-1] = nil
	h.heap = h.heap[:len(h.heap)-1]
	t.index = -1
	if t.coord == nil {
		delete(h.bySeq, t.seq)
	}
	if t.isOwn() {
		h.unlink(t)
	}
	return t
}

func (h *timerHeap) add(t *timer) { heap.Push(h, t) }

// setTimer sets a timer of an instance, with its row.
func (w *worker) setTimer(from functions.Address, shard uint16, t *functions.Timer) {
	set := &timer{due: t.ID.Due, seq: t.ID.Seq, from: from, shard: shard, env: t.Message}
	w.timers.add(set)
	w.countTimer(set, 1)
	value, err := functions.EncodeRow(format.Timer{From: from, Message: t.Message.Stored()})
	if err != nil {
		panic("engine: a timer's row always encodes: " + err.Error())
	}
	w.addCharged(format.TimerKey(nil, shard, set.due, set.seq), value)
}

func (w *worker) cancelTimer(from functions.Address, id functions.TimerID) {
	t := w.timers.bySeq[id.Seq]
	if t != nil && t.from == from && t.due == id.Due {
		w.dropTimer(t)
	}
}

// dropTimer takes a timer back, with its row.
func (w *worker) dropTimer(t *timer) {
	heap.Remove(&w.timers, t.index)
	w.countTimer(t, -1)
	if t.left {
		w.engine.trials.left.Add(-1)
	}
	w.addCharged(format.TimerKey(nil, t.shard, t.due, t.seq), nil)
}

// dropOwnTimers takes back what an instance that is deleted had set for itself: the next one with its id did not ask for it. What it set
// for others has been sent, as far as they are concerned, and what others set for it is for whoever has the id then.
func (w *worker) dropOwnTimers(of functions.Address) {
	for t := w.timers.own[of].first; t != nil; t = w.timers.own[of].first {
		if t.call == nil {
			w.dropTimer(t)
		} else {
			w.timers.unlink(t)
			t.call = nil
		}
	}
}

// keepFired keeps a timer of an instance's own that has fired among those that end with the instance, until it is handled.
func (w *worker) keepFired(t *timer, c *call) {
	t.call, c.fired = c, t
	w.timers.link(t)
}

// isStillWanted reports, when such a timer is to be handled, whether the instance that had set it is still there.
func (w *worker) isStillWanted(t *timer) bool {
	if t.call == nil {
		return false
	}
	w.timers.unlink(t)
	t.call = nil
	return true
}

// sleep wakes a saga at a time, which is a wall time for a step of it and an engine time for a back-off. The saga's journal is its row.
func (w *worker) sleep(c *coord, due int64, entry int) {
	w.forgetAlarm(c)
	c.alarm = &timer{due: due, seq: w.engine.nextID.Add(1), coord: c, entry: entry}
	w.alarms(entry).add(c.alarm)
}

func (w *worker) alarms(entry int) *timerHeap {
	if entry == backOff {
		return &w.backOffs
	}
	return &w.timers
}

// forgetAlarm forgets that a saga is to be woken.
func (w *worker) forgetAlarm(c *coord) {
	if t := c.alarm; t != nil {
		heap.Remove(w.alarms(t.entry), t.index)
		c.alarm = nil
	}
}

// timerIsDue reports whether fireTimers would do anything.
func (w *worker) timerIsDue() bool {
	clocks := &w.engine.clocks
	if w.engine.trials.frozen.Load() {
		return false
	}
	return (w.timers.Len() > 0 && w.timers.heap[0].due <= clocks.unix()) ||
		(w.backOffs.Len() > 0 && w.backOffs.heap[0].due <= clocks.now())
}

// fireTimers handles what is due, and reports whether anything was. A timer's row goes with the epoch in which it fires; if the
// message is not handled in this epoch, it is carried.
func (w *worker) fireTimers() bool {
	left := maxFire
	if w.timers.Len() > 0 {
		left -= w.fire(&w.timers, w.engine.clocks.unix(), left)
	}
	if w.backOffs.Len() > 0 {
		left -= w.fire(&w.backOffs, w.engine.clocks.now(), left)
	}
	return left < maxFire
}

// fire handles at most so many timers that are due.
func (w *worker) fire(h *timerHeap, now int64, atMost int) (fired int) {
	for fired < atMost && h.Len() > 0 && h.heap[0].due <= now {
		t := heap.Pop(h).(*timer)
		fired++
		if t.coord != nil {
			t.coord.alarm = nil
			w.arrivals.push(message{kind: msgWake, coord: t.coord, which: uint32(t.entry)})
			continue
		}
		w.countTimer(t, -1)
		if t.left {
			w.engine.trials.left.Add(-1)
		}
		w.addCharged(format.TimerKey(nil, t.shard, t.due, t.seq), nil)
		if c, _ := w.sendMessage(&t.env, origin{line: lineArrivals}); t.isOwn() {
			w.keepFired(t, c)
		}
	}
	return fired
}

// lookAgain is how long an engine with timers goes without looking at the wall clock: it may have been set, or the machine may have
// slept.
const lookAgain = time.Second

// armClock asks the clock to wake the engine when the next timer is due, or to look again. The conductor calls it.
func (e *Engine) armClock() {
	delay, any := e.untilDue()
	if !any || e.trials.frozen.Load() {
		return
	}
	if !e.options.Seams.Stepped {
		delay = min(delay, lookAgain)
	}
	now := e.clocks.wall.Now()
	next := functions.DueAfter(now, delay)
	if armed := e.armed.Load(); armed != 0 && armed <= next {
		return
	}
	e.armed.Store(next)
	e.clocks.wall.Wake(now.Add(delay), func() {
		e.armed.CompareAndSwap(next, 0)
		e.gate.nudge()
	})
}

// untilDue is how long it takes until the next timer is due, as the clocks go now; false if there is none.
func (e *Engine) untilDue() (delay time.Duration, any bool) {
	delay = math.MaxInt64
	for _, w := range e.workers {
		if w.timers.Len() > 0 {
			delay, any = min(delay, until(w.timers.heap[0].due, e.clocks.unix())), true
		}
		if w.backOffs.Len() > 0 {
			delay, any = min(delay, until(w.backOffs.heap[0].due, e.clocks.now())), true
		}
	}
	return delay, any
}

// until is how long it takes from one time to another, at most what a Duration can tell; 0 if that is over.
func until(due, now int64) time.Duration {
	switch {
	case due <= now:
		return 0
	case now < 0 && due > math.MaxInt64+now:
		return math.MaxInt64
	}
	return time.Duration(due - now)
}
