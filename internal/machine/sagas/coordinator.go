package sagas

import (
	"fmt"
	"math"
	"time"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/saga"
)

// Coordinator is the saga protocol: a pure machine over a [Journal]. Each method is an event and appends the [Action]s that
// follow; the engine carries them out, and writes what an epoch changed of the journal with it; see [Coordinator.TakeChanges].
//
// Running. The body issues groups of steps. A new step is recorded and called; a step that the journal has already, because
// this is a replay after a restart, must be the same one: its recorded result is given to the body, and only if it has none is
// it called. When all of a group are back the body is resumed. Returning nil ends the saga as done.
//
// Stopping. A body that is not to go on is unwound: Stop, answered by Stopped with the effects that it had attached to failure. The end of
// a saga is a Finish, answered by Finished. The engine answers both when there is room in an epoch for what that writes.
//
// Undoing. The body has failed, was cancelled or diverged. The groups are compensated from the last to the first, one group at
// a time, its entries at once: each entry that succeeded and has a compensation. A failed compensation is tried again after a
// back-off that doubles, at most maxTries times; then the saga is stuck, until Retry, Skip or MarkDone.
//
// At once means that at most maxOut calls are out at a time; the others follow as answers come. So no event leads to more than that
// many actions, and the work for a saga grows with its steps, not with their square: cursors say where it is, nothing looks for it.
//
// Invariants:
//   - A compensation runs only after its step succeeded, at most once successfully, and never before a later group's are over.
//   - A compensation starts only when no step is out: what has been called has been answered.
//   - Nothing is forgotten: a saga ends as done, as undone, or stands as stuck.
type Coordinator struct {
	Journal

	maxTries int
	maxBytes int // of the entries and effects; 0: any
	bytes    int // of the entries, about
	share    int // how many bytes more the journals of all sagas may have
	attached int // bytes of effects that the body has attached to its outcomes, or that it ended with
	cursor   int // entries that the body has issued in this process
	steps    []routines.Step
	first    int // the entry of steps[0]
	out      int // calls, sleeps and compensations that are not back
	next     int // of the group that is being called or undone: the first entry that it has not come to
	stop     *failures.FarError
	result   *instances.Result

	// Of a saga that is being undone: the entries of the group that it has come to. Those behind it are over.
	from, to int
	least    int // those with so many failed tries have their next

	changed        []int // the entries that changed since they were written
	headChanged    bool
	effectsChanged bool
	growth         int // bytes of rows that have become due since TakeGrowth was called last
	rows           int // and how many

	difference *difference // between what is recorded and what the body does now
}

// maxOut is the number of calls, or of compensations, that a saga has out at a time.
const maxOut = 256

// ActionKind says what an [Action] asks for.
type ActionKind uint8

// The actions of a saga.
const (
	ActRun     ActionKind = iota + 1 // run the body from the start
	ActResume                        // the steps have their results: resume the body
	ActStop                          // unwind the body: it will not be resumed; answered by Stopped
	ActCall                          // make the call of Entry; answered by Reply
	ActSleep                         // wait until Due; answered by Reply for Entry
	ActUndo                          // make the compensation of Entry; answered by UndoReply
	ActBackOff                       // wait until Due; answered by Wake
	ActReport                        // the saga is stuck: tell whoever waits for it
	ActFinish                        // nothing is left to do, see Outcome; answered by Finished
)

var actionNames = [...]string{"", "run", "resume", "stop", "call", "sleep", "undo", "back-off", "report", "finish"}

// String returns the action's name in lower case.
func (k ActionKind) String() string { return actionNames[k] }

// Action is something that the engine does for a saga.
type Action struct {
	Kind  ActionKind
	Entry int
	Due   int64 // Unix nanoseconds
}

// Init sets up a saga over a journal, which is empty for a new one. maxTries is at least 1. A machine whose saga is over can be
// set up again.
func (c *Coordinator) Init(j Journal, maxTries int) {
	if j.Entries == nil {
		clear(c.Entries)
		j.Entries = c.Entries[:0]
	}
	changed := c.changed[:0]
	*c = Coordinator{} // a literal with fields would be made elsewhere and copied
	c.Journal, c.maxTries, c.share, c.changed = j, maxTries, math.MaxInt, changed
	if j.effectsInHead {
		c.changeHead()
		c.effectsChanged = true
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		e.size = SizeOf(&e.Step) - len(e.Step.Result.Encoded())
		c.bytes += e.Size() + errorSize(e.Step.Err)
	}
	if c.to = len(c.Entries); j.Phase == Stuck {
		c.findGroup()
	}
	if j.Phase == Running {
		c.stop = j.Failure // cancelled before the restart
	}
}

// Bound sets how many bytes the entries of the journal may have, and the effects of the saga's outcomes, roughly; 0 for any number. A saga
// that needs more fails.
func (c *Coordinator) Bound(maxBytes int) { c.maxBytes = maxBytes }

// Share sets how many bytes more the journals of all sagas may have together.
func (c *Coordinator) Share(room int) { c.share = room }

// Attached tells how many bytes of effects the body has attached to its outcomes.
func (c *Coordinator) Attached(bytes int) { c.attached = bytes }

// Bytes is about what the journal takes, with the effects that the body has attached.
func (c *Coordinator) Bytes() int { return c.bytes + c.attached }

// Room is how many bytes more the journal has room for; those of a saga that repeats what it did before a restart were accepted then.
func (c *Coordinator) Room() int {
	if c.maxBytes == 0 || c.Replaying() {
		return math.MaxInt
	}
	return c.maxBytes - c.bytes
}

// TakeGrowth says how many bytes, about, and how many rows the journal's changes will be that were made since it was asked last; without
// those that answers make.
func (c *Coordinator) TakeGrowth() (bytes, rows int) {
	bytes, rows = c.growth, c.rows
	c.growth, c.rows = 0, 0
	return bytes, rows
}

// HasNewEffects reports whether the effects are to be written.
func (c *Coordinator) HasNewEffects() bool { return c.effectsChanged }

// TakeEffects says whether the effects are to be written now, which is once.
func (c *Coordinator) TakeEffects() bool {
	changed := c.effectsChanged
	c.effectsChanged = false
	return changed
}

// TakeChanges says what of the journal has changed since it was asked last: the head, and which entries. These are valid until the
// next event.
func (c *Coordinator) TakeChanges() (head bool, entries []int) {
	head, entries = c.headChanged, c.changed
	c.headChanged, c.changed = false, c.changed[:0]
	for _, i := range entries {
		c.Entries[i].changed = false
	}
	return head, entries
}

// ChangeAll counts all of the journal as changed, so that it is written whole.
func (c *Coordinator) ChangeAll() {
	c.headChanged = true
	for i := range c.Entries {
		c.change(i)
	}
}

// change notes that an entry is to be written.
func (c *Coordinator) change(i int) {
	if e := &c.Entries[i]; !e.changed {
		c.growth += e.Size()
		c.rows++
		c.changeAnswered(i)
	}
}

// changeAnswered notes that an entry is to be written because its step or its compensation has its answer. That counts for the epoch
// where the answer is made.
func (c *Coordinator) changeAnswered(i int) {
	if e := &c.Entries[i]; !e.changed {
		e.changed = true
		c.changed = append(c.changed, i)
	}
}

// changeHead notes that the head is to be written.
func (c *Coordinator) changeHead() {
	if !c.headChanged {
		c.headChanged = true
		c.growth += c.Failure.Size()
		c.rows++
	}
}

func (c *Coordinator) setPhase(p Phase) {
	c.Phase = p
	c.changeHead()
}

// Outcome is the saga's result, or its failure.
func (c *Coordinator) Outcome() (*instances.Result, error) {
	if c.Failure != nil {
		return nil, c.Failure
	}
	return c.result, nil
}

// Begin starts a new saga, or goes on with one from a journal.
func (c *Coordinator) Begin(out []Action) []Action {
	switch c.Phase {
	case Running:
		return append(out, Action{Kind: ActRun})
	case Undoing:
		if c.Due != 0 {
			return append(out, Action{Kind: ActBackOff, Due: c.Due})
		}
		return c.undoNext(out)
	}
	return out // a stuck saga waits for a person
}

// Replaying reports whether the steps that the body issues next are in the journal already.
func (c *Coordinator) Replaying() bool { return c.cursor < len(c.Entries) }

// Issue takes the steps that the body waits for. It keeps the slice and fills in results until the Resume.
func (c *Coordinator) Issue(steps []routines.Step, now time.Time, out []Action) []Action {
	c.mustBe(Running)
	if c.stop != nil {
		return c.stopBody(c.stop, out)
	}
	for i := c.first; i < c.cursor; i++ {
		c.Entries[i].Step.Result.Handed()
	}
	c.steps, c.first, c.next = steps, c.cursor, c.cursor
	if err := c.recordAll(steps, now); err != nil {
		return c.stopBody(failures.Far(err), out)
	}
	return c.resumeIfBack(c.sendMore(out))
}

// sendMore makes the steps of the group that have no answer, as far as there may be more at a time.
func (c *Coordinator) sendMore(out []Action) []Action {
	for ; c.next < c.cursor && c.out < maxOut && c.stop == nil; c.next++ {
		if e := &c.Entries[c.next]; e.State == Issued {
			out = c.send(c.next, e, out)
		}
	}
	return out
}

func (c *Coordinator) send(i int, e *Entry, out []Action) []Action {
	e.sent = true
	c.out++
	if e.Step.Sleep > 0 {
		return append(out, Action{Kind: ActSleep, Entry: i, Due: e.Due})
	}
	return append(out, Action{Kind: ActCall, Entry: i})
}

// Reply takes the answer to a Call, or the end of a Sleep. An answer for an entry that has one is ignored.
func (c *Coordinator) Reply(entry int, result *instances.Result, err error, out []Action) []Action {
	e := &c.Entries[entry]
	if e.State != Issued || !e.sent {
		return out
	}
	if err == nil {
		e.State = Succeeded
		if c.hasRoom(len(result.Encoded())) {
			e.Step.Result = result
		}
	} else {
		e.State, e.Step.Err = Failed, err
		c.hasRoom(errorSize(err))
	}
	c.changeAnswered(entry)
	c.out--
	return c.resumeIfBack(c.sendMore(out))
}

// hasRoom reports whether the journal has room for what a step led to, and keeps it. If not the saga is to stop: then nobody is going
// to ask for it.
func (c *Coordinator) hasRoom(bytes int) bool {
	if err := c.checkRoom(bytes); err != nil {
		c.stopFor(err)
		return false
	}
	c.bytes += bytes
	return true
}

func (c *Coordinator) checkRoom(bytes int) error {
	switch {
	case bytes == 0:
	case c.maxBytes != 0 && c.Bytes()+bytes > c.maxBytes:
		return fmt.Errorf("%w: after %d steps the saga's journal would have %d bytes, %d of them effects of its outcomes, at most %d: Options.MaxJournalBytes",
			failures.ErrTooLarge, len(c.Entries), c.Bytes()+bytes, c.attached, c.maxBytes)
	case bytes > c.share:
		return fmt.Errorf("%w: after %d steps, %d bytes more would be too many for the journals of all sagas together: Options.MaxJournalsBytes",
			failures.ErrTooLarge, len(c.Entries), bytes)
	}
	return nil
}

// stopFor makes the saga stop, and fail with err, once what is out is back; also after a restart.
func (c *Coordinator) stopFor(err error) {
	if c.stop == nil {
		c.stop = failures.Far(err)
		c.Failure = c.stop
		c.changeHead()
	}
}

// resumeIfBack resumes the body once every step of the group is back, or unwinds it if it must not go on.
func (c *Coordinator) resumeIfBack(out []Action) []Action {
	switch {
	case c.out > 0:
		return out
	case c.stop != nil:
		return c.stopBody(c.stop, out)
	}
	for i := range c.steps {
		e := &c.Entries[c.first+i].Step
		c.steps[i].Result, c.steps[i].Err = e.Result, e.Err
	}
	c.steps = nil
	return append(out, Action{Kind: ActResume})
}

// verdict is what the end of the body means for the saga: the body's error, that it diverged, that the saga was cancelled
// meanwhile, or nil for success.
func (c *Coordinator) verdict(err error) *failures.FarError {
	switch {
	case c.cursor < len(c.Entries) && c.stop == nil:
		diverged := fmt.Errorf("%w: it returned, step %d was %s", saga.ErrDiverged, c.cursor+1, describe(&c.Entries[c.cursor].Step))
		if err != nil {
			diverged = fmt.Errorf("%w: %w", diverged, err)
		}
		return failures.Far(diverged)
	case err == nil:
		return c.stop
	}
	return failures.Far(err)
}

// Returned takes the end of the body, and the effects that it attached to success and to failure: those of the saga's outcome, which need
// not be the one that the body chose, are kept.
func (c *Coordinator) Returned(result *instances.Result, err error, success, failure *instances.Effects, out []Action) []Action {
	c.mustBe(Running)
	if verdict := c.verdict(err); verdict != nil {
		return c.startUndo(verdict, failure, out)
	}
	c.setPhase(Done)
	c.Effects, c.result = success, result
	return append(out, Action{Kind: ActFinish})
}

// Stopped takes the end of a body that was unwound, and the effects that it had attached to failure.
func (c *Coordinator) Stopped(failure *instances.Effects, out []Action) []Action {
	c.mustBe(Running)
	return c.startUndo(c.stop, failure, out)
}

// Finished takes that the saga's effects and its outcome are on their way. Until then one that is undone is being undone, so that a
// crash leads to a Finish again.
func (c *Coordinator) Finished() {
	if c.Phase == Undoing {
		c.setPhase(Undone)
	}
}

// Cancel asks a running saga to stop and compensate; its failure is err. Calls that are out are waited for, sleeps are not. It
// reports whether the saga was still running.
func (c *Coordinator) Cancel(err error, out []Action) (bool, []Action) {
	if c.Phase != Running || c.stop != nil {
		return false, out
	}
	c.stopFor(err)
	if c.steps == nil {
		return true, out // its body runs, or is about to
	}
	for i := c.first; i < c.next; i++ {
		if e := &c.Entries[i]; e.State == Issued && e.sent && e.Step.Sleep > 0 {
			e.State = Succeeded
			c.change(i)
			c.out--
		}
	}
	if c.out == 0 {
		out = c.stopBody(c.stop, out)
	}
	return true, out
}

// stopBody has the body unwound, which leaves the saga as it is until the engine says that it was.
func (c *Coordinator) stopBody(err *failures.FarError, out []Action) []Action {
	c.steps, c.stop = nil, err
	return append(out, Action{Kind: ActStop})
}

func (c *Coordinator) mustBe(want Phase) {
	if c.Phase != want {
		panic(fmt.Sprintf("saga: event in phase %v, only allowed in phase %v", c.Phase, want))
	}
}
