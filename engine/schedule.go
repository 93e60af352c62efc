package engine

import (
	"runtime"
	"time"

	"github.com/concordat-dev/concordat/internal/queue"
	"github.com/concordat-dev/concordat/internal/seams"
)

// Which message a worker handles next.
//
// Some work has begun: the calls of clients, and what coordinator functions under way ask for and are answered (calls, votes, grants). It
// comes before what has not: so of a thousand requests that come in at once few are under way at a time, their memory stays in the
// processor's cache, and few of them meet at a lock. What has not begun waits in lines, which take turns: requests; timers and the ends
// of sleeps; records of ingresses, each ingress in its turn; and messages that functions sent. So no line keeps another waiting, however
// long it is.
//
// These rules would let costly work that has begun keep out the rest, and turns by number would give costly messages nearly all of the
// time: of eight requests that wait beside a function that takes 100 ms, the last would wait for eight of those. So they hold while
// messages are cheap. When a round has taken longer than a slice, the worker makes its rounds smaller, and what has begun lets something
// else begin once in a round. If there is a backlog besides, or messages have become costly, it looks at the time after each message, and
// all lines share the time: the next turn is that of whoever has used least. A line that was empty begins with what the one has that is
// least, so nobody saves up. To take a request counts as an eighth of a slice: it takes no time itself, and begins what does. Were many
// taken at once, they would meet at their locks. What has begun and runs code that is known to take long waits in lines of its own then,
// where runs of coordinator functions, and the operations that clients call, share the time (fairLine).
//
// A backlog of messages that nobody waits for would make every epoch as long as MaxDrain lets it. So once an epoch had to be cut by
// force and left some, the engine is behind: from then on an epoch also comes to rest when only such messages are left. They are
// handled while the one before is sealed, and beside what else there is; those that are left get rows, each once, and go on in the
// next epoch. So a request beside a backlog waits for two seals.
//
// Costly work that has begun would do the same: a request that is answered in a moment waits for the cut, and the epoch for a hundred
// sagas with steps of 20 ms. So once a request has come in, and admission has closed, a worker that has only such work left has the epoch
// cut by force: if the request waits for another worker, which is in the middle of something, it is accepted in the next epoch.
//
// While an epoch is sealed the next one begins, and costly work goes on meanwhile. If its messages take longer than half of MaxDrain,
// a request would often wait for two of them: for the one that ran when it came, and then for one that began, while the epoch before was
// sealed, behind it. So once a request has come in and the epoch before has run such a message, none is begun until the epoch is cut, which
// is a seal away. The epoch after that may run one again, once the requests that wait when it begins are through; and if clients' calls take
// as long, one may run after a while in any case: so it goes on however many requests there are. With several workers all of them hold back:
// whoever has nothing else to do stands back until the others have come to their requests, and only then is the epoch cut.
//
// A round ends early when it, or its epoch after admission has closed, has gone on for too long: the worker looks at the time after each
// message while messages are costly, and once an epoch has been open for long (see lookout), in case they have just become so. So a
// worker is never away for much longer than that and the one operation that runs. After such a round it offers its processor to the
// sealer: with fewer processors than goroutines, Go would leave it to the worker for 10 ms each time that the sealer needs one.

// line is what a message waits in.
type line uint8

const (
	lineBegun       line = iota // what coordinator functions under way do
	linePlain                   // calls of clients
	lineCostlyPlain             // calls of clients that are known to take long
	lineCostly                  // what coordinator functions do that is known to take long
	lineArrivals                // messages of timers, and the ends of sleeps
	lineFed                     // records of ingresses
	lineSent                    // messages that functions sent, and runs that a restart brought back
	lineRequests                // of clients, not accepted yet; these are no messages
	numLines
)

// origin is where a message comes from that nobody waits for, and with it in which line it waits.
type origin struct {
	line line
	feed *feed // of lineFed
}

// waitingLine is messages that have not begun.
type waitingLine struct {
	queue.Queue[message]
	carried int // of the first have rows, since a cut
}

// take is pop, which knows of the rows.
func (l *waitingLine) take() (message, bool) {
	m, ok := l.Pop()
	l.carried = max(0, l.carried-1)
	return m, ok
}

const (
	// roundSize is the number of messages that a worker handles at most before it looks for new ones, and of those in a row that have
	// begun, after which one gets its turn that has not.
	roundSize = 256
	// slice is how long a round should take at most.
	slice = time.Millisecond
	// maxHeld is how long what takes longer than half of MaxDrain is held back at most, in MaxDrain.
	maxHeld = 8
	// costlySize is the size of a round up to which the time is taken of all code of users: messages take a thirtieth of a slice or more.
	costlySize = 32
)

// round takes what has come in, handles up to n messages and requests, and sends what they led to. It reports whether there may be more
// to do.
func (w *worker) round(n int) bool {
	e := w.engine
	if e.down.Load() {
		return false
	}
	w.encodePortion()
	if !w.take() && w.urgent.Len() == 0 && (e.cutting.Load() || !w.mustWork()) {
		return false
	}
	var start time.Duration
	w.now, start = e.clocks.Both()
	handled, since := 0, start
	for handled < n && w.handleNext(handled == 0) {
		handled++
		if spent := e.options.Seams.Spent; spent != nil {
			spent(seams.SpentOnMessage)
		}
		if w.pace.sharing || e.lookout.due.Load() {
			now := e.clocks.Elapsed()
			if w.pace.sharing {
				w.pace.charge(now - since)
				w.costly.Charge(now - since)
				w.costlyPlain.Charge(now - since)
				since = now
			}
			if now-start >= slice {
				break // however large the round was to be: nobody is admitted in it, and while the gate is open nothing else ends it
			}
		}
	}
	w.cache.tidy(e.sealed.Load())
	if !e.sealing.Load() && w.hasWork() {
		e.closeGate() // what would make way for the cut has had a round
	}
	w.accepts()
	w.publish()
	if handled > 0 && !e.open.Load() {
		w.countDrained(handled)
	}
	spent := e.clocks.Elapsed() - start
	if e.options.Seams.Stepped {
		w.pace.tookStep(handled, spent)
	} else {
		w.pace.took(handled, spent)
	}
	if spent > e.options.MaxDrain/2 {
		e.costlyIn.Store(e.epoch)
		if l := w.pace.last; l != linePlain && l != lineCostlyPlain && l != lineRequests {
			e.costlyAt.Store(e.clocks.Now())
		}
	}
	switch {
	case w.pace.size <= costlySize, w.pace.size < roundSize && w.hasBacklog():
		w.pace.sharing = true
	case w.pace.sharing && (w.pace.size == roundSize || !w.hasBacklog()) && w.costly.Len()+w.costlyPlain.Len() == 0 && w.pace.settled(w.waiting()):
		w.pace.sharing = false
	}
	if w.pace.size < roundSize && e.sealing.Load() && !e.options.Seams.Stepped {
		runtime.Gosched() // the sealer may wait for a processor
	}
	return true
}

// publish lets others know what a round has led to: first what it has counted, so that whatever follows from its messages finds that.
func (w *worker) publish() {
	w.runsNothing()
	w.tell()
	w.flush()
}

// sortOut moves what is known to take long from the fronts of the lines of what has begun to lines of its own.
func (w *worker) sortOut() {
	w.sortLine(&w.begun, &w.costly)
	w.sortLine(&w.plain, &w.costlyPlain)
}

func (w *worker) sortLine(from *queue.Queue[message], to *fairLine) {
	for from.Len() > 0 && w.costs.of(&from.All()[0]) > 0 {
		m, _ := from.Pop()
		to.Push(m.job(), m)
		w.pace.sharing = true
	}
}

// eachBegun calls visit with all that has begun and is no client's call.
func (w *worker) eachBegun(visit func(message)) {
	for _, m := range w.begun.All() {
		visit(m)
	}
	w.costly.Each(visit)
}

// mustWork reports whether anything waits that is to be handled before the epoch comes to rest.
func (w *worker) mustWork() bool {
	if w.underWay()-w.costly.Len()+w.taken.Len() > 0 || (w.costly.Len() > 0 && !w.standsBack()) {
		return true
	}
	return w.hasRunnable() && (w.engine.open.Load() || !w.engine.behind.Load())
}

// waitingLines are the lines of messages that nobody waits for.
func (w *worker) waitingLines() []*waitingLine {
	lines := []*waitingLine{&w.arrivals}
	for i := range w.fed {
		lines = append(lines, &w.fed[i])
	}
	return append(lines, &w.sent)
}

// hasBacklog reports whether messages wait that nobody waits for.
func (w *worker) hasBacklog() bool { return w.arrivals.Len()+w.sent.Len() > 0 || w.isFed() }

// isFed reports whether records of ingresses wait.
func (w *worker) isFed() bool {
	for i := range w.fed {
		if w.fed[i].Len() > 0 {
			return true
		}
	}
	return false
}

// hasRunnable reports whether messages wait that nobody waits for, and may be handled now.
func (w *worker) hasRunnable() bool {
	return w.hasBacklog() && !w.engine.frozen.Load() && !w.engine.holdsBack()
}

// makesWay reports whether costly work that has begun is not to go on in the running epoch: it would take longer than a slice, and
// somebody waits for the cut, which comes once nothing else is left.
func (w *worker) makesWay() bool {
	e := w.engine
	return w.costly.Len() > 0 && e.asked.Load() && (!e.open.Load() || e.holdsBack()) && w.costs.of(w.costly.Front()) > slice
}

// standsBack reports whether costly work is not to go on, and the epoch not to be cut yet: another worker is not through with the requests
// that waited when admission began.
func (w *worker) standsBack() bool {
	e := w.engine
	if w.accepts() || e.accepting.Load() == 0 || !w.makesWay() {
		return false
	}
	e.standing.Store(true)
	return e.accepting.Load() > 0
}

// accepts reports whether the worker is not through with the requests that waited when admission began; those that take long themselves
// count only where what others do takes longer than half of MaxDrain. The last one that is through wakes those that stood back; who goes to
// rest just then is woken by the conductor.
func (w *worker) accepts() bool {
	e := w.engine
	if !w.accepting || w.admitted != e.epoch || w.taken.Len()+w.plain.Len()+w.begun.Len() > 0 || (w.costlyPlain.Len() > 0 && e.holdsBack()) {
		return w.accepting
	}
	w.accepting = false
	if e.accepting.Add(-1) == 0 && e.standing.Swap(false) {
		e.gate.wakeAll(e.workers)
	}
	return false
}

// holdsBack reports whether costly work has to wait until the running epoch is cut: its messages are costly, and somebody waits for the cut,
// which comes when the epoch before is sealed and nothing else is left.
func (e *Engine) holdsBack() bool {
	costly := e.costlyIn.Load()
	return costly != 0 && (costly+1 >= e.epoch || e.accepting.Load() > 0) && e.asked.Load() && (e.sealing.Load() || !e.open.Load()) &&
		e.clocks.Now()-e.costlyAt.Load() < maxHeld*int64(e.options.MaxDrain)
}

// hasWork reports whether anything waits that is not urgent.
func (w *worker) hasWork() bool { return w.underWay() > 0 || w.hasNew() }

// underWay is how many messages wait of what has begun.
func (w *worker) underWay() int {
	return w.begun.Len() + w.plain.Len() + w.costly.Len() + w.costlyPlain.Len()
}

// handlesWhenClosed reports whether something waits that is handled also once admission has closed. Costly work may make way then, and a
// backlog does while the engine is behind: if an epoch has only such, admission must not close before some of it is handled.
func (w *worker) handlesWhenClosed() bool { return w.underWay()-w.costly.Len()+w.taken.Len() > 0 }

// hasNew reports whether anything waits that has not begun.
func (w *worker) hasNew() bool {
	return w.taken.Len() > 0 || w.hasRunnable()
}

// handleNext handles the next message, or accepts a request. It reports whether there was anything to do. What is known to take long has to
// come first in its round: what earlier messages led to is sent before, and what has come in meanwhile may come before it.
func (w *worker) handleNext(first bool) bool {
	if m, ok := w.urgent.Pop(); ok {
		w.pace.last = lineBegun
		w.handle(m)
		return true
	}
	if w.engine.cutting.Load() || !w.mustWork() {
		return false
	}
	if w.costs.any() {
		w.sortOut()
	}
	if w.pace.sharing {
		l, ok := w.pace.pick(w.waiting())
		if !ok && w.costly.Len() > 0 && !w.standsBack() {
			w.engine.cutNow() // what is left makes way
		}
		if l == lineCostly || l == lineCostlyPlain {
			ok = ok && first
		}
		return ok && w.handleOf(l)
	}
	if w.pace.mayGoOn() && w.handleBegun() {
		return true
	}
	w.pace.inRow = 0
	return w.handleNew() || w.handleBegun()
}

// handleBegun handles the next message of what has begun: clients' calls and the rest in turn. It reports whether there was one.
func (w *worker) handleBegun() bool {
	w.pace.inRow++
	w.pace.calls = !w.pace.calls
	q, l := &w.begun, lineBegun
	if w.plain.Len() > 0 && (w.pace.calls || q.Len() == 0) {
		q, l = &w.plain, linePlain
	}
	m, ok := q.Pop()
	if ok {
		w.pace.last = l
		w.handle(m)
	}
	return ok
}

// waiting tells where something waits that may be handled.
func (w *worker) waiting() [numLines]bool {
	free := w.hasRunnable()
	return [numLines]bool{
		lineBegun: w.begun.Len() > 0, linePlain: w.plain.Len() > 0, lineCostly: w.costly.Len() > 0 && !w.makesWay(),
		lineCostlyPlain: w.costlyPlain.Len() > 0, lineRequests: w.taken.Len() > 0,
		lineArrivals: free && w.arrivals.Len() > 0, lineFed: free && w.isFed(), lineSent: free && w.sent.Len() > 0,
	}
}

// handleNew handles something that has not begun, from the line whose turn it is.
func (w *worker) handleNew() bool {
	if !w.hasRunnable() {
		return w.acceptNext() // there are no messages, or they wait
	}
	for range numLines - lineArrivals {
		if w.pace.turn++; w.pace.turn < lineArrivals || w.pace.turn == numLines {
			w.pace.turn = lineArrivals
		}
		if w.handleOf(w.pace.turn) {
			return true
		}
	}
	return false
}

// handleOf handles the next of a line, or accepts a request. It reports whether there was one.
func (w *worker) handleOf(l line) bool {
	if l == lineRequests {
		w.pace.last = l
		return w.acceptNext()
	}
	m, ok := w.next(l)
	if ok {
		w.pace.last = l
		w.handle(m)
	}
	return ok
}

// next takes the next message of a line.
func (w *worker) next(l line) (message, bool) {
	switch l {
	case lineBegun:
		return w.begun.Pop()
	case linePlain:
		return w.plain.Pop()
	case lineCostly:
		return w.costly.Pop()
	case lineCostlyPlain:
		return w.costlyPlain.Pop()
	case lineArrivals:
		return w.arrivals.take()
	case lineFed:
		return w.nextFed()
	}
	return w.sent.take()
}

// nextFed takes the next record of the ingress whose turn it is.
func (w *worker) nextFed() (message, bool) {
	for range w.fed {
		if w.pace.fed++; w.pace.fed >= len(w.fed) {
			w.pace.fed = 0
		}
		if m, ok := w.fed[w.pace.fed].take(); ok {
			return m, true
		}
	}
	return message{}, false
}

func (w *worker) acceptNext() bool {
	q, ok := w.taken.Pop()
	if ok {
		w.accept(q)
	}
	return ok
}

// countDrained cuts the epoch when too much has been handled since admission has closed, or it has gone on for too long without
// any code of users.
func (w *worker) countDrained(n int) {
	if w.drained += n; w.drained > maxDrainSteps {
		w.engine.cutting.Store(true)
	}
	w.engine.cutIfLate()
}
