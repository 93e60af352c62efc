package jsonlines_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/values"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr checks that an error is what was expected, and says all the words.
func wantErr(t testing.TB, err, want error, words ...string) {
	t.Helper()
	if err == nil || !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
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

// A teller emits records.
type talker struct{ Said int }

type news struct {
	Text string
	N    int
}

const errRude functions.Failure = "test: rude"

var (
	wire      = functions.NewEgress[news]("wire")
	tellers   = functions.NewType[talker]("test/teller")
	newTeller = functions.Create(tellers, "new", func(*functions.Ctx, *talker, int) error { return nil })
	tell      = functions.Update(tellers, "tell", func(ctx *functions.Ctx, s *talker, n int) error {
		for range n {
			s.Said++
			ctx.Emit(wire.Record(ctx.Self().ID, news{"tell", s.Said}))
		}
		return nil
	})
	told = functions.View(tellers, "told", func(_ *functions.Ctx, s talker) (int, error) { return s.Said, nil })
)

// open opens an engine of tellers, which the test closes if nobody has by its end.
func open(t testing.TB, o engine.Options, parts ...functions.Part) *engine.Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.ReserveBytes = -1
	e, err := engine.Open(o, append(parts, tellers)...)
	must(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// refuses checks that an engine does not open, and that the error says why.
func refuses(t *testing.T, o engine.Options, words ...string) {
	t.Helper()
	o.Dir, o.ReserveBytes = t.TempDir(), -1
	e, err := engine.Open(o, tellers)
	if err == nil {
		must(t, e.Close())
		t.Fatalf("the engine opens; it should have failed with %q", words)
	}
	wantErr(t, err, err, words...)
}

// closeLeaving closes an engine whose egress "wire" does not take its last n records.
func closeLeaving(t *testing.T, e *engine.Engine, n int) {
	t.Helper()
	over, cancel := context.WithCancel(ctx)
	cancel()
	err := e.Close(over)
	wantErr(t, err, err, `egress "wire"`, fmt.Sprintf("not taken %d records", n))
}

// saidBy is how many records a teller has emitted.
func saidBy(t testing.TB, e *engine.Engine, id string) int {
	t.Helper()
	n, err := engine.Ask(ctx, e, told.On(id))
	must(t, err)
	return n
}

func record(t testing.TB, seq int, key string, value any) engine.Record {
	t.Helper()
	data, err := values.Encode(value)
	must(t, err)
	return engine.Record{Seq: uint64(seq), Key: key, Value: data}
}

func records(t testing.TB, first, n int) (all []engine.Record) {
	for i := range n {
		all = append(all, record(t, first+i, fmt.Sprint("key-", first+i), news{"text\n", first + i}))
	}
	return all
}

// position opens the file as an engine does.
func position(t testing.TB, g engine.Egress, want uint64) {
	t.Helper()
	got, err := g.Position()
	must(t, err)
	if got != want {
		t.Fatalf("the position is %d, want %d", got, want)
	}
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
