package sagas

import (
	"cmp"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/saga"
)

// A journal's rows. The head has all but the entries; a journal that is running and is not to stop has none, because it would say
// nothing. An entry's row is written again when its step is answered or its compensation tried.
//
// Directories of before had one row for all: a head with the entries in it.

// MarshalHead encodes all but the entries.
func (j *Journal) MarshalHead() ([]byte, error) {
	return functions.EncodeRow(j.head())
}

func (j *Journal) head() *format.JournalHead {
	return &format.JournalHead{Phase: j.Phase, Failure: j.Failure, Effects: j.Effects.Stored(), Due: j.Due}
}

// Marshal encodes an entry.
func (e *Entry) Marshal() ([]byte, error) {
	s := e.stored()
	return functions.EncodeRow(&s)
}

// Marshal encodes the whole journal in one, as it was before its entries had rows of their own.
func (j *Journal) Marshal() ([]byte, error) {
	s := j.head()
	s.Entries = make([]format.JournalEntry, len(j.Entries))
	for i := range j.Entries {
		s.Entries[i] = j.Entries[i].stored()
	}
	return functions.EncodeRow(s)
}

func (e *Entry) stored() format.JournalEntry {
	s := format.JournalEntry{
		Group: e.Group, Call: e.Step.Call.Stored(), Sleep: int64(e.Step.Sleep), Due: e.Due,
		State: e.State, Result: e.Step.Result.Encoded(), Undone: uint8(e.Undo), Tries: e.Tries, Shape: e.shapes.call,
	}
	if e.Step.HasUndo {
		undo := e.Step.Undo.Stored()
		s.Undo = &undo
		if e.shapes.undo != e.shapes.call {
			s.Shape2 = e.shapes.undo
		}
	}
	if e.Step.Err != nil {
		s.Failure = functions.EncodeFailure(e.Step.Err)
	}
	return s
}

// Reader puts a journal together from its rows. The zero Reader has read none.
type Reader struct {
	head    format.JournalHead
	entries []format.JournalEntry
}

// Head reads the head, or what [Journal.Marshal] made.
func (r *Reader) Head(data []byte) error {
	if err := functions.Decode(data, &r.head); err != nil {
		return fmt.Errorf("saga: journal does not decode: %w", err)
	}
	r.entries = append(r.entries, r.head.Entries...)
	r.head.Entries = nil
	return nil
}

// Entry reads the next entry.
func (r *Reader) Entry(data []byte) error {
	var s format.JournalEntry
	if err := functions.Decode(data, &s); err != nil {
		return fmt.Errorf("saga: step %d of the journal does not decode: %w", len(r.entries)+1, err)
	}
	r.entries = append(r.entries, s)
	return nil
}

// Entries is the number of entries that have been read.
func (r *Reader) Entries() int { return len(r.entries) }

// Journal is what has been read. What no saga can have written is an error: a saga that went on from it could end with a wrong
// outcome.
func (r *Reader) Journal(resolver functions.Resolver) (Journal, error) {
	if err := r.check(); err != nil {
		return Journal{}, fmt.Errorf("saga: journal %w", err)
	}
	j := Journal{Phase: r.head.Phase, Failure: r.head.Failure, Effects: r.head.Effects.Resolve(resolver), Due: r.head.Due}
	j.Entries = make([]Entry, len(r.entries))
	for i := range r.entries {
		j.Entries[i] = entryOf(&r.entries[i], resolver)
	}
	return j, nil
}

// UnmarshalJournal is the inverse of [Journal.Marshal].
func UnmarshalJournal(data []byte, r functions.Resolver) (Journal, error) {
	var reader Reader
	if err := reader.Head(data); err != nil {
		return Journal{}, err
	}
	return reader.Journal(r)
}

// check reports what cannot be, or nil.
func (r *Reader) check() error {
	phase := r.head.Phase
	switch {
	case phase > saga.Undone:
		return fmt.Errorf("has unknown phase %d", phase)
	case (phase == saga.Undoing || phase == saga.Stuck || phase == saga.Undone) && len(r.head.Failure) == 0:
		return fmt.Errorf("is %v without a failure", phase)
	}
	group := 0
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case e.State > saga.Failed || UndoState(e.Undone) > Skipped:
			return fmt.Errorf("has a step in the unknown state %d, %d", e.State, e.Undone)
		case UndoState(e.Undone) != NotUndone && (e.State != saga.Succeeded || e.Undo == nil):
			return fmt.Errorf("has step %d undone, which has nothing to undo", i+1)
		case e.Tries < 0:
			return fmt.Errorf("has step %d tried %d times", i+1, e.Tries)
		case e.Group != group && (e.Group != group+1 || i == 0):
			return fmt.Errorf("has step %d in group %d after group %d", i+1, e.Group, group)
		}
		group = e.Group
	}
	return nil
}

func entryOf(s *format.JournalEntry, r functions.Resolver) Entry {
	e := Entry{Group: s.Group, Due: s.Due, State: s.State, Undo: UndoState(s.Undone), Tries: s.Tries, shapes: shapes{call: s.Shape}}
	e.Step.Call, e.Step.Result = s.Call.Resolve(r), functions.EncodedResult(s.Result)
	e.Step.Sleep = time.Duration(s.Sleep)
	if s.Undo != nil {
		e.Step.Undo, e.Step.HasUndo = s.Undo.Resolve(r), true
		e.shapes.undo = cmp.Or(s.Shape2, s.Shape)
	}
	if s.Failure != nil {
		e.Step.Err = functions.DecodeFailure(s.Failure)
	}
	return e
}
