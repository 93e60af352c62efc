package saga

import (
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/plant"
)

// Coordinator is the saga protocol: a pure machine over a [Journal]. Each method is an event and appends the [Action]s that
// follow; the engine carries them out, and writes the journal with every epoch that changed it.
//
// Running. The body issues groups of steps. A new step is recorded and called; a step that the journal has already, because
// this is a replay after a restart, must be the same one: its recorded result is given to the body, and only if it has none is
// it called. When all of a group are back the body is resumed. Returning nil ends the saga as done.
//
// Undoing. The body has failed, was cancelled or diverged. The groups are compensated from the last to the first, one group at
// a time, its entries at once: each entry that succeeded and has a compensation. A failed compensation is tried again after a
// back-off that doubles, at most maxTries times; then the saga is stuck, until Retry, Skip or MarkDone.
//
// Invariants:
//   - A compensation runs only after its step succeeded, at most once successfully, and never before a later group's are over.
//   - A compensation starts only when no step is out: what has been called has been answered.
//   - Nothing is forgotten: a saga ends as done, as undone, or stands as stuck.
type Coordinator struct {
	Journal

	maxTries int
	cursor   int // entries that the body has issued in this process
	steps    []coordinator.Step
	first    int // the entry of steps[0]
	out      int // calls, sleeps and compensations that are not back
	stop     error
	result   []byte
	err      error
}

// ActionKind says what an [Action] asks for.
type ActionKind uint8

// The actions of a saga.
const (
	ActRun     ActionKind = iota + 1 // run the body from the start
	ActResume                        // the steps have their results: resume the body
	ActStop                          // unwind the body: it will not be resumed
	ActCall                          // make the call of Entry; answered by Reply
	ActSleep                         // wait until Due; answered by Reply for Entry
	ActUndo                          // make the compensation of Entry; answered by UndoReply
	ActBackOff                       // wait until Due; answered by Wake
	ActReport                        // the saga is stuck: tell whoever waits for it
	ActFinish                        // the saga is over: see Phase and Outcome
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

// Back-off between tries of a compensation.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 10 * time.Second
)

// Init sets up a saga over a journal, which is empty for a new one. maxTries is at least 1. A machine whose saga is over can be
// set up again.
func (c *Coordinator) Init(j Journal, maxTries int) {
	if j.Entries == nil {
		clear(c.Entries)
		j.Entries = c.Entries[:0]
	}
	*c = Coordinator{Journal: j, maxTries: maxTries}
	if len(j.Failure) > 0 {
		c.err = functions.DecodeFailure(j.Failure)
	}
	if j.Phase == Running {
		c.stop = c.err // cancelled before the restart
	}
}

// Outcome is the saga's result, or its failure.
func (c *Coordinator) Outcome() ([]byte, error) { return c.result, c.err }

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
func (c *Coordinator) Issue(steps []coordinator.Step, now time.Time, out []Action) []Action {
	c.mustBe(Running)
	if c.stop != nil {
		return c.stopBody(c.stop, out)
	}
	c.steps, c.first = steps, c.cursor
	if err := c.recordAll(steps, now); err != nil {
		return c.stopBody(err, out)
	}
	for i := c.first; i < c.cursor; i++ {
		if e := &c.Entries[i]; e.State == Issued {
			out = c.send(i, e, out)
		}
	}
	return c.resumeIfBack(out)
}

// recordAll finds a group of steps in the journal or adds it. A group is recorded as a whole, so it is there as a whole or not at
// all.
func (c *Coordinator) recordAll(steps []coordinator.Step, now time.Time) error {
	group := 0
	if c.cursor > 0 {
		group = c.Entries[c.cursor-1].Group + 1
	}
	replay := c.cursor < len(c.Entries)
	for i := range steps {
		step := &steps[i]
		switch {
		case !replay:
			c.add(step, group, now)
		case c.cursor == len(c.Entries):
			return fmt.Errorf("%w: step %d was never made, is now %s", ErrDiverged, c.cursor+1, describe(step))
		case c.Entries[c.cursor].Group != group || !sameStep(&c.Entries[c.cursor].Step, step):
			return fmt.Errorf("%w: step %d was %s, is now %s", ErrDiverged, c.cursor+1, c.recorded(group), describe(step))
		}
		c.cursor++
	}
	if replay && c.cursor < len(c.Entries) && c.Entries[c.cursor].Group == group {
		return fmt.Errorf("%w: step %d was %s, is now missing beside step %d", ErrDiverged, c.cursor+1, c.recorded(group), c.cursor)
	}
	return nil
}

func (c *Coordinator) add(step *coordinator.Step, group int, now time.Time) {
	e := Entry{Group: group, Step: *step}
	e.Step.Call.Into = nil
	if step.Sleep > 0 {
		e.Due = functions.DueAfter(now, step.Sleep)
	}
	c.Entries = append(c.Entries, e)
}

// recorded describes the step at the cursor, for an error; group is where it is expected.
func (c *Coordinator) recorded(group int) string {
	text := describe(&c.Entries[c.cursor].Step)
	if c.Entries[c.cursor].Group != group {
		text += " on its own"
	}
	return text
}

func sameStep(a, b *coordinator.Step) bool {
	return a.Call.SameAs(b.Call) && a.Sleep == b.Sleep && a.HasUndo == b.HasUndo && (!a.HasUndo || a.Undo.SameAs(b.Undo))
}

func describe(s *coordinator.Step) string {
	if s.Sleep > 0 {
		return fmt.Sprintf("a sleep of %v", s.Sleep)
	}
	text := describeCall(&s.Call)
	if s.HasUndo {
		text += ", undone by " + describeCall(&s.Undo)
	}
	return text
}

func describeCall(e *functions.Envelope) string {
	return fmt.Sprintf("%s with argument %x", e.Target(), e.Encoded())
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
func (c *Coordinator) Reply(entry int, result []byte, err error, out []Action) []Action {
	e := &c.Entries[entry]
	if e.State != Issued || !e.sent {
		return out
	}
	e.State, e.Step.Result = Succeeded, result
	if err != nil {
		e.State, e.Step.Result, e.Step.Err = Failed, nil, err
	}
	c.out--
	return c.resumeIfBack(out)
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
func (c *Coordinator) verdict(err error) error {
	switch {
	case c.cursor < len(c.Entries) && c.stop == nil:
		diverged := fmt.Errorf("%w: it returned, step %d was %s", ErrDiverged, c.cursor+1, describe(&c.Entries[c.cursor].Step))
		if err != nil {
			return fmt.Errorf("%w: %w", diverged, err)
		}
		return diverged
	case err == nil:
		return c.stop
	}
	return err
}

// Returned takes the end of the body, and the effects that it attached to the outcome that it chose. If the saga fails though the
// body returned nil, these are dropped; the engine has those for failure.
func (c *Coordinator) Returned(result []byte, err error, effects functions.Effects, out []Action) []Action {
	c.mustBe(Running)
	verdict := c.verdict(err)
	if (verdict == nil) == (err == nil) {
		c.Effects = effects
	}
	if verdict != nil {
		return c.startUndo(verdict, out)
	}
	c.Phase, c.result = Done, result
	return append(out, Action{Kind: ActFinish})
}

// Cancel asks a running saga to stop and compensate; its failure is err. Calls that are out are waited for, sleeps are not. It
// reports whether the saga was still running.
func (c *Coordinator) Cancel(err error, out []Action) (bool, []Action) {
	if c.Phase != Running || c.stop != nil {
		return false, out
	}
	c.stop = err
	c.Failure = functions.EncodeFailure(err) // it outlives a restart
	for i := range c.Entries {
		if e := &c.Entries[i]; e.State == Issued && e.sent && e.Step.Sleep > 0 {
			e.State = Succeeded
			c.out--
		}
	}
	if c.out == 0 && c.steps != nil {
		out = c.stopBody(err, out)
	}
	return true, out
}

func (c *Coordinator) stopBody(err error, out []Action) []Action {
	c.steps = nil
	return c.startUndo(err, append(out, Action{Kind: ActStop}))
}

func (c *Coordinator) startUndo(err error, out []Action) []Action {
	c.Phase, c.err = Undoing, err
	c.Failure = functions.EncodeFailure(err)
	return c.undoNext(out)
}

// undoNext compensates the last group that is not undone, or ends the saga. Those of the group that have failed once more than the
// others had their answer before a restart; they have their next try together with the others.
func (c *Coordinator) undoNext(out []Action) []Action {
	c.Due = 0
	group := c.undoGroup()
	if group < 0 {
		c.Phase = Undone
		return append(out, Action{Kind: ActFinish})
	}
	least := math.MaxInt
	for e := range c.undoing(group) {
		least = min(least, c.Entries[e].Tries)
	}
	for e := range c.undoing(group) {
		if c.Entries[e].Tries == least {
			c.out++
			out = append(out, Action{Kind: ActUndo, Entry: e})
		}
	}
	return out
}

// undoing yields the entries of a group with a compensation that is still to be run.
func (c *Coordinator) undoing(group int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range c.Entries {
			if e := &c.Entries[i]; e.Group == group && e.needsUndo() && !yield(i) {
				return
			}
		}
	}
}

// undoGroup is the last group with a compensation that is still to be run, or -1.
func (c *Coordinator) undoGroup() int {
	if plant.CancelForgetsUndo && c.stop != nil {
		return -1
	}
	for n := range c.Entries {
		i := len(c.Entries) - 1 - n
		if plant.UndoInOrder {
			i = n
		}
		if c.Entries[i].needsUndo() {
			return c.Entries[i].Group
		}
	}
	return -1
}

// UndoReply takes the answer to an Undo.
func (c *Coordinator) UndoReply(entry int, err error, now time.Time, out []Action) []Action {
	c.mustBe(Undoing)
	e := &c.Entries[entry]
	if !e.needsUndo() {
		panic("saga: a compensation is answered once")
	}
	if err == nil {
		e.Undo = Compensated
	} else {
		e.Tries++
		e.Step.Err = err // why the compensation failed, for whoever looks
	}
	if c.out--; c.out > 0 {
		return out
	}
	tries := c.failedTries()
	switch {
	case tries == 0:
		return c.undoNext(out)
	case plant.DropStuck && tries >= c.maxTries:
		e.Undo = Skipped
		return c.undoNext(out)
	case tries >= c.maxTries:
		c.Phase = Stuck
		return append(out, Action{Kind: ActReport})
	}
	c.Due = functions.DueAfter(now, backOff(tries))
	return append(out, Action{Kind: ActBackOff, Due: c.Due})
}

// backOff is how long to wait after so many failed tries.
func backOff(tries int) time.Duration {
	d := firstBackOff
	for ; tries > 1 && d < lastBackOff; tries-- {
		d *= 2
	}
	return min(d, lastBackOff)
}

// failedTries is the largest number of tries among the compensations of the group that is being undone.
func (c *Coordinator) failedTries() int {
	tries := 0
	for e := range c.undoing(c.undoGroup()) {
		tries = max(tries, c.Entries[e].Tries)
	}
	return tries
}

// Wake takes the end of a BackOff.
func (c *Coordinator) Wake(out []Action) []Action {
	if c.Phase != Undoing || c.Due == 0 {
		return out
	}
	return c.undoNext(out)
}

// Decision is what a person decides about a stuck saga.
type Decision uint8

// The decisions.
const (
	Retry    Decision = iota + 1 // try the compensations that failed once more
	Skip                         // leave out the compensations that failed, and go on with the steps before
	MarkDone                     // somebody has undone all that was left: run no further compensation
)

// Decide carries out a person's decision. It reports whether the saga was stuck.
func (c *Coordinator) Decide(d Decision, out []Action) (bool, []Action) {
	if c.Phase != Stuck {
		return false, out
	}
	c.Phase = Undoing
	group := c.undoGroup()
	for i := range c.Entries {
		e := &c.Entries[i]
		switch {
		case !e.needsUndo():
		case d == MarkDone || (d == Skip && e.Group == group):
			e.Undo = Skipped
		case d == Retry:
			e.Tries = 0
		}
	}
	return true, c.undoNext(out)
}

func (c *Coordinator) mustBe(want Phase) {
	if c.Phase != want {
		panic(fmt.Sprintf("saga: event in phase %v, only allowed in phase %v", c.Phase, want))
	}
}
