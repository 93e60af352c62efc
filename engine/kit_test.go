package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

var ctx = context.Background()

// handClock is a wall clock that a test sets by hand.
type handClock struct {
	mu  sync.Mutex
	now time.Time
	at  time.Time
	f   func()
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) Wake(at time.Time, f func()) {
	c.mu.Lock()
	c.at, c.f = at, f
	c.mu.Unlock()
	c.move(0)
}

// move sets the clock, forward or back.
func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	if c.f != nil && !c.at.After(c.now) {
		go c.f()
		c.f = nil
	}
}

// passingClock is a handClock on which time can also pass.
type passingClock struct {
	*handClock
	elapsed atomic.Int64
	during  func() // called when some time is about to pass
	once    func() // likewise, after that, but once
}

func newPassingClock() *passingClock { return &passingClock{handClock: newHandClock()} }

func (c *passingClock) Elapsed() time.Duration { return time.Duration(c.elapsed.Load()) }

// pass lets d pass.
func (c *passingClock) pass(d time.Duration) {
	if c.during != nil && d > 0 {
		c.during()
	}
	if f := c.once; f != nil && d > 0 {
		c.once = nil
		f()
	}
	c.elapse(d)
}

// elapse is pass without those who wait for it.
func (c *passingClock) elapse(d time.Duration) {
	c.elapsed.Add(int64(d))
	c.move(d)
}

// logLines collects what an engine logs.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// line returns the first line with all these words, or "".
func (l *logLines) line(words ...string) string {
next:
	for line := range strings.Lines(l.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		return line
	}
	return ""
}

// eventually waits for a fact that is to come true soon.
func eventually(t testing.TB, what string, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !fact(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in 20 seconds it did not come true: %s", what)
		}
	}
}

// wantErr checks that an error is what was expected, and says all the words.
func wantErr(t testing.TB, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	if err == nil {
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

// ask is engine.Ask for tests in which it has to succeed.
func ask[R any](t testing.TB, e *engine.Engine, q functions.RequestReturning[R]) R {
	t.Helper()
	answer, err := engine.Ask(ctx, e, q)
	must(t, err)
	return answer
}

// Notes are instances that write down what is said to them.
type noteState struct {
	Lines []int
	Timer functions.TimerID
}

const errRude functions.Failure = "test: rude"

var (
	notes   = functions.NewType[noteState]("test/note")
	newNote = functions.Create(notes, "new", func(*functions.Ctx, *noteState, int) error { return nil })
	jot     = functions.Update(notes, "jot", func(_ *functions.Ctx, n *noteState, line int) error { n.Lines = append(n.Lines, line); return nil })
	lines   = functions.View(notes, "lines", func(_ *functions.Ctx, n noteState) ([]int, error) { return n.Lines, nil })
	burn    = functions.Delete(notes, "burn", func(*functions.Ctx, *noteState) error { return nil })
	jotThen = functions.Update(notes, "jot-then-fail", func(_ *functions.Ctx, n *noteState, line int) error {
		n.Lines = append(n.Lines, line)
		return fmt.Errorf("%w: %d", errRude, line)
	})
	jotPanic = functions.Update(notes, "jot-then-panic", func(_ *functions.Ctx, n *noteState, line int) error { n.Lines = append(n.Lines, line); panic("ouch") })
)

// open1 opens an engine on a directory; close it with Close before the directory is opened again.
func reopen(t testing.TB, e *engine.Engine, o engine.Options, parts ...functions.Part) *engine.Engine {
	t.Helper()
	must(t, e.Close())
	return open(t, o, parts...)
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o644))
}
