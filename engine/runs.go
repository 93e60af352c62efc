package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
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
func runsOf(env *functions.Envelope) int64 {
	if env.Op != nil {
		return 0
	}
	return weightOf(env)
}

// toBackground counts a run that no client's place counts for.
func (w *worker) toBackground(c *coord) {
	if !c.background {
		c.background = true
		w.background += weight(c.input)
	}
}

// endBackground ends that.
func (w *worker) endBackground(c *coord) {
	if c.background {
		c.background = false
		w.background -= weight(c.input)
	}
}

// checkRuns reports whether there is room for the coordinator functions that an operation's messages and timers start.
func (w *worker) checkRuns(e *functions.Effects) error {
	more := int64(0)
	for i := range e.Sends {
		more += runsOf(&e.Sends[i])
	}
	for i := range e.Timers {
		more += runsOf(&e.Timers[i].Message)
	}
	if limit := int64(w.engine.options.MaxRuns); more > 0 && w.engine.background.Load()+w.background+more > limit {
		return fmt.Errorf("%w: %d", ErrTooManyRuns, limit)
	}
	return nil
}

// tooManyRuns is the error for a start from outside while there are as many as may be, or nil.
func (e *Engine) tooManyRuns(env *functions.Envelope) error {
	if limit := int64(e.options.MaxRuns); env.Op == nil && e.background.Load() >= limit {
		return fmt.Errorf("%w: %d coordinator functions are under way that no client waits for: Options.MaxRuns", ErrOverloaded, limit)
	}
	return nil
}

// countJournal counts what a saga's journal has by now.
func (w *worker) countJournal(c *coord) {
	bytes := int64(c.saga.Bytes())
	w.countJournals(bytes - c.journal)
	c.journal = bytes
}

// dropJournal ends that: the saga is over.
func (w *worker) dropJournal(c *coord) {
	w.countJournals(-c.journal)
	c.journal = 0
}

func (w *worker) countJournals(bytes int64) {
	const portion = 1 << 16
	if w.journals += bytes; w.journals >= portion || w.journals <= -portion {
		w.engine.journals.Add(w.journals)
		w.journals = 0
	}
}

// shareJournals tells a saga how much room the others leave for its journal.
func (w *worker) shareJournals(c *coord) {
	all := w.engine.journals.Load() + w.journals + int64(c.saga.Bytes()) - c.journal
	c.saga.Share(int(w.engine.options.MaxJournalsBytes - all))
}
