// Package clock has the two times that an engine goes by ([Times]): that of a wall clock, which may jump, and engine time, which does not.
package clock

import (
	"math"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/internal/format"
)

// Clock tells the wall time, which may be set forward and back at any moment, and wakes.
type Clock interface {
	Now() time.Time
	// Wake calls f once, about at the given time, on a goroutine of its own, and forgets an earlier Wake. An engine that has
	// timers looks at the time by itself now and then, so that a Wake which does not notice that the clock was set does no harm.
	Wake(at time.Time, f func())
}

// ElapsedClock is a [Clock] that also tells how much time has passed. With a Clock that does not, an engine goes by the process's
// own monotonic clock.
type ElapsedClock interface {
	Clock
	// Elapsed is the time since some moment in the past. It never goes back and never jumps, whatever is done to the wall clock.
	Elapsed() time.Duration
}

// Times are the two times that an engine goes by.
//
// Wall time is for what users ask for in wall time: timers, the sleeps of sagas, functions.Ctx.Now, and what people read.
//
// Engine time is for what must not hang on the wall clock: how old an outcome is, when a compensation is tried again, how long an
// epoch has gone on. It counts the nanoseconds in which an engine ran on the directory, from the wall time of its making on. So it
// goes on over restarts from where the last sealed epoch left it, and time in which no engine ran does not count.
type Times struct {
	Wall    Clock
	Elapsed func() time.Duration
	Opened  time.Time // elapsed counts from here, on the clock that wall is; zero if that is somebody else's
	base    int64     // the engine time at which elapsed was zero
}

func New(c Clock) Times {
	if e, ok := c.(ElapsedClock); ok {
		return Times{Wall: c, Elapsed: e.Elapsed}
	}
	opened := time.Now()
	made := Times{Wall: c, Elapsed: func() time.Duration { return time.Since(opened) }}
	if _, ok := c.(*Real); ok {
		made.Opened = opened
	}
	return made
}

// Both is wall.Now and elapsed, at the cost of one of them where it can be.
func (c *Times) Both() (wall time.Time, elapsed time.Duration) {
	if c.Opened.IsZero() {
		return c.Wall.Now(), c.Elapsed()
	}
	now := time.Now()
	return now, now.Sub(c.Opened)
}

// Unix is the wall time in nanoseconds.
func (c *Times) Unix() int64 { return format.UnixNano(c.Wall.Now()) }

// First is the engine time at which an engine begins whose directory was made, or used by a program that went by the wall clock, at a
// wall time: it leaves room for a century of engine time, whatever the wall clock shows.
func First(made time.Time) int64 { return min(max(format.UnixNano(made), 1), lastFirstTime) }

const lastFirstTime = math.MaxInt64 - 100*365*24*int64(time.Hour)

// Storable is a wall time as a row can have it.
func Storable(t time.Time) time.Time {
	if year := t.Year(); year < 1 || year > 9999 {
		return time.Unix(0, format.UnixNano(t))
	}
	return t
}

// GoOnFrom sets the engine time.
func (c *Times) GoOnFrom(now int64) { c.base = now - int64(c.Elapsed()) }

// Now is the engine time.
func (c *Times) Now() int64 {
	return c.base + int64(c.Elapsed())
}

type Real struct {
	mu    sync.Mutex
	timer *time.Timer
}

func (*Real) Now() time.Time { return time.Now() }

func (c *Real) Wake(at time.Time, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.timer = time.AfterFunc(time.Until(at), f)
}
