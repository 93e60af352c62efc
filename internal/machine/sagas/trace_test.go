package sagas_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

// TestTraces runs the scripts in testdata. Their expected output is the trace of all that happens, so that the protocol can be read
// there; -rewrite writes it anew. The commands:
//
//	world tries=3             a new world
//	a 100                     an account each, with its balance
//	saga                      start a saga; its body is the input, see script
//	fault credit b times=2    the next calls of an operation on an account fail
//	reply 2                   answer the call, or compensation, of step 2
//	quiet                     answer all calls and compensations, the oldest first
//	advance 5s                let time pass
//	run                       all of this until nothing is left to do
//	cancel
//	decide retry              what a person decides about a stuck saga: retry, skip, mark-done
//	crash [after=3] [unknown=credit]   go on from what was written last, or after the n-th event; the input is the new body, if any
//	crash-everywhere          run to the end; then again with a crash after each event, and compare
//	journal                   what is recorded
//	result                    what users can see
func TestTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			w := newWorld(3)
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "world" {
					w.checkOver(t)
					w = newWorld(3)
				}
				w.trace.Reset()
				w.command(t, d)
				return w.trace.String()
			})
			w.checkOver(t)
		})
	}
}

// checkOver fails the test if a script leaves a saga behind that is neither over nor stuck.
func (w *world) checkOver(t *testing.T) {
	t.Helper()
	if w.machine != nil && !w.over() && w.machine.Phase != sagas.Stuck {
		t.Errorf("the saga is %v", w.machine.Phase)
	}
}

func (w *world) command(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "world":
		w.setUp(t, d)
	case "saga":
		w.begin(lines(d.Input), sagas.Journal{})
	case "fault":
		var times int
		d.ScanArgs(t, "times", &times)
		w.disk.faults[d.CmdArgs[0].Key+" "+d.CmdArgs[1].Key] = times
		w.tell("ok")
	case "reply":
		step, err := strconv.Atoi(d.CmdArgs[0].Key)
		i := slices.IndexFunc(w.pending, func(a sagas.Action) bool { return a.Entry == step-1 && a.Due == 0 })
		if err != nil || i < 0 {
			t.Errorf("%s: nothing to reply to: %v", d.Pos, err)
			return
		}
		w.answer(i)
	case "quiet":
		w.quiet()
	case "run":
		w.finishAll()
	case "advance":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.advance(w.now + by)
	case "crash-everywhere":
		w.crashEverywhere(t, d)
	case "result":
		w.tell("%s", w.result())
	default:
		w.intervene(t, d)
	}
}

// intervene runs the commands that people give, and crashes.
func (w *world) intervene(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "cancel":
		ok, acts := w.machine.Cancel(saga.ErrCancelled, nil)
		w.tell("cancelled: %v", ok)
		w.act(acts)
	case "decide":
		decisions := map[string]saga.Decision{"retry": saga.Retry, "skip": saga.Skip, "mark-done": saga.MarkDone}
		ok, acts := w.machine.Decide(decisions[d.CmdArgs[0].Key], nil)
		w.tell("decided: %v", ok)
		w.act(acts)
	case "crash":
		after, unknown, body := len(w.writes), "", w.script.lines
		d.MaybeScanArgs(t, "after", &after)
		d.MaybeScanArgs(t, "unknown", &unknown)
		if d.Input != "" {
			body = lines(d.Input)
		}
		w.unknown = map[string]bool{unknown: true}
		if err := w.crash(after-1, body); err != nil {
			d.Fatalf(t, "%v", err)
		}
	case "journal":
		w.journal()
	default:
		d.Fatalf(t, "unknown command %s", d.Cmd)
	}
}

func lines(input string) []string {
	return slices.DeleteFunc(strings.Split(input, "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
}

func (w *world) setUp(t *testing.T, d *datadriven.TestData) {
	d.MaybeScanArgs(t, "tries", &w.tries)
	for _, line := range lines(d.Input) {
		id, text, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.set(id, n)
	}
	w.tell("ok")
}

// crashEverywhere runs the saga in the input to its end, and tells how; and then with a crash after each event.
func (w *world) crashEverywhere(t *testing.T, d *datadriven.TestData) {
	start := w.disk.clone()
	again := func() *world {
		fresh := newWorld(w.tries)
		fresh.disk = start.clone()
		return fresh
	}
	w.begin(lines(d.Input), sagas.Journal{})
	w.finishAll()
	want := w.result()
	w.trace.Reset()
	w.tell("%s", want)
	for n := range len(w.writes) {
		crashed := again()
		crashed.begin(lines(d.Input), sagas.Journal{})
		for len(crashed.writes) <= n {
			crashed.step()
		}
		crashed.tell("CRASH")
		if err := crashed.crash(n, lines(d.Input)); err != nil {
			t.Error(err)
			return
		}
		crashed.finishAll()
		verdict := "the same"
		if got := crashed.result(); got != want {
			verdict = got + "\n" + crashed.trace.String()
		}
		w.tell("crash after event %d: %s", n+1, verdict)
	}
}

// step answers one call, or lets time pass up to the next thing that is due.
func (w *world) step() {
	for i, a := range w.pending {
		if a.Due == 0 {
			w.answer(i)
			return
		}
	}
	due := slices.MinFunc(w.pending, func(a, b sagas.Action) int { return int(a.Due - b.Due) }).Due
	w.advance(time.Duration(due))
}

var entryStates = map[sagas.StepState]string{sagas.Issued: "issued", sagas.Succeeded: "succeeded", sagas.Failed: "failed"}

var undoStates = map[sagas.UndoState]string{sagas.NotUndone: "", sagas.Compensated: ", compensated", sagas.Skipped: ", skipped"}

func (w *world) journal() {
	w.tell("%v", w.machine.Phase)
	for i, e := range w.machine.Entries {
		what := fmt.Sprintf("sleep until %v", time.Duration(e.Due))
		if e.Step.Sleep == 0 {
			what = show(e.Step.Call)
		}
		undo := ""
		if e.Step.HasUndo {
			undo = " undo " + show(e.Step.Undo)
		}
		w.tell("%d: group %d: %s%s: %s%s, %d tries, %v", i+1, e.Group, what, undo, entryStates[e.State], undoStates[e.Undo], e.Tries, e.Step.Err)
	}
}
