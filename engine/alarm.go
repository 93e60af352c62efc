package engine

import (
	"math"
	"time"

	"github.com/concordat-dev/concordat/internal/format"
)

// lookAgain is how long an engine with timers goes without looking at the wall clock: it may have been set, or the machine may have
// slept.
const lookAgain = time.Second

// armClock asks the clock to wake the engine when the next timer is due, or to look again. The conductor calls it.
func (e *Engine) armClock() {
	delay, any := e.untilDue()
	if !any || e.frozen.Load() {
		return
	}
	if !e.options.Seams.Stepped {
		delay = min(delay, lookAgain)
	}
	now := e.clocks.Wall.Now()
	next := format.DueAfter(now, delay)
	if armed := e.armed.Load(); armed != 0 && armed <= next {
		return
	}
	e.armed.Store(next)
	e.clocks.Wall.Wake(now.Add(delay), func() {
		e.armed.CompareAndSwap(next, 0)
		e.gate.nudge()
	})
}

// untilDue is how long it takes until the next timer is due, as the clocks go now; false if there is none.
func (e *Engine) untilDue() (delay time.Duration, any bool) {
	delay = math.MaxInt64
	for _, w := range e.workers {
		if t := w.timers.first(); t != nil {
			delay, any = min(delay, until(t.due, e.clocks.Unix())), true
		}
		if t := w.backOffs.first(); t != nil {
			delay, any = min(delay, until(t.due, e.clocks.Now())), true
		}
	}
	return delay, any
}

// until is how long it takes from one time to another, at most what a Duration can tell; 0 if that is over.
func until(due, now int64) time.Duration {
	switch {
	case due <= now:
		return 0
	case now < 0 && due > math.MaxInt64+now:
		return math.MaxInt64
	}
	return time.Duration(due - now)
}
