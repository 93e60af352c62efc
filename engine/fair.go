package engine

import (
	"container/heap"
	"time"

	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/queue"
)

// costs knows which code of users takes long, so that a worker can tell before it runs it. What has not run yet is taken for cheap. One
// long run says little: the operating system may have taken the processor away meanwhile. So it takes two, with few short ones between.
type costs struct {
	operations map[*instances.Operation]cost // of those that have lately taken long
	functions  map[*routines.Function]cost   // likewise, from one call to the next
}

// cost is how long code of users has lately taken.
type cost struct {
	trust      int           // 2 for each long run, at most maxTrust; -1 for each short one, until there is nothing to be known
	last, time time.Duration // of the last long run, and the less of the last two
}

const (
	// longCode is how long code of users takes at least that is known as costly.
	longCode = 50 * time.Microsecond
	maxTrust = 8
)

// known is the time that a run is going to take; 0 if it is not known to be long.
func (c cost) known() time.Duration {
	if c.trust <= 2 {
		return 0
	}
	return c.time
}

// note keeps how long a run took.
func note[K comparable](of map[K]cost, what K, d time.Duration) map[K]cost {
	c, known := of[what]
	switch {
	case d > longCode:
		c.trust, c.time, c.last = min(c.trust+2, maxTrust), min(c.last, d), d
		if of == nil {
			of = map[K]cost{}
		}
		of[what] = c
	case known && c.trust > 1:
		c.trust--
		of[what] = c
	case known:
		delete(of, what)
	}
	return of
}

// any reports whether any code of users has lately taken long.
func (k *costs) any() bool { return len(k.operations)+len(k.functions) > 0 }

// of is how long the code of users takes that a message runs; 0 if not for long.
func (k *costs) of(m *message) time.Duration {
	if m.kind.runsOperation() {
		return k.operations[m.call().op].known()
	}
	if f := m.runsBody(); f != nil {
		return k.functions[f].known()
	}
	return 0
}

// isLong reports whether the body of a coordinator function takes long.
func (k *costs) isLong(f *routines.Function) bool { return k.functions[f].known() > 0 }

// runsOperation reports whether a message runs an operation.
func (k kind) runsOperation() bool { return k == msgCall || k == msgPrepare || k == msgGranted }

// runsBody is the coordinator function whose body a message runs; nil if it runs none.
func (m *message) runsBody() *routines.Function {
	switch m.kind {
	case msgVote:
		return m.call().coord.function
	case msgStart, msgGoOn, msgWake:
		return m.coord().function
	}
	return nil
}

// fairLine is messages that have begun and take long. Each job (a run of a coordinator function; of clients' calls those of one
// operation) has a queue of its own, and the next message is that of the job which has used least of the worker's time. One that did not
// wait begins with what the one has that has used least, so nobody saves up (start-time fair queueing; Goyal, Vin and Cheng, 1996). So a
// hundred sagas with steps of 20 ms each do not stand before another call that takes as long. Messages of one job keep their order.
type fairLine struct {
	jobs  map[jobKey]*job // that wait, or have used more than those that do
	heap  jobHeap         // those that wait
	count int             // messages
	turn  uint64          // counts up
	spare queue.Spares[job]
	last  *job // whose message was handled last
}

// jobKey tells jobs apart: a run, or an operation; neither for what a message began that nobody waits for.
type jobKey struct {
	run uint64
	op  *instances.Operation
}

// job is what a worker has to do for a run, or for the callers of an operation.
type job struct {
	key   jobKey
	used  time.Duration // of this worker's time
	queue queue.Queue[message]
	turn  uint64 // when it began to wait: those that have used the same have their turns in this order
	index int    // in the heap; -1 if it does not wait
}

// job is what a message belongs to.
func (m *message) job() jobKey {
	switch about := m.about.(type) {
	case *coord:
		return jobKey{run: about.id}
	case *call:
		if about.coord != nil {
			return jobKey{run: about.coord.id}
		}
		if about.req != nil {
			return jobKey{op: about.op}
		}
	}
	return jobKey{}
}

func (f *fairLine) len() int { return f.count }

// front is the message that pop would return. There must be one.
func (f *fairLine) front() *message { return &f.heap[0].queue.All()[0] }

func (f *fairLine) push(m message) {
	j := f.jobOf(m.job())
	j.queue.Push(m)
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

func (f *fairLine) jobOf(key jobKey) *job {
	j := f.jobs[key]
	if j == nil {
		if f.jobs == nil {
			f.jobs = map[jobKey]*job{}
		}
		j = f.spare.Take()
		*j = job{key: key, queue: j.queue, index: -1}
		f.jobs[key] = j
	}
	return j
}

func (f *fairLine) pop() (message, bool) {
	if f.count == 0 {
		return message{}, false
	}
	j := f.heap[0]
	m, _ := j.queue.Pop()
	f.last = j
	if f.count--; j.queue.Len() == 0 {
		heap.Pop(&f.heap)
	}
	return m, true
}

// takeOut takes out the message that runs a call of a coordinator function or a client, if there is one. The vote of a call that has run is
// another's to take.
func (f *fairLine) takeOut(c *call) (m message, found bool) {
	if f.count == 0 {
		return m, false
	}
	j := f.jobs[(&message{about: c}).job()]
	if j == nil {
		return m, false
	}
	for i, m := range j.queue.All() {
		if m.call() != c || !m.kind.runsOperation() {
			continue
		}
		j.queue.Delete(i)
		if f.count--; j.queue.Len() == 0 {
			heap.Remove(&f.heap, j.index)
		}
		return m, true
	}
	return m, false
}

// charge is told how long the message took that was popped last.
func (f *fairLine) charge(d time.Duration) {
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
func (f *fairLine) forget() {
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

// each calls visit with all messages, those of one job in their order.
func (f *fairLine) each(visit func(message)) {
	for _, j := range f.heap {
		for _, m := range j.queue.All() {
			visit(m)
		}
	}
}

// jobHeap has the job in front that has used least.
type jobHeap []*job

func (h jobHeap) Len() int { return len(h) }

func (h jobHeap) Less(i, j int) bool {
	return h[i].used < h[j].used || (h[i].used == h[j].used && h[i].turn < h[j].turn)
}

func (h jobHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *jobHeap) Push(x any) {
	j := x.(*job)
	j.index = len(*h)
	*h = append(*h, j)
}

func (h *jobHeap) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	j.index = -1
	return j
}
