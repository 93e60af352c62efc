package engine

import (
	"sync"

	"github.com/concordat-dev/concordat/internal/queue"
)

// kind says what a message is about.
type kind uint8

const (
	msgCall     kind = iota + 1 // to an instance: run a call of a client, a saga or a message
	msgPrepare                  // to an instance: a transaction's call
	msgLock                     // to an instance: a transaction takes its lock up front
	msgWithdraw                 // to an instance: a transaction takes back a call or lock that waits
	msgGranted                  // to an instance: a claim that waited was granted
	msgCommit                   // to an instance, urgent: apply and release
	msgAbort                    // to an instance, urgent: undo and release
	msgDone                     // to whom a call came from, urgent: its outcome is known
	msgVote                     // to a transaction: the answer to a prepare or a lock
	msgConflict                 // to a transaction: it was wounded
	msgStart                    // to a coordinator function: begin
	msgGoOn                     // to a saga or transaction: carry on with what had to wait
	msgWake                     // to a saga: its sleep or back-off is over
	msgControl                  // to a worker, urgent: a question, a *request, that does not wait for admission
)

// urgent messages are handled even when an epoch is being cut. They run no code of users.
func (k kind) urgent() bool {
	return k == msgCommit || k == msgAbort || k == msgDone || k == msgControl
}

// message is what workers send each other and themselves. It says by numbers what it concerns, so that it could come from another
// process; what it points to is at hand because it does not. It has four fields and 32 bytes: the compiler keeps no larger struct in
// registers.
type message struct {
	kind  kind
	which uint32 // the attempt of a transaction; the entry of a msgWake
	run   uint64 // the run that it concerns; 0 if it is a client's, or nobody waits for it
	about any    // a *call, whose owner is whoever has the message; of a decision the *visit; of what a run has to do itself the *coord
}

// call is what is asked of an instance, and then what became of that; nil if the message is about a visit or a run.
func (m *message) call() *call {
	c, _ := m.about.(*call)
	return c
}

// coord is the run that has to do something; nil if the message is about a call or a visit.
func (m *message) coord() *coord {
	c, _ := m.about.(*coord)
	return c
}

// worker is the loop over some shards.
type worker struct {
	engine *Engine

	// Shared with other goroutines.
	mu     sync.Mutex
	inbox  []*request // from clients, taken while the gate is open
	mail   []message  // from other workers
	parked bool
	shut   bool // takes no more requests
	awake  bool // guarded by the gate's mutex
	signal chan struct{}
	free   []*portion // released, to be used again; guarded by mu

	_ [64]byte // clients write above, the worker below

	executor

	// The worker's own, and the conductor's while all are at rest.
	taken     queue.Queue[*request] // from the inbox
	moved     []*request            // memory for the inbox
	mailed    []message
	admitted  uint64     // the last epoch in which the worker has admitted something
	accepting bool       // the worker counts for Engine.accepting
	drained   int        // messages and requests handled since admission closed
	spent     []*coord   // over when the last epoch was cut
	cut       *sealing   // the epoch that was cut last, until the worker has encoded its portion
	portions  []*portion // of earlier epochs, empty, to be used again
}

func newWorker(e *Engine, id int) *worker {
	w := &worker{engine: e, parked: true, signal: make(chan struct{}, 1)}
	w.executor.init(&e.commons, id)
	return w
}

// loop runs the worker on a goroutine of its own until the engine stops.
func (w *worker) loop() {
	over := false
	defer w.takeOver(&over)
	w.serve()
	over = true
}

// serve works whenever the worker is woken.
func (w *worker) serve() {
	for range w.signal {
		w.work()
	}
}

// work makes rounds until the worker rests.
func (w *worker) work() {
	for {
		for w.round(w.pace.size) {
		}
		if w.engine.gate.rest(w) {
			return
		}
	}
}

func (w *worker) unpark() {
	if !w.engine.options.Seams.Stepped {
		w.signal <- struct{}{}
	}
}

// hasInput reports whether there is something to do. The caller holds mu.
func (w *worker) hasInput() bool {
	return !w.engine.down.Load() && (len(w.mail) > 0 || (len(w.inbox) > 0 && w.engine.open.Load()))
}

// flush delivers what was sent to other workers.
func (w *worker) flush() {
	for i, batch := range w.out {
		if len(batch) == 0 {
			continue
		}
		to := w.engine.workers[i]
		to.mu.Lock()
		to.mail = append(to.mail, batch...)
		parked := to.parked
		to.mu.Unlock()
		clear(batch)
		w.out[i] = batch[:0]
		if parked {
			w.engine.gate.wake(to)
		}
	}
}

// accept is where a request begins.
func (w *worker) accept(q *request) {
	switch {
	case q.control != nil:
		w.runsNothing() // it may look at very many runs
		q.control(w)
	case q.from != nil:
		w.acceptFed(q)
	case q.env.RequestID != "" && w.isRepeat(q):
	case q.env.Op != nil:
		w.receive(message{kind: msgCall, about: q.call})
	default:
		w.startFor(q)
	}
}
