package sagas_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

// FuzzJournal: bytes in the place of a journal, or of the row of an entry, are refused, or they are a journal that is written again
// as it was, and whose saga comes to its end, whatever its calls answer and whether its body replays it or fails.
func FuzzJournal(f *testing.F) {
	for _, body := range [][]string{
		{"debit a 1 undo credit a 1", "debit a 1000 noundo"},
		{"sleep 1h", "debit a 1 undo credit a 1 & credit b 2 undo debit b 2", "x = balance a"},
	} {
		w := newWorld(2)
		w.set("a", 100)
		w.set("b", 0)
		w.disk.faults["credit a"] = 5
		w.begin(body, sagas.Journal{})
		w.finishAll()
		for _, d := range w.writes {
			j := must(d.journal(w))
			f.Add(must(j.Marshal()), []byte{0, 1, 2, 1, 1, 1, 0})
			f.Add(d.entries[len(d.entries)-1], []byte{0, 1})
		}
	}
	w := newWorld(2)
	f.Fuzz(func(t *testing.T, data, replies []byte) {
		j, err := sagas.UnmarshalJournal(data, w)
		if err != nil {
			j, err = disk{entries: [][]byte{data}}.journal(w)
		}
		if err != nil {
			return
		}
		once, err := j.Marshal()
		if err != nil {
			t.Fatalf("a journal that was read is not written: %v", err)
		}
		again, err := sagas.UnmarshalJournal(once, w)
		if err != nil {
			t.Fatalf("a journal that was written is not read: %v", err)
		}
		if twice, err := again.Marshal(); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written as %x, and then as %x (%v)", once, twice, err)
		}
		if len(j.Entries) <= 64 && j.Phase < sagas.Done {
			(&replay{t: t, replies: replies, past: again.Entries}).run(j)
		}
	})
}

// replay runs a saga from its journal, in the place of an engine and of the saga's body.
type replay struct {
	t       *testing.T
	machine sagas.Coordinator
	past    []sagas.Entry // what the body issues, group by group
	replies []byte        // one for each event that can go one way or another; then zeros
	events  int
}

var errReplay = errors.New("the replay says no")

func (r *replay) choose() byte {
	if len(r.replies) == 0 {
		return 0
	}
	b := r.replies[0]
	r.replies = r.replies[1:]
	return b
}

func (r *replay) err() error {
	if r.choose()%2 == 1 {
		return errReplay
	}
	return nil
}

func (r *replay) run(j sagas.Journal) {
	r.machine.Init(j, 3)
	todo := r.machine.Begin(nil)
	for r.machine.Phase != sagas.Done && r.machine.Phase != sagas.Undone {
		if r.events++; r.events > 10_000 {
			r.t.Fatalf("the saga does not end: %v", r.machine.Phase)
		}
		if len(todo) == 0 {
			if r.machine.Phase != sagas.Stuck {
				r.t.Fatalf("the saga is %v and waits for nothing", r.machine.Phase)
			}
			_, todo = r.machine.Decide([]saga.Decision{saga.Skip, saga.MarkDone}[r.choose()%2], todo)
			continue
		}
		next := todo[0]
		todo = r.act(next, todo[1:])
	}
	_, err := r.machine.Outcome()
	if (err != nil) != (r.machine.Phase == sagas.Undone) {
		r.t.Fatalf("the saga is %v with error %v", r.machine.Phase, err)
	}
}

func (r *replay) act(a sagas.Action, todo []sagas.Action) []sagas.Action {
	now := time.Unix(0, a.Due)
	switch a.Kind {
	case sagas.ActRun, sagas.ActResume:
		return r.body(todo)
	case sagas.ActCall, sagas.ActSleep:
		return r.machine.Reply(a.Entry, nil, r.err(), todo)
	case sagas.ActUndo:
		return r.machine.UndoReply(a.Entry, r.err(), now, todo)
	case sagas.ActBackOff:
		return r.machine.Wake(todo)
	case sagas.ActStop:
		return r.machine.Stopped(nil, todo)
	case sagas.ActFinish:
		r.machine.Finished()
	}
	return todo
}

// body issues the next recorded group, or returns.
func (r *replay) body(todo []sagas.Action) []sagas.Action {
	if len(r.past) == 0 || r.choose()%8 == 7 {
		return r.machine.Returned(nil, r.err(), nil, nil, todo)
	}
	group := 1
	for group < len(r.past) && r.past[group].Group == r.past[0].Group {
		group++
	}
	steps := make([]routines.Step, group)
	for i := range steps {
		steps[i] = r.past[i].Step
		steps[i].Result, steps[i].Err = nil, nil
	}
	r.past = r.past[group:]
	return r.machine.Issue(steps, noonAtReplay, todo)
}

var noonAtReplay = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
