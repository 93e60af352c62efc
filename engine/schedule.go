package engine

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// Which message a worker handles next.
//
// There are two kinds of work. What has begun (calls of coordinator functions, votes, grants) comes before what has not: so of a
// thousand requests that come in at once few are under way at a time, their memory stays in the processor's cache, and few of them
// meet at a lock. What has not begun waits in three lines, which take turns: requests; messages that come from outside, which are
// those of timers and ingresses; and messages that functions sent. So no line keeps another waiting, however long it is.
//
// The rule would let costly work that has begun keep out the rest, and turns by number would give costly messages nearly all of the
// time: of eight requests that wait beside a function that takes 100 ms, the last would wait for eight of those. So both hold while
// messages are cheap. When a round has taken longer than a slice, the worker makes its rounds smaller, and what has begun lets something
// else begin once in a round. If there is a backlog besides, it looks at the time after each message, and what has begun and the three lines share the time:
// the next turn is that of whoever has used least. A line that was empty begins with what the one has that is least, so nobody saves up.
//
// A backlog of messages that nobody waits for would make every epoch as long as MaxDrain lets it. So once an epoch had to be cut by
// force and left some, the engine is behind: from then on an epoch also comes to rest when only such messages are left. They are
// handled while the one before is sealed, and beside what else there is; those that are left get rows, each once, and go on in the
// next epoch. So a request beside a backlog waits for two seals.
//
// While an epoch is sealed the next one begins, and a backlog is worked on meanwhile. If its messages take longer than half of MaxDrain,
// a request would often wait for two of them: for the one that ran when it came, and then for one that began, while the epoch before was
// sealed, behind it. So once an epoch has taken a request and the one before has run such a message, none of the backlog is begun until
// it is cut, which is a seal away. The epoch after that may run one again: so it goes on however many requests there are.
//
// A round ends early when it, or its epoch after admission has closed, has gone on for too long: the worker looks at the time after each
// message while messages are costly, and once an epoch has been open for long (see lookout), in case they have just become so. So a
// worker is never away for much longer than that and the one operation that runs. After such a round it offers its processor to the
// sealer: with fewer processors than goroutines, Go would leave it to the worker for 10 ms each time that the sealer needs one.

// line is what a message belongs to that has not begun; see message.
type line uint8

const (
	lineBegun    line = iota // it has
	lineArrivals             // messages of timers and ingresses
	lineSent                 // messages that functions sent, and runs that a restart brought back
	lineRequests             // of clients; these are no messages
	numLines
)

const (
	// roundSize is the number of messages that a worker handles at most before it looks for new ones, and of those in a row that have
	// begun, after which one gets its turn that has not.
	roundSize = 256
	// slice is how long a round should take at most.
	slice = time.Millisecond
)

// pacer makes the rounds of a worker smaller while messages are costly.
type pacer struct {
	size  int // of the next round
	inRow int // messages that had begun, since one that had not: at most as many as a round has
	turn  line

	sharing bool                    // messages have lately taken so long that the lines share the time
	last    line                    // of the message that was handled last
	used    [numLines]time.Duration // while they share it
}

// charge is told how long the last message has taken. What has begun is charged little: it holds locks that others wait for.
func (p *pacer) charge(d time.Duration) {
	if p.last == lineBegun {
		d = min(d, 2*slice)
	}
	p.used[p.last] += max(d, time.Microsecond)
}

// settled reports whether the lines where something waits have used about the same, and what has begun not much more.
func (p *pacer) settled(waits [numLines]bool) bool {
	least, most := time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	for l := range numLines {
		switch {
		case !waits[l]:
		case l == lineBegun:
			most = max(most, p.used[l]-2*slice)
		default:
			least, most = min(least, p.used[l]), max(most, p.used[l])
		}
	}
	return least == math.MaxInt64 || most-least <= slice/2
}

// pick returns the line that has used the least time of those where something waits; false if nothing does. What has begun comes before
// what has not for a slice more.
func (p *pacer) pick(waits [numLines]bool) (least line, ok bool) {
	for l := range numLines {
		ahead := time.Duration(0)
		if ok && least == lineBegun {
			ahead = slice
		}
		if waits[l] && (!ok || p.used[l]+ahead < p.used[least]) {
			least, ok = l, true
		}
	}
	for l := range numLines {
		if ok && !waits[l] {
			p.used[l] = max(p.used[l], p.used[least])
		}
	}
	return least, ok
}

// prefer has something of the line come next that has not begun, or of the one after it; while messages are costly, of the line.
func (p *pacer) prefer(l line) {
	p.inRow, p.turn = roundSize, l
	p.used[l] = min(p.used[l], slices.Min(p.used[:])-2*slice)
}

// took is told how long a round has taken.
func (p *pacer) took(handled int, d time.Duration) {
	switch {
	case d >= slice && handled > 0:
		p.size = max(1, min(p.size, int(int64(handled)*int64(slice)/int64(d))))
	case d < slice/2:
		p.size = min(2*p.size, roundSize)
	}
}

// mayGoOn reports whether a message that has begun may come before those that have not: for about a slice.
func (p *pacer) mayGoOn() bool {
	return p.inRow < p.size
}

// round handles up to n messages and requests, sends what they led to, and takes what has come in. It reports whether there is more
// to do.
func (w *worker) round(n int) bool {
	e := w.engine
	var start time.Duration
	w.now, start = e.clocks.both()
	w.admitFirst()
	handled, since := 0, start
	for handled < n && w.handleNext() {
		handled++
		if spent := e.options.Seams.Spent; spent != nil {
			spent(SpentOnMessage)
		}
		if w.pace.sharing || e.lookout.due.Load() {
			now := e.clocks.elapsed()
			if w.pace.sharing {
				w.pace.charge(now - since)
				since = now
			}
			if now-start >= slice {
				break // however large the round was to be: nobody is admitted in it, and while the gate is open nothing else ends it
			}
		}
	}
	w.cache.tidy(e.sealed.Load())
	w.flush()
	took := w.takeMail()
	if e.gate.open.Load() {
		took = w.admit() || took
	}
	w.tell()
	if handled > 0 && !e.gate.open.Load() {
		w.countDrained(handled)
	}
	spent := e.clocks.elapsed() - start
	w.pace.took(handled, spent)
	if spent > e.options.MaxDrain/2 && w.pace.last != lineBegun && w.pace.last != lineRequests {
		e.costlyIn.Store(e.epoch)
	}
	switch {
	case w.pace.size < roundSize && w.hasBacklog():
		w.pace.sharing = true
	case w.pace.sharing && w.pace.size == roundSize && w.pace.settled(w.waiting()):
		w.pace.sharing = false
	}
	if w.pace.size < roundSize && e.sealing.Load() && !e.options.Seams.Stepped {
		runtime.Gosched() // the sealer may wait for a processor
	}
	return took || w.urgent.len() > 0 || (w.mustWork() && !e.cutting.Load())
}

// mustWork reports whether anything waits that is to be handled before the epoch comes to rest.
func (w *worker) mustWork() bool {
	if w.begun.len()+w.taken.len() > 0 {
		return true
	}
	return w.hasRunnable() && (w.engine.gate.open.Load() || !w.engine.behind.Load())
}

// hasBacklog reports whether messages wait that nobody waits for.
func (w *worker) hasBacklog() bool { return w.arrivals.len()+w.sent.len() > 0 }

// hasRunnable reports whether messages wait that nobody waits for, and may be handled now.
func (w *worker) hasRunnable() bool {
	return w.hasBacklog() && !w.engine.trials.frozen.Load() && !w.engine.holdsBack()
}

// holdsBack reports whether a backlog has to wait until the running epoch is cut: its messages are costly, and somebody waits for the cut,
// which comes when the epoch before is sealed and nothing else is left.
func (e *Engine) holdsBack() bool {
	costly := e.costlyIn.Load()
	return costly != 0 && costly+1 >= e.epoch && e.requestIn.Load() == e.epoch && (e.sealing.Load() || !e.gate.open.Load())
}

// hasWork reports whether anything waits that is not urgent.
func (w *worker) hasWork() bool { return w.begun.len() > 0 || w.hasNew() }

// hasNew reports whether anything waits that has not begun.
func (w *worker) hasNew() bool {
	return w.taken.len() > 0 || w.hasRunnable()
}

// handleNext handles the next message, or accepts a request. It reports whether there was anything to do.
func (w *worker) handleNext() bool {
	if m, ok := w.urgent.pop(); ok {
		w.pace.last = lineBegun
		w.handle(m)
		return true
	}
	if w.engine.cutting.Load() || !w.mustWork() {
		return false
	}
	if w.pace.sharing && w.hasRunnable() {
		l, ok := w.pace.pick(w.waiting())
		return ok && w.handleOf(l)
	}
	if w.pace.mayGoOn() && w.handleBegun() {
		return true
	}
	w.pace.inRow = 0
	return w.handleNew() || w.handleBegun()
}

// handleBegun handles the next message of what has begun. It reports whether there was one.
func (w *worker) handleBegun() bool {
	m, ok := w.begun.pop()
	if ok {
		w.pace.last = lineBegun
		w.pace.inRow++
		w.handle(m)
	}
	return ok
}

// waiting tells where something waits that may be handled.
func (w *worker) waiting() [numLines]bool {
	free := w.hasRunnable()
	return [numLines]bool{
		lineBegun: w.begun.len() > 0, lineRequests: w.taken.len() > 0,
		lineArrivals: free && w.arrivals.len() > 0, lineSent: free && w.sent.len() > 0,
	}
}

// handleNew handles something that has not begun, from the line whose turn it is.
func (w *worker) handleNew() bool {
	if !w.hasRunnable() {
		return w.acceptNext() // there are no messages, or they wait
	}
	for range numLines - 1 {
		if w.pace.turn++; w.pace.turn == numLines {
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
	w.pace.last = l
	switch l {
	case lineRequests:
		return w.acceptNext()
	case lineBegun:
		return w.handleBegun()
	case lineArrivals:
		if m, ok := w.arrivals.pop(); ok {
			w.carried[lineArrivals] = max(0, w.carried[lineArrivals]-1)
			w.handle(m)
			return true
		}
	case lineSent:
		if m, ok := w.sent.pop(); ok {
			w.carried[lineSent] = max(0, w.carried[lineSent]-1)
			w.handle(m)
			return true
		}
	}
	return false
}

func (w *worker) acceptNext() bool {
	q, ok := w.taken.pop()
	if ok {
		w.accept(q)
	}
	return ok
}

// leave ends what enter or enterBody began. Once admission has closed it cuts an epoch that has gone on for too long, between two
// operations.
func (w *worker) leave() {
	w.running.Store(w.runs)
	w.frame.End()
	if spent := w.engine.options.Seams.Spent; spent != nil {
		spent(SpentOnFunction)
	}
	if (w.pace.size < roundSize || w.engine.lookout.due.Load()) && !w.engine.gate.open.Load() {
		w.engine.cutIfLate()
	}
}

// countDrained cuts the epoch when too much has been handled since admission has closed, or it has gone on for too long without
// any code of users.
func (w *worker) countDrained(n int) {
	if w.drained += n; w.drained > maxDrainSteps {
		w.engine.cutting.Store(true)
	}
	w.engine.cutIfLate()
}

// cutIfLate cuts an epoch that has gone on for too long after admission has closed. A request that comes in then has to wait for
// this epoch and for the next, in which it is admitted at once: so each may take half of MaxDrain.
func (e *Engine) cutIfLate() {
	if e.clocks.now()-e.closedAt.Load() > int64(e.options.MaxDrain)/2 {
		e.cutting.Store(true)
	}
}
