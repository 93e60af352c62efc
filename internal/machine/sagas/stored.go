package sagas

import (
	"cmp"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// A journal's rows. The head has all but the entries and the effects; a journal that is running and is not to stop has none, because it
// would say nothing. An entry's row is written again when its step is answered or its compensation tried. The effects are written once,
// with the head that says that the saga is being undone.
//
// Up to format version 2 the head had the effects, and in version 1 one row had all: a head with the entries in it.

// MarshalHead encodes all but the entries and the effects.
func (j *Journal) MarshalHead() ([]byte, error) {
	return codec.Encode(j.head())
}

func (j *Journal) head() *format.JournalHead {
	return &format.JournalHead{Phase: uint8(j.Phase), Failure: j.Failure.Encoded(), Due: j.Due}
}

// effectsRow is about how many bytes of effects a row has: fewer rows than effects, and none that is much larger than its largest effect.
const effectsRow = 64 << 10

// EffectsRows cuts effects into rows, which share nothing with them but what never changes; they are to be encoded by
// codec.Encode.
func EffectsRows(e *instances.Effects) (rows []format.JournalEffects) {
	if e.Empty() {
		return nil
	}
	left := 0
	row := func(size int) *format.JournalEffects {
		if left < size {
			rows, left = append(rows, format.JournalEffects{}), effectsRow
		}
		left -= size
		return &rows[len(rows)-1]
	}
	for i := range e.Sends {
		r := row(entryBytes + envelopeSize(&e.Sends[i]))
		r.Sends = append(r.Sends, e.Sends[i].Stored())
	}
	for i := range e.Emits {
		r := row(entryBytes + len(e.Emits[i].Key) + len(e.Emits[i].Value))
		r.Emits = append(r.Emits, e.Emits[i])
	}
	return rows
}

// Marshal encodes an entry.
func (e *Entry) Marshal() ([]byte, error) {
	s := e.stored()
	return codec.Encode(&s)
}

// Marshal encodes the whole journal in one, as it was before its entries had rows of their own.
func (j *Journal) Marshal() ([]byte, error) {
	s := j.head()
	if j.Effects != nil {
		s.Effects = j.Effects.Stored()
	}
	s.Entries = make([]format.JournalEntry, len(j.Entries))
	for i := range j.Entries {
		s.Entries[i] = j.Entries[i].stored()
	}
	return codec.Encode(s)
}

func (e *Entry) stored() format.JournalEntry {
	s := format.JournalEntry{
		Group: e.Group, Call: e.Step.Call.Stored(), Sleep: int64(e.Step.Sleep), Due: e.Due,
		State: uint8(e.State), Result: e.Step.Result.Encoded(), Undone: uint8(e.Undo), Tries: e.Tries, Shape: e.shapes.call,
	}
	if e.Step.HasUndo {
		undo := e.Step.Undo.Stored()
		s.Undo = &undo
		if e.shapes.undo != e.shapes.call {
			s.Shape2 = e.shapes.undo
		}
	}
	if e.Step.Err != nil {
		s.Failure = failures.Encode(e.Step.Err)
	}
	return s
}

// Reader puts a journal together from its rows. The zero Reader has read none.
type Reader struct {
	head    format.JournalHead
	entries []format.JournalEntry
	effects format.JournalEffects // from rows of their own
}

// Head reads the head, or what [Journal.Marshal] made.
func (r *Reader) Head(data []byte) error {
	if err := codec.Decode(data, &r.head); err != nil {
		return fmt.Errorf("saga: journal does not decode: %w", err)
	}
	r.entries = append(r.entries, r.head.Entries...)
	r.head.Entries = nil
	return nil
}

// Entry reads the next entry.
func (r *Reader) Entry(data []byte) error {
	var s format.JournalEntry
	if err := codec.Decode(data, &s); err != nil {
		return fmt.Errorf("saga: step %d of the journal does not decode: %w", len(r.entries)+1, err)
	}
	r.entries = append(r.entries, s)
	return nil
}

// Effects reads the next row of effects.
func (r *Reader) Effects(data []byte) error {
	var s format.JournalEffects
	if err := codec.Decode(data, &s); err != nil {
		return fmt.Errorf("saga: effects of the outcome do not decode: %w", err)
	}
	r.effects.Sends = append(r.effects.Sends, s.Sends...)
	r.effects.Emits = append(r.effects.Emits, s.Emits...)
	return nil
}

// Entries is the number of entries that have been read.
func (r *Reader) Entries() int { return len(r.entries) }

// Journal is what has been read. What no saga can have written is an error: a saga that went on from it could end with a wrong
// outcome.
func (r *Reader) Journal(resolver instances.Resolver) (Journal, error) {
	if err := r.check(); err != nil {
		return Journal{}, fmt.Errorf("saga: journal %w", err)
	}
	inHead, effects := instances.ResolveEffects(r.head.Effects, resolver), instances.ResolveEffects(r.effects, resolver)
	j := Journal{Phase: Phase(r.head.Phase), Effects: &effects, Due: r.head.Due, effectsInHead: !inHead.Empty()}
	if len(r.head.Failure) > 0 {
		j.Failure = failures.Decode(r.head.Failure)
	}
	if j.effectsInHead {
		j.Effects = &inHead
	}
	j.Entries = make([]Entry, len(r.entries))
	for i := range r.entries {
		j.Entries[i] = entryOf(&r.entries[i], resolver)
	}
	return j, nil
}

// UnmarshalJournal is the inverse of [Journal.Marshal].
func UnmarshalJournal(data []byte, r instances.Resolver) (Journal, error) {
	var reader Reader
	if err := reader.Head(data); err != nil {
		return Journal{}, err
	}
	return reader.Journal(r)
}

// check reports what cannot be, or nil.
func (r *Reader) check() error {
	phase := Phase(r.head.Phase)
	switch {
	case phase > Undone:
		return fmt.Errorf("has unknown phase %d", phase)
	case (phase == Undoing || phase == Stuck || phase == Undone) && len(r.head.Failure) == 0:
		return fmt.Errorf("is %v without a failure", phase)
	case phase == Running && len(r.effects.Sends)+len(r.effects.Emits) > 0:
		return fmt.Errorf("has effects of its outcome, and none")
	case len(r.effects.Sends)+len(r.effects.Emits) > 0 && len(r.head.Effects.Sends)+len(r.head.Effects.Emits) > 0:
		return fmt.Errorf("has the effects of its outcome twice")
	}
	group := 0
	for i := range r.entries {
		e := &r.entries[i]
		switch {
		case StepState(e.State) > Failed || UndoState(e.Undone) > Skipped:
			return fmt.Errorf("has a step in the unknown state %d, %d", e.State, e.Undone)
		case UndoState(e.Undone) != NotUndone && (StepState(e.State) != Succeeded || e.Undo == nil):
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

func entryOf(s *format.JournalEntry, r instances.Resolver) Entry {
	e := Entry{Group: s.Group, Due: s.Due, State: StepState(s.State), Undo: UndoState(s.Undone), Tries: s.Tries, shapes: shapes{call: s.Shape}}
	e.Step.Call, e.Step.Result = instances.Resolve(s.Call, r), instances.EncodedResult(s.Result)
	e.Step.Sleep = time.Duration(s.Sleep)
	if s.Undo != nil {
		e.Step.Undo, e.Step.HasUndo = instances.Resolve(*s.Undo, r), true
		e.shapes.undo = cmp.Or(s.Shape2, s.Shape)
	}
	if s.Failure != nil {
		e.Step.Err = failures.Decode(s.Failure)
	}
	return e
}
