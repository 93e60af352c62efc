package instances

import (
	"bytes"
	"fmt"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
)

// Stored returns the message as rows hold it.
func (e Envelope) Stored() format.Message {
	s := format.Message{ID: e.ID, Coordinator: e.Coordinator, Arg: e.Encoded()}
	if e.Op != nil {
		s.Type, s.Operation = e.Op.Type.Name, e.Op.Name
	}
	return s
}

// Target names what the message is for: an operation on an instance, or a coordinator function.
func (e Envelope) Target() string {
	switch {
	case e.Op != nil:
		return e.Op.FullName() + "(" + e.ID + ")"
	case e.Coordinator != "":
		return e.Coordinator
	}
	return "nothing"
}

// SameTarget reports whether two messages are for the same operation on the same instance, or for the same coordinator function.
func (e *Envelope) SameTarget(other *Envelope) bool {
	if e.ID != other.ID || e.Coordinator != other.Coordinator || (e.Op == nil) != (other.Op == nil) {
		return false
	}
	return e.Op == other.Op || (e.Op.Type.Name == other.Op.Type.Name && e.Op.Name == other.Op.Name)
}

// SameAs reports whether two messages are for the same target with the same argument.
func (e Envelope) SameAs(other Envelope) bool {
	a, b := e.Stored(), other.Stored()
	return a.Type == b.Type && a.Operation == b.Operation && a.ID == b.ID && a.Coordinator == b.Coordinator && bytes.Equal(a.Arg, b.Arg)
}

// Resolver finds operations and coordinator functions by name.
type Resolver interface {
	Operation(typeName, operation string) (*Operation, bool)
}

// Resolve turns a stored message back into one that can be sent. If its operation is not known any more, the envelope's Err is
// failures.ErrUnknownOperation and says which; its Op then only has the names, so that it is stored again as it was, for a program that
// knows it.
func Resolve(s format.Message, r Resolver) Envelope {
	e := Envelope{ID: s.ID, Coordinator: s.Coordinator, Arg: s.Arg}
	if s.Type == "" {
		return e
	}
	op, ok := r.Operation(s.Type, s.Operation)
	if !ok {
		op = &Operation{Type: &Type{Name: s.Type}, Name: s.Operation}
		e.Err = fmt.Errorf("%w: %s", failures.ErrUnknownOperation, op.FullName())
	}
	e.Op = op
	return e
}

// Stored returns the effects of an outcome as rows hold them. Outcomes have no timers.
func (e *Effects) Stored() format.JournalEffects {
	s := format.JournalEffects{Emits: e.Emits}
	for _, send := range e.Sends {
		s.Sends = append(s.Sends, send.Stored())
	}
	return s
}

// ResolveEffects is the inverse of [Effects.Stored].
func ResolveEffects(s format.JournalEffects, r Resolver) Effects {
	e := Effects{Emits: s.Emits}
	for _, send := range s.Sends {
		e.Sends = append(e.Sends, Resolve(send, r))
	}
	return e
}
