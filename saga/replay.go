package saga

import (
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
)

// recordAll finds a group of steps in the journal or adds it. A group is recorded as a whole, so it is there as a whole or not at
// all.
func (c *Coordinator) recordAll(steps []coordinator.Step, now time.Time) error {
	group := 0
	if c.cursor > 0 {
		group = c.Entries[c.cursor-1].Group + 1
	}
	replay := c.Replaying()
	if !replay {
		if err := c.checkRoom(sizeOf(steps)); err != nil {
			return err
		}
	}
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
	c.bytes += e.size()
	c.change(len(c.Entries) - 1)
}

// sizeOf is about how many bytes steps take in the journal before they are answered.
func sizeOf(steps []coordinator.Step) (bytes int) {
	for i := range steps {
		bytes += (&Entry{Step: steps[i]}).size()
	}
	return bytes
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
