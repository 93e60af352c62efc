package sagas

import (
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// Journal is what is recorded of a saga. Whatever is not in a sealed journal has not happened: a step that is recorded as
// issued and has no result was not executed in the state that was sealed with it.
//
// On the disk it is a row for each entry, rows for the effects, and one for the rest, its head; see stored.go. So what an epoch writes of
// it is what the epoch changed, however long it is, and however much its outcome leads to.
type Journal struct {
	Phase   Phase
	Entries []Entry
	Failure *failures.FarError // of the saga, from Undoing on; while Running, why it is to stop
	Effects *instances.Effects // what to do once it is over; nil for nothing
	Due     int64              // Undoing: when the next try of a compensation is due, Unix nanoseconds; 0 if none waits

	effectsInHead bool // as it was read: they are to have rows of their own
}

// Entry is a step in the journal.
type Entry struct {
	Group int // steps made at once share a group; groups count up from 0
	Step  routines.Step
	Due   int64 // of a sleep: when it ends, Unix nanoseconds
	Tries int   // failed tries of the compensation, in this run of them
	State StepState
	Undo  UndoState

	sent    bool   // in this process: a reply is on its way
	changed bool   // since it was written last
	shapes  shapes // of the arguments, as they are recorded
	size    int    // of the step as it was made; see SizeOf
}

// shapes are those of the argument types of a call and of its compensation, when they were recorded; see values.ShapeOf. 0 is that of
// no argument, and of what format version 1 recorded.
type shapes struct{ call, undo uint64 }

func shapesOf(s *routines.Step) (of shapes) {
	if s.Call.Op != nil {
		of.call = s.Call.Op.Shape
	}
	if s.HasUndo && s.Undo.Op != nil {
		of.undo = s.Undo.Op.Shape
	}
	return of
}

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

// entryBytes is about what an entry takes besides its arguments, ids and result.
const entryBytes = 64

// Size is [SizeOf] its step.
func (e *Entry) Size() int { return e.size + len(e.Step.Result.Encoded()) }

// SizeOf is about how many bytes a step's row has, without a failure.
func SizeOf(s *routines.Step) int {
	size := entryBytes + envelopeSize(&s.Call) + len(s.Result.Encoded())
	if s.HasUndo {
		size += envelopeSize(&s.Undo)
	}
	return size
}

// errorSize is about how many bytes a failure has in a row: its text, and the failures in it.
func errorSize(err error) int {
	if err == nil {
		return 0
	}
	return 2 * len(err.Error())
}

func envelopeSize(e *instances.Envelope) int {
	size := len(e.ID) + len(e.Arg)
	if e.Value != nil && e.Op != nil {
		size += e.Op.ArgSize
	}
	return size
}
