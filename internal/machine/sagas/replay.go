package sagas

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/saga"
)

// A step that the body issues in a replay is the recorded one if it is the same kind of thing: a call of the same operation on the same
// instance, with a compensation that is the same operation on the same instance or with none, in the same place; or a sleep. If not the
// saga has diverged.
//
// Its argument may differ because the program is another version, in which the argument's type has another shape: it gained a field,
// lost one, or has one renamed or retyped. Sagas that are under way must not be undone for that. It is reported, and what was recorded
// stands, above all the argument of the compensation; only a step that has not happened is made as the new version has it. An
// argument that differs though its type has the shape that it had is no other version's: the body does not do the same twice, or it
// was changed in what it does, and the saga has diverged. Journals of format version 1 do not have the shapes; their sagas get the benefit of
// the doubt. A sleep lasts as long as it was recorded to.

// recordAll finds a group of steps in the journal or adds it. A group is recorded as a whole, so it is there as a whole or not at
// all.
func (c *Coordinator) recordAll(steps []routines.Step, now time.Time) error {
	group := 0
	if c.cursor > 0 {
		group = c.Entries[c.cursor-1].Group + 1
	}
	if c.Replaying() {
		return c.replayAll(steps, group)
	}
	bytes := 0
	for i := range steps {
		bytes += SizeOf(&steps[i])
	}
	if err := c.checkRoom(bytes); err != nil {
		return err
	}
	c.bytes += bytes
	c.Entries = slices.Grow(c.Entries, len(steps))
	for i := range steps {
		c.add(&steps[i], group, now)
		c.cursor++
	}
	return nil
}

func (c *Coordinator) replayAll(steps []routines.Step, group int) error {
	for i := range steps {
		step := &steps[i]
		switch {
		case c.cursor == len(c.Entries):
			return fmt.Errorf("%w: step %d was never made, is now %s", saga.ErrDiverged, c.cursor+1, describe(step))
		case c.Entries[c.cursor].Group != group || !c.replay(c.cursor, step):
			return fmt.Errorf("%w: step %d was %s, is now %s", saga.ErrDiverged, c.cursor+1, c.recorded(group), describe(step))
		}
		c.cursor++
	}
	if c.Replaying() && c.Entries[c.cursor].Group == group {
		return fmt.Errorf("%w: step %d was %s, is now missing beside step %d", saga.ErrDiverged, c.cursor+1, c.recorded(group), c.cursor)
	}
	return nil
}

// replay reports whether an entry is a step that the body issues again.
func (c *Coordinator) replay(i int, step *routines.Step) bool {
	e := &c.Entries[i]
	now := shapesOf(step)
	call, undo := compare(&e.Step.Call, &step.Call, e.shapes.call, now.call), same
	if step.HasUndo {
		undo = compare(&e.Step.Undo, &step.Undo, e.shapes.undo, now.undo)
	}
	if e.Step.HasUndo != step.HasUndo || (e.Step.Sleep > 0) != (step.Sleep > 0) || call == another || undo == another {
		return false
	}
	if call == same && undo == same && e.Step.Sleep == step.Sleep {
		return true
	}
	if c.difference == nil {
		c.difference = &difference{text: fmt.Sprintf("step %d was %s, is now %s", i+1, describe(&e.Step), describe(step))}
	}
	if e.State == Issued && step.Sleep == 0 {
		c.bytes -= e.Size()
		e.Step.Call, e.Step.Undo, e.shapes = step.Call, step.Undo, now
		e.Step.Call.Into = nil
		e.size = SizeOf(&e.Step)
		c.bytes += e.Size()
		c.change(i)
	}
	return true
}

// likeness says how a recorded call and one that is made again are alike.
type likeness uint8

const (
	same      likeness = iota
	versioned          // with an argument whose type has another shape
	another
)

func compare(recorded, again *instances.Envelope, was, is uint64) likeness {
	switch {
	case !recorded.SameTarget(again):
		return another
	case bytes.Equal(recorded.Encoded(), again.Encoded()):
		return same
	case was == is && was != 0:
		return another
	}
	return versioned
}

// TakeDifference says, once, what the first thing is that another version of the program does otherwise, if it does and that is no
// reason to stop; or "".
func (c *Coordinator) TakeDifference() string {
	if c.difference == nil || c.difference.told {
		return ""
	}
	c.difference.told = true
	return c.difference.text
}

// difference is the first thing that another version of the program does otherwise.
type difference struct {
	text string
	told bool
}

func (c *Coordinator) add(step *routines.Step, group int, now time.Time) {
	i := len(c.Entries)
	c.Entries = c.Entries[:i+1] // what is behind the end is zero
	e := &c.Entries[i]
	e.Group, e.Step, e.shapes, e.size = group, *step, shapesOf(step), SizeOf(step)
	e.Step.Call.Into = nil
	if step.Sleep > 0 {
		e.Due = format.DueAfter(now, step.Sleep)
	}
	c.change(i)
}

// recorded describes the step at the cursor, for an error; group is where it is expected.
func (c *Coordinator) recorded(group int) string {
	text := describe(&c.Entries[c.cursor].Step)
	if c.Entries[c.cursor].Group != group {
		text += " on its own"
	}
	return text
}

func describe(s *routines.Step) string {
	if s.Sleep > 0 {
		return fmt.Sprintf("a sleep of %v", s.Sleep)
	}
	text := describeCall(&s.Call)
	if s.HasUndo {
		text += ", undone by " + describeCall(&s.Undo)
	}
	return text
}

// maxShown is how many bytes of an argument are shown.
const maxShown = 64

func describeCall(e *instances.Envelope) string {
	arg := e.Encoded()
	if len(arg) > maxShown {
		return fmt.Sprintf("%s with an argument of %d bytes, %x...", e.Target(), len(arg), arg[:maxShown])
	}
	return fmt.Sprintf("%s with argument %x", e.Target(), arg)
}
