package transactions_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/concordat-dev/concordat/locks"
)

// TestTraces runs the scripts in testdata. Their expected output is the trace of all messages, so that the protocol can be read
// there; -rewrite writes it anew. The commands:
//
//	world policy=detect attempts=5    a new world
//	a 100                             an account each, with its balance
//	begin T1                          start a transaction; its body is the input, see script
//	plain P1                          a call without transaction, e.g. credit a 5
//	deliver                           deliver messages in the order given, a line each: "T1 a" is the oldest from T1 to a
//	run                               deliver what there is, oldest first, until all is quiet; break deadlocks; until nothing is left
//	quiet                             the same, without looking for deadlocks
//	conflict T1 attempt=1             tell a transaction that it has to give way
//	cancel T1                         doom a transaction for good
//	show                              accounts and locks
func TestTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			w := newWorld()
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				w.trace.Reset()
				if d.Cmd == "world" {
					w.checkQuiet(t)
					w = newWorld()
				}
				w.command(t, d)
				return w.trace.String()
			})
			w.checkQuiet(t)
		})
	}
}

func (w *world) command(t *testing.T, d *datadriven.TestData) {
	input := lines(d.Input)
	switch d.Cmd {
	case "world":
		w.setUp(t, d, input)
	case "begin":
		w.begin(d.CmdArgs[0].Key, input)
	case "plain":
		call, _ := new(script).call(strings.Fields(input[0]))
		w.plain(d.CmdArgs[0].Key, call)
		w.tell("ok")
	case "deliver":
		for _, line := range input {
			ends := strings.Fields(line)
			i := w.next(ends[0], ends[1])
			if i < 0 {
				t.Errorf("%s: nothing is on its way from %s to %s", d.Pos, ends[0], ends[1])
				return
			}
			w.deliver(i)
		}
	case "quiet":
		w.quiet()
	case "run":
		for w.quiet(); w.untangle(); w.quiet() {
		}
	case "conflict":
		var attempt uint32
		d.ScanArgs(t, "attempt", &attempt)
		victim := w.txs[d.CmdArgs[0].Key]
		w.tell("%s: told to give way in attempt %d", victim.name, attempt)
		w.act(victim, victim.machine.Conflict(attempt, nil))
	case "cancel":
		victim := w.txs[d.CmdArgs[0].Key]
		w.act(victim, victim.machine.Cancel(fmt.Errorf("%w: cancelled", errScript), nil))
	case "revoke":
		victim := w.txs[d.CmdArgs[0].Key]
		begun, acts := victim.machine.Revoke(errRevoked, nil)
		w.tell("%s: told to end, was not over: %v", victim.name, begun)
		w.act(victim, acts)
	case "show":
		w.show()
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
}

func lines(input string) []string {
	return slices.DeleteFunc(strings.Split(input, "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
}

func (w *world) setUp(t *testing.T, d *datadriven.TestData, input []string) {
	policy := "detect"
	d.MaybeScanArgs(t, "policy", &policy)
	d.MaybeScanArgs(t, "attempts", &w.maxAttempts)
	var err error
	if w.policy, err = locks.ParsePolicy(policy); err != nil {
		d.Fatalf(t, "%v", err)
	}
	for _, line := range input {
		id, text, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.set(id, n)
	}
	w.tell("ok")
}

// quiet delivers messages, oldest first, until none is left.
func (w *world) quiet() {
	for len(w.network) > 0 {
		w.deliver(0)
	}
}

func (w *world) show() {
	for _, id := range slices.Sorted(maps.Keys(w.seats)) {
		s := w.seats[id]
		text := fmt.Sprintf("%s: %s", id, showImage(s.Committed()))
		if now := show(&s.Cell); now != showImage(s.Committed()) {
			text += ", undecided " + now
		}
		for level, c := range s.Lock.Levels {
			verb, mode := "holds", c.Held()
			if level > 0 {
				verb, mode = "waits for", c.Wanted()
			}
			text += fmt.Sprintf("; %s %s %v", c.Ref.Ref.tx.name, verb, mode)
		}
		w.tell("%s", text)
	}
}

// checkQuiet fails the test if a script ends with work left, or a lock held by somebody who is over.
func (w *world) checkQuiet(t *testing.T) {
	t.Helper()
	if len(w.network) > 0 {
		t.Errorf("%d messages are still on their way", len(w.network))
	}
	for name, x := range w.txs {
		if !x.over {
			t.Errorf("%s has not ended", name)
		}
	}
	for id, s := range w.seats {
		if !s.Lock.Free() {
			t.Errorf("%s is still locked", id)
		}
	}
}
