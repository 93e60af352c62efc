package instances

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/failures"
)

// Call is the inside of functions.Call.
type Call struct {
	op   *Operation
	id   string
	arg  []byte
	val  any // in the place of arg, if the argument has a fixed size: then it is encoded only when it is stored
	err  error
	into func(*Result) error
}

// NewCall makes the call of an operation on instance id.
func NewCall[A any](op *Operation, id string, arg A) Call {
	if op == nil {
		return Call{err: errNoOperation}
	}
	if op.arg.Fixed() {
		return Call{op: op, id: id, val: arg}
	}
	data, err := op.arg.Encode(arg)
	if err != nil {
		err = fmt.Errorf("%w: argument of %s: %w", failures.ErrBadCall, op.FullName(), err)
	}
	return Call{op: op, id: id, arg: data, err: err}
}

// errNoOperation is the error of a call that was made of an operation that nobody made, as a variable is that was not set yet.
var errNoOperation = fmt.Errorf("%w: its operation is a zero value; make it with Create, Update, Upsert, View or Delete", failures.ErrBadCall)

// CallOf is the envelope of the call of an operation on instance id, for an argument that is a value of the type of [Operation.Arg], or nil
// if it takes none: what a server makes, which knows operations and their types by name only.
func CallOf(op *Operation, id string, arg any) Envelope {
	e := Envelope{Op: op, ID: id}
	switch {
	case op.arg == nil:
	case op.arg.Fixed():
		e.Value = arg
	default:
		if e.Arg, e.Err = op.arg.Encode(arg); e.Err != nil {
			e.Err = fmt.Errorf("%w: argument of %s: %w", failures.ErrBadCall, op.FullName(), e.Err)
		}
	}
	return e
}

// NewCall0 is [NewCall] without an argument.
func NewCall0(op *Operation, id string) Call {
	if op == nil {
		return Call{err: errNoOperation}
	}
	return Call{op: op, id: id}
}

// IsZero reports whether the call is the zero value, which calls nothing. [NoCall] is not: it says so.
func (c Call) IsZero() bool { return c.op == nil && c.err == nil }

// errNoCall marks the call that says that there is none.
var errNoCall = fmt.Errorf("%w: it says that nothing is to be called", failures.ErrBadCall)

// NoCall is the call that says that nothing is to be called, where the zero Call would be taken for one that was forgotten; see
// saga.NoUndo. To make it is failures.ErrBadCall.
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
var errZeroCall = fmt.Errorf("%w: the zero Call calls nothing", failures.ErrBadCall)

// RequestEnvelope implements [Request].
func (c Call) RequestEnvelope() Envelope { return c.Envelope() }

// CallReturning is the inside of functions.CallReturning and functions.Query.
type CallReturning[R any] struct{ Called Call }

// Storing is the call with a place for the result.
func (c CallReturning[R]) Storing(result *R) Call {
	call := c.Called
	call.into = storing(call.op, "", result)
	return call
}

// EnvelopeInto implements [RequestReturning].
func (c CallReturning[R]) EnvelopeInto(result *R) Envelope { return c.Storing(result).Envelope() }
