package sagas_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

var initial = map[string]int64{"a": 30, "b": 10, "c": 0}

func drawWorld(t *rapid.T) *world {
	w := newWorld(rapid.IntRange(1, 3).Draw(t, "tries"))
	for id, n := range initial {
		w.set(id, n)
	}
	for range rapid.IntRange(0, 3).Draw(t, "faults") {
		op := rapid.SampledFrom([]string{"credit", "debit"}).Draw(t, "faulty")
		id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "at")
		w.disk.faults[op+" "+id] = rapid.IntRange(1, 4).Draw(t, "times")
	}
	return w
}

func drawBody(t *rapid.T) (lines []string) {
	for range rapid.IntRange(0, 5).Draw(t, "statements") {
		lines = append(lines, drawStatement(t))
	}
	return lines
}

func drawStatement(t *rapid.T) string {
	switch rapid.IntRange(0, 9).Draw(t, "statement") {
	case 0:
		return "sleep 1h"
	case 1:
		return "x = balance " + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "of")
	case 2:
		return "try " + drawStep(t)
	case 3:
		return "else " + drawStep(t)
	case 4:
		return "if x > 10 " + drawStep(t)
	case 5:
		return "if x < 20 fail"
	case 6, 7:
		return drawStep(t) + " & " + drawStep(t) + " & " + drawStep(t)
	}
	return drawStep(t)
}

func drawStep(t *rapid.T) string {
	id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "account")
	n := rapid.IntRange(1, 20).Draw(t, "amount")
	switch rapid.IntRange(0, 4).Draw(t, "step") {
	case 0:
		return fmt.Sprintf("debit %s %d noundo", id, n)
	case 1, 2:
		return fmt.Sprintf("debit %s %d undo credit %s %d", id, n, id, n)
	}
	return fmt.Sprintf("credit %s %d undo debit %s %d", id, n, id, n)
}

// TestSagasEnd runs random sagas with calls and compensations that fail, answers in random order, crashes, cancellations, and people
// that decide about those that are stuck. Each ends as done or undone, and a compensation never runs before, without, or twice for its
// step.
func TestSagasEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		body := drawBody(t)
		w.begin(body, sagas.Journal{})
		cancelled, skipped := false, false
		for step := 0; !w.over(); step++ {
			if step > 1000 {
				t.Fatalf("it does not end:\n%s", w.trace.String())
			}
			choice := rapid.IntRange(0, 9).Draw(t, "choice")
			switch {
			case w.machine.Phase == sagas.Stuck:
				d := rapid.SampledFrom([]saga.Decision{saga.Retry, saga.Retry, saga.Skip, saga.MarkDone}).Draw(t, "decision")
				skipped = skipped || d != saga.Retry
				_, acts := w.machine.Decide(d, nil)
				w.act(acts)
			case choice == 0:
				if err := w.crash(len(w.writes)-1, body); err != nil {
					t.Fatal(err)
				}
			case choice == 1 && rapid.Bool().Draw(t, "cancel"):
				ok, acts := w.machine.Cancel(saga.ErrCancelled, nil)
				cancelled = cancelled || ok
				w.act(acts)
			default:
				w.answerAny(t)
			}
		}
		if w.machine.Phase == sagas.Done && cancelled {
			t.Fatalf("cancelled, and done:\n%s", w.trace.String())
		}
		if err := w.checkEnd(skipped); err != nil {
			t.Fatalf("%v:\n%s\n%s", err, w.result(), w.trace.String())
		}
	})
}

// answerAny answers something that is pending; time passes as far as that needs.
func (w *world) answerAny(t *rapid.T) {
	i := rapid.IntRange(0, len(w.pending)-1).Draw(t, "answer")
	if due := time.Duration(w.pending[i].Due); due > 0 {
		w.now = max(w.now, due)
	}
	w.answer(i)
}

// checkEnd compares what was done with what the journal says was done.
func (w *world) checkEnd(skipped bool) error {
	balances := map[string]int64{"a": initial["a"], "b": initial["b"], "c": initial["c"]}
	for i, e := range w.machine.Entries {
		step, undo := fmt.Sprint(i+1), fmt.Sprint("undo ", i+1)
		did, undid := w.disk.done[step], w.disk.done[undo]
		succeeded := e.State == sagas.Succeeded && e.Step.Sleep == 0
		switch {
		case did > 1 || undid > 1 || undid > did:
			return fmt.Errorf("step %d was done %d times and undone %d times", i+1, did, undid)
		case (did == 1) != succeeded || (undid == 1) != (e.Undo == sagas.Compensated):
			return fmt.Errorf("step %d was done %d times and undone %d times, the journal says otherwise", i+1, did, undid)
		case undid == 1 && slices.Index(w.disk.order, undo) < slices.Index(w.disk.order, step):
			return fmt.Errorf("step %d was undone before it was done", i+1)
		case w.machine.Phase == sagas.Done && undid > 0:
			return fmt.Errorf("step %d of a saga that is done was undone", i+1)
		case w.machine.Phase == sagas.Undone && succeeded && e.Step.HasUndo && undid == 0 && !skipped:
			return fmt.Errorf("step %d was left standing", i+1)
		}
		if did == 1 {
			move(balances, e.Step.Call, 1)
		}
		if undid == 1 {
			move(balances, e.Step.Undo, 1)
		}
	}
	for id, n := range balances {
		if got := w.balance(id); got != n {
			return fmt.Errorf("%s has %d, want %d", id, got, n)
		}
	}
	return w.checkOrder()
}

func move(balances map[string]int64, env instances.Envelope, sign int64) {
	var n int64
	if codec.Decode(env.Encoded(), &n) != nil || env.Op.Name == "balance" {
		return
	}
	if env.Op.Name == "debit" {
		sign = -sign
	}
	balances[env.ID] += sign * n
}

// checkOrder reports steps after compensations, and compensations that are not in reverse order of their groups.
func (w *world) checkOrder() error {
	last := math.MaxInt
	for _, key := range w.disk.order {
		text, undo := strings.CutPrefix(key, "undo ")
		var step int
		_, _ = fmt.Sscan(text, &step)
		group := w.machine.Entries[step-1].Group
		switch {
		case !undo && last != math.MaxInt:
			return fmt.Errorf("step %d was done after a compensation", step)
		case undo && group > last:
			return fmt.Errorf("step %d was undone after one of group %d", step, last)
		case undo:
			last = group
		}
	}
	return nil
}

// TestCrashesAreInvisible runs random sagas with any number of crashes: users see what they would have seen without.
func TestCrashesAreInvisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		body := drawBody(t)
		crashed := newWorld(w.tries)
		crashed.disk = w.disk.clone()
		w.begin(body, sagas.Journal{})
		w.finishAll()
		crashed.begin(body, sagas.Journal{})
		for len(crashed.pending) > 0 {
			if crashed.step(); rapid.IntRange(0, 2).Draw(t, "crash") == 0 {
				if err := crashed.crash(len(crashed.writes)-1, body); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got, want := crashed.result(), w.result(); got != want {
			t.Fatalf("got  %s\nwant %s\n%s", got, want, crashed.trace.String())
		}
	})
}

// The back-off doubles up to its bound, however often it was tried.
func TestBackOffIsBounded(t *testing.T) {
	const tries = 200
	w := newWorld(tries)
	w.set("a", 100)
	w.disk.faults["credit a"] = tries
	w.begin([]string{"debit a 1 undo credit a 1", "fail"}, sagas.Journal{})
	w.quiet()
	last := time.Duration(0)
	for n := 1; w.machine.Phase == sagas.Undoing; n++ {
		wait := time.Duration(w.machine.Due) - w.now
		if want := max(min(2*last, 10*time.Second), 50*time.Millisecond); wait != want {
			t.Fatalf("after %d tries it waits for %v, want %v", n, wait, want)
		}
		last = wait
		w.advance(time.Duration(w.machine.Due))
		w.quiet()
	}
	if w.machine.Phase != sagas.Stuck || w.machine.Entries[0].Tries != tries {
		t.Errorf("%v after %d tries", w.machine.Phase, w.machine.Entries[0].Tries)
	}
}

// A saga that sleeps beyond the end of the clock sleeps on.
func TestSleepBeyondTheClock(t *testing.T) {
	w := newWorld(1)
	w.now = time.Duration(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	w.begin([]string{fmt.Sprintf("sleep %dns", int64(math.MaxInt64))}, sagas.Journal{})
	if due := time.Duration(w.pending[0].Due); due <= w.now {
		t.Errorf("it wakes at %v, now is %v", due, w.now)
	}
	w.advance(math.MaxInt64)
	w.checkOver(t)
}

// A machine that is set up again knows nothing of its last saga: a step that failed there is made in the next one.
func TestUsedAgain(t *testing.T) {
	var c sagas.Coordinator
	for run := range 3 {
		c.Init(sagas.Journal{}, 1)
		c.Begin(nil)
		acts := c.Issue([]routines.Step{{}, {}}, time.Time{}, nil)
		if len(acts) != 2 || acts[0].Kind != sagas.ActCall || acts[1].Kind != sagas.ActCall {
			t.Fatalf("saga %d asks for %v", run, acts)
		}
		if e := &c.Entries[0]; len(c.Entries) != 2 || e.State != sagas.Issued || e.Tries != 0 || e.Step.Err != nil {
			t.Errorf("saga %d has the steps %+v", run, c.Entries)
		}
		if _, changed := c.TakeChanges(); len(changed) != 2 {
			t.Errorf("saga %d would write the steps %v", run, changed)
		}
		c.Reply(0, nil, saga.ErrCancelled, nil)
		c.Reply(1, nil, nil, nil)
		c.Returned(nil, saga.ErrCancelled, nil, nil, nil)
		c.Finished()
	}
}

// Cancelled between its last step and its end, a saga is not done, and what it attached to success does not happen.
func TestCancelledAtTheEnd(t *testing.T) {
	var c sagas.Coordinator
	c.Init(sagas.Journal{}, 1)
	c.Begin(nil)
	if ok, _ := c.Cancel(saga.ErrCancelled, nil); !ok {
		t.Fatal("not cancelled")
	}
	success := &instances.Effects{Emits: []format.Emitted{{Egress: "success"}}}
	acts := c.Returned(instances.EncodedResult([]byte{1}), nil, success, nil, nil)
	c.Finished()
	result, err := c.Outcome()
	if len(acts) != 1 || acts[0].Kind != sagas.ActFinish || c.Phase != sagas.Undone || result.Encoded() != nil || !errors.Is(err, saga.ErrCancelled) {
		t.Errorf("%v, %v, %q, %v", acts, c.Phase, result, err)
	}
	if !c.Effects.Empty() {
		t.Errorf("effects of success: %+v", c.Effects)
	}
}

// Effects that are in the head of a journal, as in format version 2, are read, and get rows of their own when the head is written again.
func TestEffectsInTheHead(t *testing.T) {
	w := newWorld(1)
	emits := []format.Emitted{{Egress: "out", Key: "k", Value: []byte{1}}, {Egress: "out", Key: "l", Value: make([]byte, 100_000)}}
	var reader sagas.Reader
	if err := reader.Head(must(codec.Encode(format.JournalHead{
		Phase: uint8(sagas.Stuck), Failure: failures.Encode(errScript), Effects: format.JournalEffects{Emits: emits},
	}))); err != nil {
		t.Fatal(err)
	}
	var c sagas.Coordinator
	c.Init(must(reader.Journal(w)), 1)
	head, _ := c.TakeChanges()
	if !head || !c.TakeEffects() || c.TakeEffects() || len(c.Effects.Emits) != 2 {
		t.Fatalf("head %v, effects %+v", head, c.Effects)
	}
	d := disk{head: must(c.MarshalHead())}
	for _, row := range sagas.EffectsRows(c.Effects) {
		d.effects = append(d.effects, must(codec.Encode(row)))
	}
	j := must(d.journal(w))
	if len(d.head) > 200 || len(d.effects) != 2 || len(j.Effects.Emits) != 2 || len(j.Effects.Emits[1].Value) != 100_000 {
		t.Errorf("a head of %d bytes, %d rows with %d effects", len(d.head), len(d.effects), len(j.Effects.Emits))
	}
	c.Init(j, 1)
	if head, _ := c.TakeChanges(); head || c.TakeEffects() {
		t.Error("what is in rows of its own is written again")
	}
}

func TestDamagedJournals(t *testing.T) {
	w := newWorld(1)
	w.set("a", 100)
	w.begin([]string{"debit a 1 undo credit a 1", "debit a 1000 noundo"}, sagas.Journal{})
	w.finishAll()
	whole := must(w.machine.Marshal())
	for cut := range whole {
		if _, err := sagas.UnmarshalJournal(whole[:cut], w); err == nil {
			t.Errorf("the first %d of %d bytes are a journal", cut, len(whole))
		}
	}
	for name, j := range map[string]sagas.Journal{
		"an unknown phase":              {Phase: sagas.Undone + 1},
		"an unknown state":              {Entries: []sagas.Entry{{State: sagas.Failed + 1}}},
		"an unknown undo":               {Entries: []sagas.Entry{{Undo: sagas.Skipped + 1}}},
		"a failure that is missing":     {Phase: sagas.Undoing},
		"an undone step that failed":    {Entries: []sagas.Entry{{State: sagas.Failed, Undo: sagas.Compensated}}},
		"an undone step without undo":   {Entries: []sagas.Entry{{State: sagas.Succeeded, Undo: sagas.Skipped}}},
		"negative tries":                {Entries: []sagas.Entry{{Tries: -1}}},
		"a first group that is not 0":   {Entries: []sagas.Entry{{Group: 1}}},
		"a group that is left out":      {Entries: []sagas.Entry{{}, {Group: 2}}},
		"a group that comes once again": {Entries: []sagas.Entry{{}, {Group: 1}, {Group: 0}}},
	} {
		data, err := j.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sagas.UnmarshalJournal(data, w); err == nil {
			t.Errorf("a journal with %s is accepted", name)
		}
	}
}

// Events that cannot be are bugs of the engine: they stop the process instead of a saga going wrong.
func TestImpossibleEventsPanic(t *testing.T) {
	w := newWorld(1)
	w.set("a", 100)
	w.begin([]string{"debit a 1 undo credit a 1"}, sagas.Journal{})
	w.finishAll()
	for name, event := range map[string]func(c *sagas.Coordinator){
		"issue":  func(c *sagas.Coordinator) { c.Issue([]routines.Step{{}}, w.clock(), nil) },
		"return": func(c *sagas.Coordinator) { c.Returned(nil, nil, nil, nil, nil) },
		"undo":   func(c *sagas.Coordinator) { c.UndoReply(0, nil, w.clock(), nil) },
	} {
		func() {
			defer func() {
				if p := recover(); p == nil {
					t.Errorf("%s of a saga that is over", name)
				}
			}()
			event(w.machine)
		}()
	}
	if acts := w.machine.Reply(0, nil, errScript, nil); acts != nil || w.machine.Phase != sagas.Done {
		t.Errorf("a second answer is believed: %v", acts)
	}
}
