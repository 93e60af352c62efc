package sim

import (
	"sync"
	"time"
)

// Clock is an clock.ElapsedClock that only its owner moves. What it shows may jump either way; what has elapsed goes on steadily.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	at      time.Time
	f       func()
	fired   int
	elapsed time.Duration
}

// NewClock makes a clock that shows the given time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now implements clock.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Wake implements clock.Clock. The function is called by the Advance that reaches the time, on the caller's goroutine.
func (c *Clock) Wake(at time.Time, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.f = at, f
}

// Advance moves the time, and wakes who is due.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	c.elapsed += d
	c.mu.Unlock()
	c.Jump(d)
}

// Elapsed implements clock.ElapsedClock: the time that has passed, jumps left out.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Jump sets the clock forward, or back, and wakes who is due.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	f := c.f
	if f == nil || c.at.After(c.now) {
		f = nil
	} else {
		c.f = nil
		c.fired++
	}
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// Drift moves the time and wakes nobody: they are late until the next Advance. It may be called while the engine does something.
func (c *Clock) Drift(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.elapsed += d
}

// UntilWake is how long it is until somebody is to be woken, and whether anybody is.
func (c *Clock) UntilWake() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.at.Sub(c.now)), c.f != nil
}

// Fired counts the wakes.
func (c *Clock) Fired() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fired
}
