package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/internal/seen"
	"github.com/concordat-dev/concordat/locks"
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
)

// urgent messages are handled even when an epoch is being cut. They run no code of users.
func (k kind) urgent() bool {
	return k == msgCommit || k == msgAbort || k == msgDone
}

// message is what workers send each other and themselves. Whoever has a message owns what it points to. It has four fields: the
// compiler keeps no more in registers.
type message struct {
	kind  kind
	which uint32 // the attempt of a msgConflict, the entry of a msgWake
	call  *call
	coord *coord
}

// worker owns the instances and coordinator functions of some shards.
type worker struct {
	engine *Engine
	id     int

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

	// What runs now, for the watchdog.
	running   atomic.Uint64                       // what user code runs, see runs, in the lower bits; the others count
	operation atomic.Pointer[functions.Operation] // the last operation
	subject   atomic.Pointer[instance]            // and its instance
	function  atomic.Pointer[routines.Function]   // the last coordinator function
	runs      uint64                              // the worker's own copy of running
	entered   *call                               // whose operation runs, or ran last for the message that is handled

	waits waitTally

	// The worker's own, and the conductor's while all are at rest.
	urgent      queue[message]
	begun       queue[message] // of coordinator functions
	plain       queue[message] // calls of clients
	costly      fairLine       // of coordinator functions, and known to take long
	costlyPlain fairLine       // calls of clients that are known to
	arrivals    waitingLine
	fed         []waitingLine // by feed
	sent        waitingLine
	taken       queue[*request] // from the inbox
	out         [][]message     // by worker, sent at the end of a round
	moved       []*request      // memory for the inbox
	mailed      []message
	now         time.Time // wall time at the beginning of the round
	admitted    uint64    // the last epoch in which the worker has admitted something
	accepting   bool      // the worker counts for Engine.accepting
	pace        pacer
	costs       costs
	began       time.Duration // when the code of users began that runs, as clocks.elapsed has it; 0 if nobody looked
	drained     int           // messages and requests handled since admission closed

	queued  int64 // change of Engine.queued that is not told yet
	charged int64 // bytes for the running epoch that are not told yet; see budget

	timersSet int64   // change of Engine.timers that is not told yet
	heldEmits []int64 // of records that undecided transactions hold back, by egress: likewise
	undecided int64   // of Engine.undecided: likewise

	background int64 // of Engine.background: likewise
	journals   int64 // of Engine.journals: likewise

	cache     cache
	seen      *seen.Filter      // of the ids whose outcomes have rows
	coords    map[uint64]*coord // with rows
	spent     []*coord          // over when the last epoch was cut
	idle      spares[coord]     // over, to be used again
	idleTxs   spares[transactions.Coordinator]
	idleSagas spares[sagas.Coordinator]
	idleCalls spares[call]
	contended []*instance // have had waiters since the last look
	waiters   []*call     // messages that have come to wait for a lock since the last cut
	timers    timerHeap   // due in wall time
	backOffs  timerHeap   // due in engine time
	routines  []*routines.Routine

	epoch    *portion   // what this worker adds to the running epoch
	portions []*portion // of earlier epochs, empty, to be used again

	frame   *functions.Frame // of the operation that runs, or ran last
	effects functions.Effects
	granted []*locks.Claim[*visit]
	wounded []*locks.Claim[*visit]
	checker func(*functions.Effects) error // checkEffects, bound once
	txActs  []transactions.Action
	sgActs  []sagas.Action
	key     []byte

	lately     [4]knownOperation // operations that were looked up
	nextLately int               // which of them is forgotten next
}

// knownOperation is an operation and the type that it belongs to.
type knownOperation struct {
	op *functions.Operation
	of *typeEntry
}

type (
	seat  = transactions.Seat[*call]
	visit = transactions.Visit[*call]
)

func newWorker(e *Engine, id int) *worker {
	w := &worker{
		engine: e,
		id:     id,
		parked: true,
		pace:   pacer{size: roundSize},
		signal: make(chan struct{}, 1),
		out:    make([][]message, e.options.Workers),
		seen:   seen.New(int(e.options.FilterBytes) / e.options.Workers),
		coords: map[uint64]*coord{},
		epoch:  &portion{},
		frame:  &functions.Frame{},
	}
	w.checker = w.checkEffects
	w.cache.init(len(e.registry.types), e.options.CacheBytes/int64(e.options.Workers))
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
	return len(w.mail) > 0 || (len(w.inbox) > 0 && w.engine.gate.open.Load())
}

func (w *worker) handle(m message) {
	if w.engine.options.Seams.Trace != nil {
		w.trace(m)
	}
	switch m.kind {
	case msgCall:
		w.runCall(m.call)
	case msgPrepare:
		w.prepare(m.call)
	case msgLock:
		w.lock(m.call)
	case msgWithdraw:
		w.withdraw(m.call)
	case msgGranted:
		w.onGranted(m.call)
	case msgCommit:
		w.commit(m.call)
	case msgAbort:
		w.abort(m.call)
	case msgDone:
		w.sagaReply(m.call)
	case msgVote:
		w.onVote(m.call)
	case msgConflict:
		w.onConflict(m.coord, m.which)
	case msgStart:
		w.queued -= weight(m.coord.input)
		w.start(m.coord)
	case msgGoOn:
		w.goOn(m.coord)
	case msgWake:
		w.wakeSaga(m.coord, int(int32(m.which)))
	default:
		panic("engine: a message has a kind")
	}
	if w.entered != nil {
		w.entered = nil
	}
}

// send hands a message to a worker, which may be this one. It arrives after what was sent there before, unless it is urgent.
func (w *worker) send(to *worker, m message) {
	if to == w {
		w.receive(m)
		return
	}
	w.out[to.id] = append(w.out[to.id], m)
}

func (w *worker) receive(m message) {
	switch {
	case m.kind.urgent():
		w.urgent.push(m)
	case m.kind == msgCall && m.call.line != lineBegun:
		w.lineUp(m.call.line, m)
	case m.kind == msgStart:
		w.lineUp(m.coord.line, m)
	case m.call != nil && m.call.req != nil:
		w.plain.push(m)
	default:
		w.begun.push(m)
	}
}

// lineUp lets a message that has not begun wait.
func (w *worker) lineUp(in line, m message) {
	switch {
	case in == lineArrivals:
		w.arrivals.push(m)
	case in == lineFed:
		w.fed[m.feed().index].push(m)
	default:
		w.sent.push(m)
	}
}

// feed is the ingress that a message came from.
func (m *message) feed() *feed {
	if m.call != nil {
		return m.call.feed
	}
	return m.coord.feed
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
	case q.feed != nil:
		w.acceptFed(q)
	case q.env.RequestID != "" && w.isRepeat(q):
	case q.env.Op != nil:
		w.receive(message{kind: msgCall, call: q.call})
	default:
		w.startFor(q)
	}
}

// enter frames the code of an operation, for the watchdog and with the operation's Ctx; leave ends it.
func (w *worker) enter(c *call) *functions.Ctx {
	if w.operation.Load() != c.op { // a load costs a tenth of a store
		w.operation.Store(c.op)
	}
	w.subject.Store(c.inst)
	w.entered = c
	w.runs += countRun
	w.running.Store(w.runs | runsOperation)
	w.effects.Reset()
	w.timeCode()
	if !w.frame.IsHere() { // another goroutine has taken the worker over, or makes its steps
		w.frame = functions.NewFrame()
	}
	return w.frame.Begin(c.address(), w.now, &w.engine.timerSeq[w.id].n, &w.effects, c.value)
}

// enterBody frames the code of a coordinator function.
func (w *worker) enterBody(f *routines.Function) {
	if w.function.Load() != f {
		w.function.Store(f)
	}
	w.runs += countRun
	w.running.Store(w.runs | runsFunction)
	w.timeCode()
}

// runsNothing tells the watchdog that no user code runs. That is told once in a round, and before what may take long itself: to tell it
// after each operation would be a store each that waits for all stores before it.
func (w *worker) runsNothing() {
	if w.running.Load()&runsAny != 0 {
		w.running.Store(w.runs)
	}
}

// What user code a worker runs.
const (
	runsOperation = 1
	runsFunction  = 2
	runsAny       = runsOperation | runsFunction
	countRun      = runsAny + 1
)

// scratch is the worker's memory for a key, emptied.
func (w *worker) scratch() []byte { return w.key[:0] }

// addRow adds a row to the running epoch; a nil value deletes it.
func (w *worker) addRow(key, value []byte) {
	w.epoch.rows = append(w.epoch.rows, row{key: key, value: value})
}

// load reads a row. A read error ends the process: the rows are not what was written.
func (w *worker) load(key []byte) ([]byte, bool) {
	w.runsNothing()
	value, found, err := w.engine.store.Get(key)
	if err != nil {
		w.engine.fatal(err)
	}
	return value, found
}
