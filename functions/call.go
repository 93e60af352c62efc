package functions

import "fmt"

// Address names an instance.
type Address struct {
	Type string `cbor:"1,keyasint"`
	ID   string `cbor:"2,keyasint"`
}

// String returns the type's name, a slash and the id.
func (a Address) String() string { return a.Type + "/" + a.ID }

// Message is what a function can send and a client can request: a [Call], or the start of a coordinator function.
type Message interface{ Envelope() Envelope }

// Request is what a client can ask an engine for: any [Message], or one that was given an id with As.
type Request interface{ RequestEnvelope() Envelope }

// Question is a request with an answer: a [Query], a [Returning], or a coordinator function that returns a result.
type Question[R any] interface{ Question(answer *R) Envelope }

// Envelope is a message in the form in which the engine takes it: either Op and ID, or Coordinator. Programs have no use for
// it.
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
func (e *Envelope) IsFor(a Address) bool {
	return e.Op != nil && e.ID == a.ID && e.Op.Type.Name == a.Type
}

// Encoded is the encoded argument or input.
func (e *Envelope) Encoded() []byte { return EncodedArg(e.Arg, e.Value) }

// EncodedArg encodes value if there is no arg. Values that are handed on as they are always encode.
func EncodedArg(arg []byte, value any) []byte {
	if arg != nil || value == nil {
		return arg
	}
	data, err := encode(value)
	if err != nil {
		panic("functions: a value of fixed size always encodes: " + err.Error())
	}
	return data
}

// Call is an operation, an instance and an argument: an inert value that can be copied and used many times. The argument is
// encoded when the call is made, so later changes to it do not matter.
type Call struct {
	op   *Operation
	id   string
	arg  []byte
	val  any // in the place of arg, if the argument has a fixed size: then it is encoded only when it is stored
	err  error
	into func(*Result) error
}

func newCall[A any](op *Operation, id string, arg A) Call {
	if op == nil {
		return Call{err: errNoOperation}
	}
	if op.arg.fixed {
		return Call{op: op, id: id, val: arg}
	}
	data, err := op.arg.Encode(arg)
	if err != nil {
		err = fmt.Errorf("%w: argument of %s: %w", ErrBadCall, op.FullName(), err)
	}
	return Call{op: op, id: id, arg: data, err: err}
}

// errNoOperation is the error of a call that was made of an operation that nobody made, as a variable is that was not set yet.
var errNoOperation = fmt.Errorf("%w: its operation is a zero value; make it with Create, Update, Upsert, View or Delete", ErrBadCall)

// newCall0 is newCall without an argument.
func newCall0(op *Operation, id string) Call {
	if op == nil {
		return Call{err: errNoOperation}
	}
	return Call{op: op, id: id}
}

// IsZero reports whether the call is the zero value, which calls nothing. [NoCall] is not: it says so.
func (c Call) IsZero() bool { return c.op == nil && c.err == nil }

// errNoCall marks the call that says that there is none.
var errNoCall = fmt.Errorf("%w: it says that nothing is to be called", ErrBadCall)

// NoCall is the call that says that nothing is to be called, where the zero Call would be taken for one that was forgotten; see
// saga.NoUndo. To make it is ErrBadCall.
func NoCall() Call { return Call{err: errNoCall} }

// IsNoCall reports whether the call is [NoCall].
func (c Call) IsNoCall() bool { return c.err == errNoCall }

// Envelope implements [Message].
func (c Call) Envelope() Envelope {
	err := c.err
	if c.op == nil && err == nil {
		err = errZeroCall
	}
	return Envelope{Op: c.op, ID: c.id, Arg: c.arg, Value: c.val, Err: err, Into: c.into}
}

// errZeroCall is the error of a call that was never made.
var errZeroCall = fmt.Errorf("%w: the zero Call calls nothing", ErrBadCall)

// RequestEnvelope implements [Request].
func (c Call) RequestEnvelope() Envelope { return c.Envelope() }

// As gives the call a request id: the engine runs it once, however often it is asked, and answers each time with the same
// outcome for as long as outcomes are kept. The id must be unique over all requests of an engine; reuse for a different
// request is an error.
func (c Call) As(requestID string) Identified {
	e := c.Envelope()
	e.RequestID = requestID
	if err := CheckID("request", requestID); err != nil && e.Err == nil {
		e.Err = err
	}
	return Identified{envelope: e}
}

// Identified is a request with an id; see [Call.As].
type Identified struct{ envelope Envelope }

// RequestEnvelope implements [Request].
func (i Identified) RequestEnvelope() Envelope { return i.envelope }

// Identify makes an identified request of an envelope, for packages that define messages of their own.
func Identify(e Envelope, requestID string) Identified {
	e.RequestID = requestID
	if err := CheckID("request", requestID); err != nil && e.Err == nil {
		e.Err = err
	}
	return Identified{envelope: e}
}

// Query is a question to a [View]: it changes nothing. Ask it (engine.Ask, twopc.Ask, saga.Ask), or make it a call that
// stores its answer with Into.
type Query[R any] struct{ call Call }

// Into makes a call that stores the answer in *answer when it succeeds. It lets several questions be asked at once in All.
func (q Query[R]) Into(answer *R) Call { return into(q.call, answer) }

// Question implements [Question].
func (q Query[R]) Question(answer *R) Envelope { return q.Into(answer).Envelope() }

// Returning is a call of an operation that changes the state and returns an R.
type Returning[R any] struct{ call Call }

// Into makes a call that stores the result in *result when it succeeds.
func (r Returning[R]) Into(result *R) Call { return into(r.call, result) }

// Drop makes a call that forgets the result.
func (r Returning[R]) Drop() Call { return r.call }

// Question implements [Question].
func (r Returning[R]) Question(answer *R) Envelope { return r.Into(answer).Envelope() }

func into[R any](c Call, answer *R) Call {
	c.into = func(result *Result) error {
		value, err := ResultAs[R](result) // decoded apart: CBOR decodes into what is there, and a stale field must not shine through
		if err != nil {
			return fmt.Errorf("decode the result of %s: %w", c.op.FullName(), err)
		}
		*answer = value
		return nil
	}
	return c
}
