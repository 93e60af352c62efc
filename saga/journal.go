package saga

import (
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
)

// Journal is what is recorded of a saga. Whatever is not in a sealed journal has not happened: a step that is recorded as
// issued and has no result was not executed in the state that was sealed with it.
type Journal struct {
	Phase   Phase
	Entries []Entry
	Failure []byte            // the encoded failure, from Undoing on; while Running, why it is to stop
	Effects functions.Effects // what to do once undone
	Due     int64             // Undoing: when the next try of a compensation is due, Unix nanoseconds; 0 if none waits
}

// Phase is where a saga stands.
type Phase uint8

// The phases.
const (
	Running Phase = iota // the body makes steps
	Undoing              // steps are being compensated
	Stuck                // a compensation failed in all its tries; a person must decide
	Done                 // over: all steps stand
	Undone               // over: the steps that succeeded are compensated or skipped
)

var phaseNames = [...]string{"running", "undoing", "stuck", "done", "undone"}

// String returns the phase's name in lower case.
func (p Phase) String() string { return phaseNames[p] }

// Entry is a step in the journal.
type Entry struct {
	Group int // steps made at once share a group; groups count up from 0
	Step  coordinator.Step
	Due   int64 // of a sleep: when it ends, Unix nanoseconds
	State EntryState
	Undo  UndoState
	Tries int // failed tries of the compensation, in this run of them

	sent bool // in this process: a reply is on its way
}

// EntryState is how far a step is.
type EntryState uint8

// The states of a step.
const (
	Issued EntryState = iota
	Succeeded
	Failed
)

// UndoState is how far a step's compensation is.
type UndoState uint8

// The states of a compensation.
const (
	NotUndone UndoState = iota
	Compensated
	Skipped // by a person
)

// needsUndo reports whether the entry's compensation is still to be run.
func (e *Entry) needsUndo() bool {
	return e.State == Succeeded && e.Step.HasUndo && e.Undo == NotUndone
}

type storedJournal struct {
	Phase   Phase                   `cbor:"1,keyasint"`
	Entries []storedEntry           `cbor:"2,keyasint"`
	Failure []byte                  `cbor:"3,keyasint,omitempty"`
	Effects functions.StoredEffects `cbor:"4,keyasint"`
	Due     int64                   `cbor:"5,keyasint,omitempty"`
}

type storedEntry struct {
	Group   int                      `cbor:"1,keyasint"`
	Call    functions.StoredMessage  `cbor:"2,keyasint"`
	Undo    *functions.StoredMessage `cbor:"3,keyasint,omitempty"`
	Sleep   int64                    `cbor:"4,keyasint,omitempty"`
	Due     int64                    `cbor:"5,keyasint,omitempty"`
	State   EntryState               `cbor:"6,keyasint"`
	Result  []byte                   `cbor:"7,keyasint,omitempty"`
	Failure []byte                   `cbor:"8,keyasint,omitempty"`
	Undone  UndoState                `cbor:"9,keyasint"`
	Tries   int                      `cbor:"10,keyasint,omitempty"`
}

// Marshal encodes the journal.
func (j *Journal) Marshal() ([]byte, error) {
	s := storedJournal{Phase: j.Phase, Failure: j.Failure, Effects: j.Effects.Stored(), Due: j.Due}
	s.Entries = make([]storedEntry, len(j.Entries))
	for i := range j.Entries {
		s.Entries[i] = j.Entries[i].stored()
	}
	return functions.Encode(&s)
}

func (e *Entry) stored() storedEntry {
	s := storedEntry{
		Group: e.Group, Call: e.Step.Call.Stored(), Sleep: int64(e.Step.Sleep), Due: e.Due,
		State: e.State, Result: e.Step.Result, Undone: e.Undo, Tries: e.Tries,
	}
	if e.Step.HasUndo {
		undo := e.Step.Undo.Stored()
		s.Undo = &undo
	}
	if e.Step.Err != nil {
		s.Failure = functions.EncodeFailure(e.Step.Err)
	}
	return s
}

// UnmarshalJournal is the inverse of [Journal.Marshal]. What no saga can have written is an error: a saga that went on from it
// could end with a wrong outcome.
func UnmarshalJournal(data []byte, r functions.Resolver) (Journal, error) {
	var s storedJournal
	if err := functions.Decode(data, &s); err != nil {
		return Journal{}, fmt.Errorf("saga: journal does not decode: %w", err)
	}
	if err := s.check(); err != nil {
		return Journal{}, fmt.Errorf("saga: journal %w", err)
	}
	j := Journal{Phase: s.Phase, Failure: s.Failure, Effects: s.Effects.Resolve(r), Due: s.Due}
	j.Entries = make([]Entry, len(s.Entries))
	for i := range s.Entries {
		j.Entries[i] = s.Entries[i].entry(r)
	}
	return j, nil
}

// check reports what can not be, or nil.
func (s *storedJournal) check() error {
	switch {
	case s.Phase > Undone:
		return fmt.Errorf("has unknown phase %d", s.Phase)
	case (s.Phase == Undoing || s.Phase == Stuck || s.Phase == Undone) && len(s.Failure) == 0:
		return fmt.Errorf("is %v without a failure", s.Phase)
	}
	group := 0
	for i := range s.Entries {
		e := &s.Entries[i]
		switch {
		case e.State > Failed || e.Undone > Skipped:
			return fmt.Errorf("has a step in the unknown state %d, %d", e.State, e.Undone)
		case e.Undone != NotUndone && (e.State != Succeeded || e.Undo == nil):
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

func (s *storedEntry) entry(r functions.Resolver) Entry {
	e := Entry{Group: s.Group, Due: s.Due, State: s.State, Undo: s.Undone, Tries: s.Tries}
	e.Step.Call, e.Step.Result = s.Call.Resolve(r), s.Result
	e.Step.Sleep = time.Duration(s.Sleep)
	if s.Undo != nil {
		e.Step.Undo, e.Step.HasUndo = s.Undo.Resolve(r), true
	}
	if s.Failure != nil {
		e.Step.Err = functions.DecodeFailure(s.Failure)
	}
	return e
}
