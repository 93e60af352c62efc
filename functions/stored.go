package functions

import (
	"bytes"
	"fmt"
)

// StoredMessage is a message as rows hold it: names in the place of pointers.
type StoredMessage struct {
	Type        string `cbor:"1,keyasint,omitempty"`
	Operation   string `cbor:"2,keyasint,omitempty"`
	ID          string `cbor:"3,keyasint,omitempty"`
	Coordinator string `cbor:"4,keyasint,omitempty"`
	Arg         []byte `cbor:"5,keyasint,omitempty"`
}

// Stored returns the message as rows hold it.
func (e Envelope) Stored() StoredMessage {
	s := StoredMessage{ID: e.ID, Coordinator: e.Coordinator, Arg: e.Encoded()}
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
// ErrUnknownOperation and says which; its Op then only has the names, so that it is stored again as it was, for a program that
// knows it.
func (s StoredMessage) Resolve(r Resolver) Envelope {
	e := Envelope{ID: s.ID, Coordinator: s.Coordinator, Arg: s.Arg}
	if s.Type == "" {
		return e
	}
	op, ok := r.Operation(s.Type, s.Operation)
	if !ok {
		op = &Operation{Type: &TypeInfo{Name: s.Type}, Name: s.Operation}
		e.Err = fmt.Errorf("%w: %s", ErrUnknownOperation, op.FullName())
	}
	e.Op = op
	return e
}

// StoredEffects are effects as rows hold them.
type StoredEffects struct {
	Sends []StoredMessage `cbor:"1,keyasint,omitempty"`
	Emits []Emitted       `cbor:"2,keyasint,omitempty"`
}

// Stored returns the effects of an outcome as rows hold them. Outcomes have no timers.
func (e *Effects) Stored() StoredEffects {
	s := StoredEffects{Emits: e.Emits}
	for _, send := range e.Sends {
		s.Sends = append(s.Sends, send.Stored())
	}
	return s
}

// Resolve is the inverse of [Effects.Stored].
func (s StoredEffects) Resolve(r Resolver) Effects {
	e := Effects{Emits: s.Emits}
	for _, send := range s.Sends {
		e.Sends = append(e.Sends, send.Resolve(r))
	}
	return e
}
