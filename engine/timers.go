package engine

import (
	"container/heap"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/plant"
	"github.com/concordat-dev/concordat/internal/store"
)

// timer is something that is due at a time: a message that an instance set, or a saga's sleep.
type timer struct {
	due   int64
	seq   uint64
	index int // in the heap; -1 once it is out

	from  functions.Address // who set it and may cancel it
	shard uint16
	env   functions.Envelope

	coord *coord // instead of a message: the saga to wake
	entry int
}

// timerHeap orders a worker's timers by due time.
type timerHeap struct {
	heap  []*timer
	bySeq map[uint64]*timer
}

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
}

func (h *timerHeap) Pop() any {
	t := h.heap[len(h.heap)-1]
	h.heap[len(h.heap)-1] = nil
	h.heap = h.heap[:len(h.heap)-1]
	t.index = -1
	if t.coord == nil {
		delete(h.bySeq, t.seq)
	}
	return t
}

func (h *timerHeap) add(t *timer) { heap.Push(h, t) }

// storedTimer is the value of a timer's row; its due time and number are in the key.
type storedTimer struct {
	From    functions.Address       `cbor:"1,keyasint"`
	Message functions.StoredMessage `cbor:"2,keyasint"`
}

// setTimer sets a timer of an instance, with its row.
func (w *worker) setTimer(from functions.Address, shard uint16, t *functions.Timer) {
	set := &timer{due: t.ID.Due, seq: t.ID.Seq, from: from, shard: shard, env: t.Message}
	w.timers.add(set)
	value, err := functions.Encode(storedTimer{From: from, Message: t.Message.Stored()})
	if err != nil {
		panic("engine: a timer's row always encodes: " + err.Error())
	}
	w.addRow(store.TimerKey(nil, shard, set.due, set.seq), value)
}

func (w *worker) cancelTimer(from functions.Address, shard uint16, id functions.TimerID) {
	t := w.timers.bySeq[id.Seq]
	if t == nil || t.from != from || t.due != id.Due {
		return
	}
	heap.Remove(&w.timers, t.index)
	w.addRow(store.TimerKey(nil, shard, t.due, t.seq), nil)
}

// sleep wakes a saga at a time. The saga's journal is its row.
func (w *worker) sleep(c *coord, due int64, entry int) {
	w.timers.add(&timer{due: due, seq: w.engine.nextID.Add(1), coord: c, entry: entry})
}

// fireTimers handles what is due, and reports whether anything was. A timer's row goes with the epoch in which it fires; if the
// message is not handled in this epoch, it is carried.
func (w *worker) fireTimers() bool {
	now := w.now.UnixNano()
	fired := false
	for w.timers.Len() > 0 && w.timers.heap[0].due <= now {
		t := heap.Pop(&w.timers).(*timer)
		fired = true
		if t.coord != nil {
			w.wakeSaga(t.coord, t.entry)
			continue
		}
		if !plant.TimerTwice {
			w.addRow(store.TimerKey(nil, t.shard, t.due, t.seq), nil)
		}
		w.sendMessage(&t.env)
	}
	return fired
}

// armClock asks the clock to wake the workers when the next timer is due. The conductor calls it.
func (e *Engine) armClock() {
	next := int64(0)
	for _, w := range e.workers {
		if w.timers.Len() > 0 && (next == 0 || w.timers.heap[0].due < next) {
			next = w.timers.heap[0].due
		}
	}
	if next == 0 || next == e.armed.Load() {
		return
	}
	e.armed.Store(next)
	e.options.Seams.Clock.Wake(time.Unix(0, next), func() {
		e.armed.CompareAndSwap(next, 0)
		for _, w := range e.workers {
			e.gate.wake(w)
		}
	})
}
