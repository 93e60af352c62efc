package history

import "strconv"

// Step is a step that a saga did or undid, as the instance noted it.
type Step struct {
	// Saga is the saga's id, Number the step's place in it, from 1.
	Saga   string
	Number int32
	// Stage orders the compensations: a later stage is undone first, steps of one stage in any order. 0 is Number: every step is a
	// stage of its own.
	Stage int32
	// Undo: it is the step's compensation.
	Undo bool
	// Instance is where it happened, Amount what it added to the balance there.
	Instance string
	Amount   int64
	// Seq orders all steps of the history, from 1. No two have the same.
	Seq int64
}

// stage is the stage with its default.
func (s *Step) stage() int32 {
	if s.Stage == 0 {
		return s.Number
	}
	return s.Stage
}

// Ending is how a saga ended, as far as its client knows.
type Ending uint8

// The endings.
const (
	Done          Ending = iota // all steps
	Undone                      // no step, or all of them compensated
	Stuck                       // a compensation failed for good; the saga is listed
	EndingUnknown               // done or undone
)

var endingNames = [...]string{Done: "done", Undone: "undone", Stuck: "stuck", EndingUnknown: "unknown"}

func (e Ending) String() string { return endingNames[e] }

// Outcome is the outcome of a saga.
type Outcome struct {
	Saga   string
	Ending Ending
	// Steps is the number of steps that the saga has when it is done.
	Steps int32
}

func appendStep(b []byte, s *Step) []byte {
	b = appendString(append(b, `{"saga":`...), s.Saga)
	b = strconv.AppendInt(append(b, `,"step":`...), int64(s.Number), 10)
	if s.Stage != 0 {
		b = strconv.AppendInt(append(b, `,"stage":`...), int64(s.Stage), 10)
	}
	kind := `,"kind":"do","instance":`
	if s.Undo {
		kind = `,"kind":"undo","instance":`
	}
	b = appendString(append(b, kind...), s.Instance)
	b = strconv.AppendInt(append(b, `,"amount":`...), s.Amount, 10)
	b = strconv.AppendInt(append(b, `,"seq":`...), s.Seq, 10)
	return append(b, '}')
}

func appendOutcome(b []byte, o *Outcome) []byte {
	b = appendString(append(b, `{"saga":`...), o.Saga)
	b = append(append(b, `,"outcome":"`...), o.Ending.String()...)
	b = strconv.AppendInt(append(b, `","steps":`...), int64(o.Steps), 10)
	return append(b, '}')
}
