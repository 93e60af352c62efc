// Package routines runs coordinator functions: it holds what the machines of the saga and the serializable protocol share.
//
// A [Function] is the description of a coordinator function. A [Routine] is the coroutine in which its body runs: it runs until the
// body issues [Step]s (calls that it waits for) or returns, and then hands control back, so that a worker can run thousands of them
// without a goroutine of its own for each, and code of users never runs at the same time as the worker. The package is pure.
//
// Start reading at routine.go.
package routines

import (
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
)

// Function describes a coordinator function to the engine. Programs make one with saga.New or twopc.New.
type Function struct {
	Name     string
	Protocol coordinator.Protocol
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

// NewStart makes the start of a function. The input is encoded.
func NewStart[A any](f *Function, input A) coordinator.Start {
	if f == nil {
		return coordinator.NewStart(functions.Envelope{Err: fmt.Errorf("%w: its coordinator function is a zero value; make it with New", functions.ErrBadCall)})
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
	envelope := functions.Envelope{Coordinator: f.Name, Arg: data, Err: err}
	if f.ByValue {
		envelope.Value = value
	}
	return coordinator.NewStart(envelope)
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
