package engine

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
)

// What is noted only while somebody watches: the course of some transactions (trace.go), and which instances are waited for most. It is what
// the engine tells of as events anyway; while nobody is told of any, a transaction and a wait that ends look at one word each.

// watching says whether somebody watches.
type watching struct {
	mu       sync.Mutex
	watchers int
	last     uint64        // the number of the last watch
	number   atomic.Uint64 // of the watch that goes on; 0: nobody watches
	traces   traceLog
}

// Watch makes the engine note what [Engine.Traces] and [Engine.HotInstances] tell, until stop is called. Several may watch at once; what was
// noted before is forgotten when the first of them begins. It does not block.
func (e *Engine) Watch() (stop func()) {
	w := &e.watching
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers++; w.watchers == 1 {
		w.last++
		w.traces.forget()
		w.number.Store(w.last)
		told := e.options.Events.and(Events{TransactionSealed: w.traces.add, LockWaited: e.countWait(w.last)})
		e.events.Store(&told)
	}
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.watchers--; w.watchers == 0 {
			w.number.Store(0)
			e.events.Store(e.options.Events.orNobody())
		}
	})
}

// countWait makes what counts the waits of a watch, each on the worker that tells of it.
func (e *Engine) countWait(watch uint64) func(LockWaitInfo) {
	return func(i LockWaitInfo) { e.workers[i.Worker].hot.add(watch, format.Address(i.Address), i.Waited) }
}

// HotInstance is an instance for whose lock calls have waited.
type HotInstance struct {
	Address functions.Address
	Waits   uint64        // that are over
	Waited  time.Duration // all of them together
	Longest time.Duration // of them
}

// MaxHotInstances bounds the list of [Engine.HotInstances].
const MaxHotInstances = 100

// maxCountedInstances bounds the instances whose waits a worker counts. With one more, the half that were waited for least are forgotten.
const maxCountedInstances = 1024

// hotInstances counts the waits for a worker's instances in a watch.
type hotInstances struct {
	watch uint64
	byKey map[format.Address]*waitCount
}

type waitCount struct {
	waits           uint64
	waited, longest time.Duration
}

// tellWaited tells of a wait for a lock that is over.
func (x *executor) tellWaited(v *visit, told *Events, now time.Duration) {
	if v.call != nil {
		v.call.waitBegan, v.call.waitEnded = v.waits, now
	}
	if told.LockWaited != nil {
		told.LockWaited(LockWaitInfo{Worker: x.id, Address: functions.Address(v.inst.address()), Waited: now - v.waits})
	}
}

func (h *hotInstances) add(watch uint64, at format.Address, waited time.Duration) {
	if h.watch != watch {
		h.watch, h.byKey = watch, map[format.Address]*waitCount{}
	}
	c := h.byKey[at]
	if c == nil {
		if len(h.byKey) >= maxCountedInstances {
			h.forgetHalf()
		}
		c = &waitCount{}
		h.byKey[at] = c
	}
	c.waits++
	c.waited += waited
	c.longest = max(c.longest, waited)
}

// forgetHalf forgets the half of the instances that were waited for least.
func (h *hotInstances) forgetHalf() {
	all := slices.SortedFunc(maps.Keys(h.byKey), func(a, b format.Address) int { return cmp.Compare(h.byKey[a].waits, h.byKey[b].waits) })
	for _, at := range all[:len(all)/2] {
		delete(h.byKey, at)
	}
}

// HotInstances lists the instances for whose locks calls have waited since somebody watches, those with the most time waited first, at most
// [MaxHotInstances]; none if nobody watches. Errors are those of [Engine.Transactions].
func (e *Engine) HotInstances(ctx context.Context) (all []HotInstance, err error) {
	watch := e.watching.number.Load()
	for _, w := range e.workers {
		var some []HotInstance
		if err := e.look(ctx, w, func(w *worker) {
			if watch != 0 && w.hot.watch == watch {
				some = w.hot.list()
			}
		}); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, byTimeWaited)
	return all[:min(len(all), MaxHotInstances)], nil
}

func (h *hotInstances) list() (all []HotInstance) {
	for at, c := range h.byKey {
		all = append(all, HotInstance{functions.Address(at), c.waits, c.waited, c.longest})
	}
	return all
}

func byTimeWaited(a, b HotInstance) int {
	return cmp.Or(cmp.Compare(b.Waited, a.Waited), cmp.Compare(a.Address.Type, b.Address.Type), cmp.Compare(a.Address.ID, b.Address.ID))
}
