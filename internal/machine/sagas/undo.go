package sagas

import (
	"math"
	"time"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/saga"
)

func (c *Coordinator) startUndo(err *failures.FarError, failure *instances.Effects, out []Action) []Action {
	c.Failure = err
	c.setPhase(Undoing)
	c.Effects, c.effectsChanged = failure, !failure.Empty()
	c.to = len(c.Entries)
	return c.undoNext(out)
}

// undoNext compensates the last group that is not undone, or ends the saga. Those of the group that have failed once more than the
// others had their answer before a restart; they have their next try together with the others.
func (c *Coordinator) undoNext(out []Action) []Action {
	c.setDue(0)
	if !c.findGroup() {
		return append(out, Action{Kind: ActFinish})
	}
	c.next, c.least = c.from, math.MaxInt
	for i := c.from; i < c.to; i++ {
		if e := &c.Entries[i]; e.needsUndo() {
			c.least = min(c.least, e.Tries)
		}
	}
	return c.undoMore(out)
}

// findGroup finds the last group with a compensation that is still to be run, and reports whether there is one. It goes back from
// where it was last, and so comes by each entry once.
func (c *Coordinator) findGroup() bool {
	for c.to > 0 && !c.Entries[c.to-1].needsUndo() {
		c.to--
	}
	for c.from = c.to; c.from > 0 && c.Entries[c.from-1].Group == c.Entries[c.to-1].Group; {
		c.from--
	}
	return c.to > 0
}

// undoMore makes the compensations of the group whose turn it is, as far as there may be more at a time.
func (c *Coordinator) undoMore(out []Action) []Action {
	for ; c.next < c.to && c.out < maxOut; c.next++ {
		if e := &c.Entries[c.next]; e.needsUndo() && e.Tries == c.least {
			c.out++
			out = append(out, Action{Kind: ActUndo, Entry: c.next})
		}
	}
	return out
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
		c.bytes += errorSize(err) - errorSize(e.Step.Err)
		e.Step.Err = err // why the compensation failed, for whoever looks
	}
	c.changeAnswered(entry)
	c.out--
	if out = c.undoMore(out); c.out > 0 {
		return out
	}
	tries := c.failedTries()
	switch {
	case tries == 0:
		return c.undoNext(out)
	case tries >= c.maxTries:
		c.setPhase(Stuck)
		return append(out, Action{Kind: ActReport})
	}
	c.setDue(format.DueAfter(now, backOff(tries)))
	return append(out, Action{Kind: ActBackOff, Due: c.Due})
}

func (c *Coordinator) setDue(due int64) {
	if c.Due != due {
		c.Due = due
		c.changeHead()
	}
}

// Back-off between tries of a compensation.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 10 * time.Second
)

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
	for i := c.from; i < c.to; i++ {
		if e := &c.Entries[i]; e.needsUndo() {
			tries = max(tries, e.Tries)
		}
	}
	return tries
}

// Failing is the number of compensations that keep a saga stuck, or undoing, and the first few of them.
func (c *Coordinator) Failing(few int) (first []int, all int) {
	for i := c.from; i < c.to; i++ {
		if e := &c.Entries[i]; e.needsUndo() && e.Tries > 0 {
			if all++; all <= few {
				first = append(first, i)
			}
		}
	}
	return first, all
}

// At is the last entry that matters now: of a saga that is being undone the end of the group that it has come to, otherwise the end.
func (c *Coordinator) At() int {
	if c.Phase == Undoing || c.Phase == Stuck {
		return c.to
	}
	return len(c.Entries)
}

// Wake takes the end of a BackOff.
func (c *Coordinator) Wake(out []Action) []Action {
	if c.Phase != Undoing || c.Due == 0 {
		return out
	}
	return c.undoNext(out)
}

// Decide carries out a person's decision. It reports whether the saga was stuck.
func (c *Coordinator) Decide(d saga.Decision, out []Action) (bool, []Action) {
	if c.Phase != Stuck {
		return false, out
	}
	c.setPhase(Undoing)
	from := c.from
	if d == saga.MarkDone {
		from = 0
	}
	for i := from; i < c.to; i++ {
		e := &c.Entries[i]
		if !e.needsUndo() {
			continue
		}
		if e.Undo = Skipped; d == saga.Retry {
			e.Undo, e.Tries = NotUndone, 0
		}
		c.change(i)
	}
	return true, c.undoNext(out)
}
