// Package coordinator runs coordinator functions: Go functions that make calls under a protocol. It holds what the saga and
// the serializable protocol share.
//
// A [Function] is the description of a coordinator function, a [Start] the message that starts one. A [Routine] is the
// coroutine in which the function's body runs: it runs until the body issues [Step]s (calls that it waits for) or returns, and
// then hands control back, so that a worker can run thousands of them without a goroutine of its own for each, and user code
// never runs at the same time as the worker.
//
// The package is pure; package saga and package twopc hold the protocols, package engine delivers their messages.
package coordinator

import (
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/functions"
)

// Protocol is the protocol under which a coordinator function makes its calls.
type Protocol uint8

// The protocols.
const (
	Saga         Protocol = iota + 1 // steps with compensations: package saga
	Serializable                     // two-phase locking and two-phase commit: package twopc
)

// String returns "saga" or "serializable".
func (p Protocol) String() string {
	switch p {
	case Saga:
		return "saga"
	case Serializable:
		return "serializable"
	}
	return fmt.Sprintf("Protocol(%d)", uint8(p))
}

// MaxSteps bounds the calls that one run of a coordinator function makes. A run that makes more fails with functions.ErrTooLarge;
// its body is unwound.
const MaxSteps = 100_000

// Function describes a coordinator function to the engine. Programs make one with saga.New or twopc.New.
type Function struct {
	Name     string
	Protocol Protocol
	Body     func(r *Routine, input []byte) (result *functions.Result, err error)
	Input    *functions.Values // of its input; nil if nothing is known of it
	Result   *functions.Values // of its result; nil if it has none
	// ByValue: inputs are handed on as they are within a process; see functions.Values.
	ByValue bool
	// Shape is that of the input's type, see functions.ShapeOf; 0 if it is not told.
	Shape uint64
}

// Definition is the function as a functions.Part gives it: nil if nobody made it.
func (f *Function) Definition() functions.Definition {
	if f == nil {
		return nil
	}
	return f
}

// DefinedName implements functions.Definition.
func (f *Function) DefinedName() string { return f.Name }

// Validate reports a bad name, a body that is nil, and types whose values do not survive encoding.
func (f *Function) Validate() error {
	errs := []error{functions.CheckName("coordinator function", f.Name), f.Input.Refuse("input of " + f.Name), f.Result.Refuse("result of " + f.Name)}
	if f.Body == nil {
		errs = append(errs, fmt.Errorf("coordinator: %s has no body: it is nil", f.Name))
	}
	return errors.Join(errs...)
}

// Start is the message that starts a coordinator function: an inert value. The input is encoded when it is made.
type Start struct{ envelope functions.Envelope }

// NewStart makes the start of a function, for the packages of the protocols.
func NewStart[A any](f *Function, input A) Start {
	if f == nil {
		return Start{functions.Envelope{Err: fmt.Errorf("%w: its coordinator function is a zero value; make it with New", functions.ErrBadCall)}}
	}
	var value any = input
	inputs := f.Input
	if inputs == nil {
		inputs = functions.ValuesOf[A]()
	}
	data, err := inputs.Encode(value)
	if err != nil {
		err = fmt.Errorf("%w: input of %s: %w", functions.ErrBadCall, f.Name, err)
	}
	start := Start{functions.Envelope{Coordinator: f.Name, Arg: data, Err: err}}
	if f.ByValue {
		start.envelope.Value = value
	}
	return start
}

// Envelope implements functions.Message.
func (s Start) Envelope() functions.Envelope { return s.envelope }

// RequestEnvelope implements functions.Request.
func (s Start) RequestEnvelope() functions.Envelope { return s.envelope }

// AddTo implements functions.Effect.
func (s Start) AddTo(effects *functions.Effects) error { return functions.AddMessage(effects, s) }

// As gives the start a request id; see functions.Call.As.
func (s Start) As(requestID string) functions.Identified {
	return functions.Identify(s.envelope, requestID)
}

// StartReturning is a [Start] of a function that returns an R.
type StartReturning[R any] struct{ start Start }

// NewStartReturning makes the start of a function with a result, for the packages of the protocols.
func NewStartReturning[R any](s Start) StartReturning[R] { return StartReturning[R]{s} }

// Into makes a start that stores the result in *result when the function succeeds.
func (s StartReturning[R]) Into(result *R) Start {
	start := s.start
	start.envelope.Into = func(returned *functions.Result) error {
		value, err := functions.ResultAs[R](returned)
		if err != nil {
			return fmt.Errorf("decode the result of %s: %w", start.envelope.Coordinator, err)
		}
		*result = value
		return nil
	}
	return start
}

// Drop makes a start that forgets the result.
func (s StartReturning[R]) Drop() Start { return s.start }

// Question implements functions.Question.
func (s StartReturning[R]) Question(answer *R) functions.Envelope {
	return s.Into(answer).envelope
}

// Step is one thing that a coordinator function waits for: a call, or the passing of time.
type Step struct {
	Call    functions.Envelope
	Undo    functions.Envelope // the compensation, in a saga
	HasUndo bool               // there is an Undo
	MayFail bool               // in a transaction: a failure of the operation does not doom it
	Sleep   time.Duration      // not a call: wait so long

	Result *functions.Result // once the step is done
	Err    error             // why the step failed
}

// Finish stores the result where the caller wants it and returns the step's error.
func (s *Step) Finish() error {
	if s.Err != nil {
		return s.Err
	}
	if s.Call.Into != nil {
		return s.Call.Into(s.Result)
	}
	return nil
}

// Input is the input of a running coordinator function; bytes that do not fit are functions.ErrBadArgument.
func Input[A any](r *Routine, data []byte) (input A, err error) {
	if value, ok := r.value.(A); ok {
		return value, nil
	}
	return decodeInput[A](data)
}

func decodeInput[A any](data []byte) (input A, err error) {
	if err := functions.Decode(data, &input); err != nil {
		return input, fmt.Errorf("%w: %w", functions.ErrBadArgument, err)
	}
	return input, nil
}
