package engine

import (
	"container/heap"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// timer is something that is due at a time: a message that an instance set, or a saga's sleep.
type timer struct {
	due   int64
	seq   uint64
	index int // in the heap; -1 once it is out

	from  format.Address // who set it and may cancel it
	shard *shard
	env   instances.Envelope

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
func (x *executor) countTimer(t *timer, sign int64) {
	x.timersSet += sign * t.weight()
	x.background += sign * runsOf(&t.env)
}

// ownTimers are those that an instance has set for itself, and that are not handled.
type ownTimers struct {
	first *timer
	count int
}

// timerQueue orders the timers of a shard by due time.
type timerQueue struct {
	heap  []*timer
	bySeq map[uint64]*timer
	own   map[format.Address]ownTimers

	of    *timerQueues
	index int // in it; -1 if there is no timer
}

// link adds a timer to those of its instance's own.
func (h *timerQueue) link(t *timer) {
	if h.own == nil {
		h.own = map[format.Address]ownTimers{}
	}
	own := h.own[t.from]
	if t.next = own.first; t.next != nil {
		t.next.prev = t
	}
	h.own[t.from] = ownTimers{t, own.count + 1}
}

func (h *timerQueue) unlink(t *timer) {
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
func (h *timerQueue) countOwn(of format.Address) int { return h.own[of].count }

func (h *timerQueue) Len() int { return len(h.heap) }

func (h *timerQueue) Less(i, j int) bool {
	return h.heap[i].before(h.heap[j])
}

// before reports whether a timer is due before another.
func (t *timer) before(other *timer) bool {
	return t.due < other.due || (t.due == other.due && t.seq < other.seq)
}

func (h *timerQueue) Swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].index, h.heap[j].index = i, j
}

func (h *timerQueue) Push(x any) {
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

func (h *timerQueue) Pop() any {
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

// add adds a timer.
func (h *timerQueue) add(t *timer) {
	heap.Push(h, t)
	h.of.moved(h)
}

// remove takes a timer out.
func (h *timerQueue) remove(t *timer) {
	heap.Remove(h, t.index)
	h.of.moved(h)
}

// timerQueues orders the queues of a worker's shards by their first timers.
type timerQueues []*timerQueue

func (q timerQueues) Len() int { return len(q) }

func (q timerQueues) Less(i, j int) bool { return q[i].heap[0].before(q[j].heap[0]) }

func (q timerQueues) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *timerQueues) Push(x any) {
	h := x.(*timerQueue)
	h.index = len(*q)
	*q = append(*q, h)
}

func (q *timerQueues) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last] = nil
	*q, h.index = (*q)[:last], -1
	return h
}

// moved puts a queue where its first timer belongs.
func (q *timerQueues) moved(h *timerQueue) {
	switch {
	case h.Len() == 0 && h.index < 0:
	case h.Len() == 0:
		heap.Remove(q, h.index)
	case h.index < 0:
		heap.Push(q, h)
	default:
		heap.Fix(q, h.index)
	}
}

// first is the timer that is due first, or nil.
func (q timerQueues) first() *timer {
	if len(q) == 0 {
		return nil
	}
	return q[0].heap[0]
}

// isDue reports whether a timer is due at a time.
func (q timerQueues) isDue(now int64) bool {
	t := q.first()
	return t != nil && t.due <= now
}

// setTimer sets a timer of an instance, with its row.
func (x *executor) setTimer(from format.Address, shard *shard, t *instances.Timer) {
	set := &timer{due: t.ID.Due, seq: t.ID.Seq, from: from, shard: shard, env: t.Message}
	shard.timers.add(set)
	x.countTimer(set, 1)
	value, err := codec.Encode(format.Timer{From: from, Message: t.Message.Stored()})
	if err != nil {
		panic("engine: a timer's row always encodes: " + err.Error())
	}
	x.addCharged(format.TimerKey(nil, shard.number, set.due, set.seq), value)
}

func (x *executor) cancelTimer(from format.Address, shard *shard, id instances.TimerID) {
	t := shard.timers.bySeq[id.Seq]
	if t != nil && t.from == from && t.due == id.Due {
		x.dropTimer(t)
	}
}

// dropTimer takes a timer back, with its row.
func (x *executor) dropTimer(t *timer) {
	t.shard.timers.remove(t)
	x.countTimer(t, -1)
	if t.left {
		x.group.left.Add(-1)
	}
	x.addCharged(format.TimerKey(nil, t.shard.number, t.due, t.seq), nil)
}

// dropOwnTimers takes back what an instance that is deleted had set for itself: the next one with its id did not ask for it. What it set
// for others has been sent, as far as they are concerned, and what others set for it is for whoever has the id then.
func (x *executor) dropOwnTimers(i *instance) {
	of, timers := i.address(), &i.shard.timers
	for t := timers.own[of].first; t != nil; t = timers.own[of].first {
		if t.call == nil {
			x.dropTimer(t)
		} else {
			timers.unlink(t)
			t.call = nil
		}
	}
}

// keepFired keeps a timer of an instance's own that has fired among those that end with the instance, until it is handled.
func (x *executor) keepFired(t *timer, c *call) {
	t.call, c.fired = c, t
	t.shard.timers.link(t)
}

// isStillWanted reports, when such a timer is to be handled, whether the instance that had set it is still there.
func (x *executor) isStillWanted(t *timer) bool {
	if t.call == nil {
		return false
	}
	t.shard.timers.unlink(t)
	t.call = nil
	return true
}

// sleep wakes a saga at a time, which is a wall time for a step of it and an engine time for a back-off. The saga's journal is its row.
func (x *executor) sleep(c *coord, due int64, entry int) {
	x.forgetAlarm(c)
	c.alarm = &timer{due: due, seq: x.group.nextID.Add(1), coord: c, entry: entry}
	c.shard.alarms(entry).add(c.alarm)
	c.letGoKey()
}

func (s *shard) alarms(entry int) *timerQueue {
	if entry == backOff {
		return &s.backOffs
	}
	return &s.timers
}

// forgetAlarm forgets that a saga is to be woken.
func (x *executor) forgetAlarm(c *coord) {
	if t := c.alarm; t != nil {
		c.shard.alarms(t.entry).remove(t)
		c.alarm = nil
	}
}

// timerIsDue reports whether fireTimers would do anything.
func (x *executor) timerIsDue() bool {
	clocks := &x.group.clocks
	if x.group.frozen.Load() {
		return false
	}
	return x.timers.isDue(clocks.Unix()) || x.backOffs.isDue(clocks.Now())
}

// fireTimers handles what is due, and reports whether anything was. A timer's row goes with the epoch in which it fires; if the
// message is not handled in this epoch, it is carried.
func (x *executor) fireTimers() bool {
	left := maxFire
	if len(x.timers) > 0 {
		left -= x.fire(&x.timers, x.group.clocks.Unix(), left)
	}
	if len(x.backOffs) > 0 {
		left -= x.fire(&x.backOffs, x.group.clocks.Now(), left)
	}
	return left < maxFire
}

// fire handles at most so many timers that are due.
func (x *executor) fire(queues *timerQueues, now int64, atMost int) (fired int) {
	for fired < atMost && queues.isDue(now) {
		t := queues.first()
		(*queues)[0].remove(t)
		fired++
		if t.coord != nil {
			t.coord.alarm = nil
			x.arrivals.Push(message{kind: msgWake, which: uint32(t.entry), about: t.coord})
			continue
		}
		x.countTimer(t, -1)
		if t.left {
			x.group.left.Add(-1)
		}
		x.addCharged(format.TimerKey(nil, t.shard.number, t.due, t.seq), nil)
		if c, _ := x.sendMessage(&t.env, origin{line: lineArrivals}); t.isOwn() {
			x.keepFired(t, c)
		}
	}
	return fired
}
