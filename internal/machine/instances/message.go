package instances

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
)

// Message is functions.Message.
type Message interface{ Envelope() Envelope }

// Request is functions.Request.
type Request interface{ RequestEnvelope() Envelope }

// RequestReturning is functions.RequestReturning: its envelope stores the result in *result.
type RequestReturning[R any] interface{ EnvelopeInto(result *R) Envelope }

// Envelope is a message in the form in which the engine takes it: either Op and ID, or Coordinator.
type Envelope struct {
	RequestID   string              // the id of a request; "" if it has none
	Op          *Operation          // the operation of a call
	ID          string              // the instance of a call
	Coordinator string              // the name of the coordinator function to start
	Arg         []byte              // the encoded argument or input; see Encoded
	Value       any                 // the argument or input itself, if it can be handed on as it is
	Err         error               // why the message cannot be sent, e.g. an argument that does not encode
	Into        func(*Result) error // stores the result where the caller wants it
}

// IsFor reports whether the message is a call on an instance.
func (e *Envelope) IsFor(a format.Address) bool {
	return e.Op != nil && e.ID == a.ID && e.Op.Type.Name == a.Type
}

// Encoded is the encoded argument or input.
func (e *Envelope) Encoded() []byte { return EncodedArg(e.Arg, e.Value) }

// As is the envelope with a request id.
func (e Envelope) As(requestID string) Envelope {
	e.RequestID = requestID
	if err := CheckID("request", requestID); err != nil && e.Err == nil {
		e.Err = err
	}
	return e
}

// EncodedArg encodes value if there is no arg. Values that are handed on as they are always encode.
func EncodedArg(arg []byte, value any) []byte {
	if arg != nil || value == nil {
		return arg
	}
	data, err := codec.Encode(value)
	if err != nil {
		panic("functions: a value of fixed size always encodes: " + err.Error())
	}
	return data
}

// Storing is the envelope with a place for the result.
func Storing[R any](e Envelope, result *R) Envelope {
	e.Into = storing(e.Op, e.Coordinator, result)
	return e
}

// storing stores the result of an operation, or of a coordinator function.
func storing[R any](op *Operation, coordinator string, result *R) func(*Result) error {
	return func(returned *Result) error {
		value, err := ResultAs[R](returned) // decoded apart: CBOR decodes into what is there, and a stale field must not shine through
		switch {
		case err == nil:
			*result = value
			return nil
		case op != nil:
			coordinator = op.FullName()
		}
		return fmt.Errorf("decode the result of %s: %w", coordinator, err)
	}
}

// Identified is a request as its envelope has it, with an id as a rule.
type Identified struct{ envelope Envelope }

// Identify gives an envelope a request id.
func Identify(e Envelope, requestID string) Identified { return Identified{e.As(requestID)} }

// RequestEnvelope implements [Request].
func (i Identified) RequestEnvelope() Envelope { return i.envelope }

// Bare is the request that an envelope is as it stands.
func Bare(e Envelope) Request { return Identified{e} }

// IdentifiedReturning is a request with an id whose result is asked for.
type IdentifiedReturning[R any] struct{ envelope Envelope }

// IdentifyReturning gives an envelope of which the result is an R a request id.
func IdentifyReturning[R any](e Envelope, requestID string) IdentifiedReturning[R] {
	return IdentifiedReturning[R]{e.As(requestID)}
}

// EnvelopeInto implements [RequestReturning].
func (i IdentifiedReturning[R]) EnvelopeInto(result *R) Envelope { return Storing(i.envelope, result) }

// Start is the inside of coordinator.Start.
type Start struct{ envelope Envelope }

// NewStart makes the start that an envelope describes.
func NewStart(e Envelope) Start { return Start{e} }

// Envelope implements [Message].
func (s Start) Envelope() Envelope { return s.envelope }

// RequestEnvelope implements [Request].
func (s Start) RequestEnvelope() Envelope { return s.envelope }

// AddTo implements [Effect].
func (s Start) AddTo(effects *Effects) error { return AddMessage(effects, s) }

// StartReturning is the inside of coordinator.StartReturning.
type StartReturning[R any] struct{ Started Start }

// EnvelopeInto implements [RequestReturning].
func (s StartReturning[R]) EnvelopeInto(result *R) Envelope {
	return Storing(s.Started.envelope, result)
}
