package queue

import (
	"container/heap"
	"time"
)

// Fair is what several jobs have to do, in turns. Each job has a queue of its own, and the next item is that of the job which has used least
// time. One that did not wait begins with what the one has that has used least, so nobody saves up (start-time fair queueing; Goyal, Vin
// and Cheng, 1996). Items of one job keep their order.
type Fair[K comparable, T any] struct {
	jobs  map[K]*job[K, T] // that wait, or have used more than those that do
	heap  jobHeap[K, T]    // those that wait
	count int              // items
	turn  uint64           // counts up
	spare Spares[job[K, T]]
	last  *job[K, T] // whose item was popped last
}

// job is what somebody has to do.
type job[K comparable, T any] struct {
	key   K
	used  time.Duration
	queue Queue[T]
	turn  uint64 // when it began to wait: those that have used the same have their turns in this order
	index int    // in the heap; -1 if it does not wait
}

// Len is the number of items.
func (f *Fair[K, T]) Len() int { return f.count }

// Front is the item that Pop would return. There must be one.
func (f *Fair[K, T]) Front() *T { return &f.heap[0].queue.All()[0] }

// Push adds an item of a job.
func (f *Fair[K, T]) Push(key K, item T) {
	j := f.jobOf(key)
	j.queue.Push(item)
	f.count++
	if j.index >= 0 {
		return
	}
	if len(f.heap) > 0 {
		j.used = max(j.used, f.heap[0].used)
	}
	f.turn++
	j.turn = f.turn
	heap.Push(&f.heap, j)
}

func (f *Fair[K, T]) jobOf(key K) *job[K, T] {
	j := f.jobs[key]
	if j == nil {
		if f.jobs == nil {
			f.jobs = map[K]*job[K, T]{}
		}
		j = f.spare.Take()
		*j = job[K, T]{key: key, queue: j.queue, index: -1}
		f.jobs[key] = j
	}
	return j
}

// Pop takes the next item; false if there is none.
func (f *Fair[K, T]) Pop() (item T, ok bool) {
	if f.count == 0 {
		return item, false
	}
	j := f.heap[0]
	item, _ = j.queue.Pop()
	f.last = j
	if f.count--; j.queue.Len() == 0 {
		heap.Pop(&f.heap)
	}
	return item, true
}

// TakeOut takes out the first item of a job that is the one, if there is such an item.
func (f *Fair[K, T]) TakeOut(key K, is func(item *T) bool) (item T, found bool) {
	j := f.jobs[key]
	if j == nil {
		return item, false
	}
	all := j.queue.All()
	for i := range all {
		if !is(&all[i]) {
			continue
		}
		item = all[i]
		j.queue.Delete(i)
		if f.count--; j.queue.Len() == 0 {
			heap.Remove(&f.heap, j.index)
		}
		return item, true
	}
	return item, false
}

// Charge is told how long the item took that was popped last.
func (f *Fair[K, T]) Charge(d time.Duration) {
	j := f.last
	if j == nil {
		return
	}
	f.last = nil
	if j.used += d; j.index >= 0 {
		heap.Fix(&f.heap, j.index)
	}
	if len(f.jobs) > 2*len(f.heap)+maxIdleJobs {
		f.forget()
	}
}

// maxIdleJobs is how many jobs are remembered that do not wait, besides as many as wait.
const maxIdleJobs = 1024

// forget forgets jobs that do not wait: all that have used no more than those that do, of which nothing need be remembered, and if these
// are few the others too.
func (f *Fair[K, T]) forget() {
	for _, all := range []bool{false, true} {
		for key, j := range f.jobs {
			if j.index < 0 && (all || len(f.heap) == 0 || j.used <= f.heap[0].used) {
				delete(f.jobs, key)
				f.spare.Put(j)
			}
		}
		if len(f.jobs) <= len(f.heap)+maxIdleJobs/2 {
			return
		}
	}
}

// Each calls visit with all items, those of one job in their order.
func (f *Fair[K, T]) Each(visit func(T)) {
	for _, j := range f.heap {
		for _, item := range j.queue.All() {
			visit(item)
		}
	}
}

// jobHeap has the job in front that has used least.
type jobHeap[K comparable, T any] []*job[K, T]

func (h jobHeap[K, T]) Len() int { return len(h) }

func (h jobHeap[K, T]) Less(i, j int) bool {
	return h[i].used < h[j].used || (h[i].used == h[j].used && h[i].turn < h[j].turn)
}

func (h jobHeap[K, T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *jobHeap[K, T]) Push(x any) {
	j := x.(*job[K, T])
	j.index = len(*h)
	*h = append(*h, j)
}

func (h *jobHeap[K, T]) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	j.index = -1
	return j
}
