package engine

import (
	"sync/atomic"
	"time"
)

// lookout tells workers when to look at the time.
//
// An epoch and a round that go on for too long are ended between two messages. To look at the time after each message costs as much as
// a tenth of it, so while messages are cheap a worker looks only after each round. But a message may have become costly all at once, and
// two hundred of them may be left of the round. So a timer of the operating system says when half of MaxDrain is over since an epoch
// opened: from then on, until the next one opens, workers look after each message. The timer is armed at most once in that time, and
// fires once more at most when the engine is at rest.
//
// With a clock of somebody else's there is no timer, and workers always look.
type lookout struct {
	timer *time.Timer
	armed atomic.Bool
	due   atomic.Bool
}

// start begins it when the engine is opened. Without a timer of its own workers always look.
func (l *lookout) start(timer bool) {
	if !timer {
		l.due.Store(true)
		return
	}
	l.timer = time.AfterFunc(time.Hour, func() {
		l.armed.Store(false)
		l.due.Store(true)
	})
	l.timer.Stop()
}

// opened is called when an epoch opens.
func (l *lookout) opened(in time.Duration) {
	if l.timer == nil {
		return
	}
	if l.due.Load() {
		l.due.Store(false)
	}
	if l.armed.CompareAndSwap(false, true) {
		l.timer.Reset(in)
	}
}

func (l *lookout) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}
