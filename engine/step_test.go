package engine_test

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/locks"
)

// TestStepped runs the whole engine in one thread from a seed, under each policy and number of workers, and then once more: two
// runs with one seed give the same trace, line for line, and another seed gives another. The books are in order at the end. And
// the runs did something: each kind of message was handled, epochs were cut by force, deadlocks broken.
func TestStepped(t *testing.T) {
	total := &stepCount{kinds: map[string]int{}}
	for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
		for workers := 1; workers <= 3; workers++ {
			t.Run(fmt.Sprintf("%v-%d", policy, workers), func(t *testing.T) {
				seed := uint64(10*int(policy) + workers)
				first := tracedRun(t, seed, policy, workers, total)
				second := tracedRun(t, seed, policy, workers, total)
				compareTraces(t, first, second)
				if other := tracedRun(t, seed+1000, policy, workers, total); traceHash(other) == traceHash(first) {
					t.Error("another seed gives the same trace")
				}
			})
		}
	}
	t.Logf("%+v", *total)
	for _, kind := range []string{
		"call", "prepare", "lock", "withdraw", "granted", "commit", "abort", "done", "vote", "conflict", "start", "go-on", "cut", "sealed",
	} {
		if total.kinds[kind] < 20 {
			t.Errorf("%q happened %d times only: the test tests too little", kind, total.kinds[kind])
		}
	}
	s := total.stats
	if s.Retries < 20 || s.Deadlocks < 20 || s.Carried < 20 || total.fired < 20 || total.records < 100 || total.outcomes < 500 {
		t.Errorf("too little happened: %+v", *total)
	}
}

// stepCount counts what happened over several runs.
type stepCount struct {
	kinds                    map[string]int // lines of traces
	stats                    engine.Stats
	fired, records, outcomes int
}

var traceKind = regexp.MustCompile(`^(?:worker \d+: )?([a-z-]+)`)

func tracedRun(t *testing.T, seed uint64, policy locks.Policy, workers int, total *stepCount) (trace []string) {
	t.Helper()
	d := sim.NewDriver(seed)
	d.Options.Policy, d.Options.Workers = policy, workers
	d.Options.Events = sim.Lines(func(line string) { trace = append(trace, line) })
	must(t, d.Open())
	must(t, d.Run(150))
	must(t, d.Settle())
	must(t, d.Decide())
	if n, first := d.Waiting(); n > 0 || d.Refused > 0 {
		t.Errorf("%d orders wait, the first: %+v; %d were refused", n, first, d.Refused)
	}
	b, err := d.Books()
	must(t, err)
	for _, wrong := range (&sim.Audit{Books: b, World: d.World, Outcomes: d.Outcomes, Decided: d.Decided}).Check(d.Orders) {
		t.Error(wrong)
	}
	must(t, d.Wrong())
	total.add(trace, d, b)
	must(t, d.Engine.Close())
	return trace
}

func (c *stepCount) add(trace []string, d *sim.Driver, b *sim.Books) {
	for _, line := range trace {
		c.kinds[traceKind.FindStringSubmatch(line)[1]]++
	}
	stats := d.Engine.Stats()
	c.stats.Epochs += stats.Epochs
	c.stats.Retries += stats.Retries
	c.stats.Deadlocks += stats.Deadlocks
	c.stats.Carried += stats.Carried
	for _, sink := range b.Sinks {
		c.fired += len(sink.Fired)
	}
	c.records += len(b.Records)
	c.outcomes += len(d.Outcomes)
}

func traceHash(trace []string) uint64 {
	h := fnv.New64a()
	for _, line := range trace {
		fmt.Fprintln(h, line)
	}
	return h.Sum64()
}

func compareTraces(t *testing.T, a, b []string) {
	t.Helper()
	if traceHash(a) == traceHash(b) {
		return
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("the traces part at line %d of %d and %d:\n%s\nfirst:  %s\nsecond: %s", i, len(a), len(b),
				strings.Join(a[max(0, i-5):i], "\n"), a[i], b[i])
		}
	}
	t.Fatalf("one trace has %d lines, the other %d", len(a), len(b))
}
