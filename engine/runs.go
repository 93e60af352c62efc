package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Two bounds on coordinator functions that are under way.
//
// Those that no client's place in Options.MaxInFlight counts for are bounded by Options.MaxRuns: those that a message starts, from when it is
// sent (or a timer is set that will send it) until they end; those that a restart brought back; and sagas that are stuck, once that was
// told. They count by weight, as messages do, since their inputs are in memory.
//
// The journals of all sagas are bounded together, by Options.MaxJournalsBytes. What is in them stays: it is the next step that fails. Workers
// count in their own memory and tell in portions.

// runsOf is what a message counts towards Options.MaxRuns: its weight, if it starts a coordinator function.
func runsOf(env *instances.Envelope) int64 {
	if env.Op != nil {
		return 0
	}
	return weightOf(env)
}

// toBackground counts a run that no client's place counts for.
func (x *executor) toBackground(c *coord) {
	if !c.background {
		c.background = true
		x.background += weight(c.input)
	}
}

// endBackground ends that.
func (x *executor) endBackground(c *coord) {
	if c.background {
		c.background = false
		x.background -= weight(c.input)
	}
}

// checkRuns reports whether there is room for the coordinator functions that an operation's messages and timers start.
func (x *executor) checkRuns(e *instances.Effects) error {
	more := int64(0)
	for i := range e.Sends {
		more += runsOf(&e.Sends[i])
	}
	for i := range e.Timers {
		more += runsOf(&e.Timers[i].Message)
	}
	if limit := int64(x.group.options.MaxRuns); more > 0 && x.group.background.Load()+x.background+more > limit {
		return fmt.Errorf("%w: %d", ErrTooManyRuns, limit)
	}
	return nil
}

// tooManyRuns is the error for a start from outside while there are as many as may be, or nil.
func (g *commons) tooManyRuns(env *instances.Envelope) error {
	if limit := int64(g.options.MaxRuns); env.Op == nil && g.background.Load() >= limit {
		return fmt.Errorf("%w: %d coordinator functions are under way that no client waits for: Options.MaxRuns", ErrOverloaded, limit)
	}
	return nil
}

// countJournal counts what a saga's journal has by now.
func (x *executor) countJournal(c *coord) {
	bytes := int64(c.saga.Bytes())
	x.countJournals(bytes - c.journal)
	c.journal = bytes
}

// dropJournal ends that: the saga is over.
func (x *executor) dropJournal(c *coord) {
	x.countJournals(-c.journal)
	c.journal = 0
}

func (x *executor) countJournals(bytes int64) {
	const portion = 1 << 16
	if x.journals += bytes; x.journals >= portion || x.journals <= -portion {
		x.group.journals.Add(x.journals)
		x.journals = 0
	}
}

// shareJournals tells a saga how much room the others leave for its journal.
func (x *executor) shareJournals(c *coord) {
	all := x.group.journals.Load() + x.journals + int64(c.saga.Bytes()) - c.journal
	c.saga.Share(int(x.group.options.MaxJournalsBytes - all))
}
