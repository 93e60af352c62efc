package chaos

import (
	"errors"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
)

// ask is what the parent sends to the child: a request.
type ask struct {
	_         struct{} `cbor:",toarray"`
	N         uint64
	RequestID string
	Message   format.Message
}

// answer is what the child sends back. The first one, with N 0, says that its engine is open, or why it is not.
type answer struct {
	_       struct{} `cbor:",toarray"`
	N       uint64
	Result  []byte
	Failure []byte // failures.Encode; none if it went well
	Code    int    // of an error of the engine itself: its index in engineErrors, from 1
}

// engineErrors are the errors that mean something to a client beyond their text.
var engineErrors = []error{
	engine.ErrUnknown, engine.ErrNotBegun, engine.ErrOverloaded, engine.ErrClosed, engine.ErrNoSpace, engine.ErrReusedID, engine.ErrDamaged,
}

// encodeError puts an error into an answer.
func (a *answer) encodeError(err error) {
	if err == nil {
		return
	}
	a.Failure = failures.Encode(err)
	for i, known := range engineErrors {
		if errors.Is(err, known) {
			a.Code = i + 1
			return
		}
	}
}

// err is the error that encodeError put in.
func (a *answer) err() error {
	if a.Failure == nil {
		return nil
	}
	far := failures.Decode(a.Failure)
	if a.Code > 0 && a.Code <= len(engineErrors) {
		return farError{engineErrors[a.Code-1], far}
	}
	return far
}

// farError is an error of the engine that came over the wire, with the text that it had there.
type farError struct{ known, far error }

func (e farError) Error() string   { return e.far.Error() }
func (e farError) Unwrap() []error { return []error{e.known, e.far} }
