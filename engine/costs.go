package engine

import (
	"time"

	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/queue"
)

// costs knows which code of users takes long, so that a worker can tell before it runs it. What has not run yet is taken for cheap. One
// long run says little: the operating system may have taken the processor away meanwhile. So it takes two, with few short ones between.
type costs struct {
	operations map[*instances.Operation]cost // of those that have lately taken long
	functions  map[*routines.Function]cost   // likewise, from one call to the next
}

// cost is how long code of users has lately taken.
type cost struct {
	trust      int           // 2 for each long run, at most maxTrust; -1 for each short one, until there is nothing to be known
	last, time time.Duration // of the last long run, and the less of the last two
}

const (
	// longCode is how long code of users takes at least that is known as costly.
	longCode = 50 * time.Microsecond
	maxTrust = 8
)

// known is the time that a run is going to take; 0 if it is not known to be long.
func (c cost) known() time.Duration {
	if c.trust <= 2 {
		return 0
	}
	return c.time
}

// note keeps how long a run took.
func note[K comparable](of map[K]cost, what K, d time.Duration) map[K]cost {
	c, known := of[what]
	switch {
	case d > longCode:
		c.trust, c.time, c.last = min(c.trust+2, maxTrust), min(c.last, d), d
		if of == nil {
			of = map[K]cost{}
		}
		of[what] = c
	case known && c.trust > 1:
		c.trust--
		of[what] = c
	case known:
		delete(of, what)
	}
	return of
}

// any reports whether any code of users has lately taken long.
func (k *costs) any() bool { return len(k.operations)+len(k.functions) > 0 }

// of is how long the code of users takes that a message runs; 0 if not for long.
func (k *costs) of(m *message) time.Duration {
	if m.kind.runsOperation() {
		return k.operations[m.call().op].known()
	}
	if f := m.runsBody(); f != nil {
		return k.functions[f].known()
	}
	return 0
}

// isLong reports whether the body of a coordinator function takes long.
func (k *costs) isLong(f *routines.Function) bool { return k.functions[f].known() > 0 }

// runsOperation reports whether a message runs an operation.
func (k kind) runsOperation() bool { return k == msgCall || k == msgPrepare || k == msgGranted }

// runsBody is the coordinator function whose body a message runs; nil if it runs none.
func (m *message) runsBody() *routines.Function {
	switch m.kind {
	case msgVote:
		return m.call().coord.function
	case msgStart, msgGoOn, msgWake:
		return m.coord().function
	}
	return nil
}

// fairLine is messages that have begun and take long. A job is a run of a coordinator function, or of clients' calls those of one operation,
// and the time is the worker's. So a hundred sagas with steps of 20 ms each do not stand before another call that takes as long.
type fairLine = queue.Fair[jobKey, message]

// jobKey tells jobs apart: a run, or an operation; neither for what a message began that nobody waits for.
type jobKey struct {
	run uint64
	op  *instances.Operation
}

// job is what a message belongs to.
func (m *message) job() jobKey {
	switch about := m.about.(type) {
	case *coord:
		return jobKey{run: about.id}
	case *call:
		if about.coord != nil {
			return jobKey{run: about.coord.id}
		}
		if about.req != nil {
			return jobKey{op: about.op}
		}
	}
	return jobKey{}
}

// isRunOf reports whether a message runs a call of a coordinator function or a client. The vote of a call that has run is another's to take.
func (m *message) isRunOf(c *call) bool { return m.call() == c && m.kind.runsOperation() }

// takeOutOf takes the message that runs a call out of a line, if it is there.
func takeOutOf(line *fairLine, c *call) (message, bool) {
	return line.TakeOut((&message{about: c}).job(), func(m *message) bool { return m.isRunOf(c) })
}
