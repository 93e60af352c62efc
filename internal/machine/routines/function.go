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

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// Protocol is the protocol under which a coordinator function makes its calls.
type Protocol uint8

// The protocols.
const (
	Saga         Protocol = iota + 1 // steps with compensations: package saga
	Serializable                     // two-phase locking and two-phase commit: package twopc
)

// MaxSteps bounds the calls that one run of a coordinator function makes. A run that makes more fails with failures.ErrTooLarge;
// its body is unwound.
const MaxSteps = 100_000

// Function describes a coordinator function to the engine. Programs make one with saga.New or twopc.New.
type Function struct {
	Name     string
	Protocol Protocol
	Body     func(r *Routine, input []byte) (result *instances.Result, err error)
	Input    *values.Type // of its input; nil if nothing is known of it
	Result   *values.Type // of its result; nil if it has none
	// ByValue: inputs are handed on as they are within a process; see values.Type.
	ByValue bool
	// Shape is that of the input's type, see values.ShapeOf; 0 if it is not told.
	Shape uint64
}

// DefinedName implements instances.Definition.
func (f *Function) DefinedName() string { return f.Name }

// Validate reports a bad name, a body that is nil, and types whose values do not survive encoding.
func (f *Function) Validate() error {
	errs := []error{instances.CheckName("coordinator function", f.Name), f.Input.Refuse("input of " + f.Name), f.Result.Refuse("result of " + f.Name)}
	if f.Body == nil {
		errs = append(errs, fmt.Errorf("coordinator: %s has no body: it is nil", f.Name))
	}
	return errors.Join(errs...)
}

// New describes a function with input A whose body gets a running routine. It is nil if nobody wrote it.
func New[A any](name string, p Protocol, body func(r *Routine, input A) (*instances.Result, error)) *Function {
	inputs := values.Of[A]()
	f := &Function{Name: name, Protocol: p, Input: inputs, ByValue: inputs.Faithful(), Shape: inputs.Shape()}
	if body != nil {
		f.Body = func(r *Routine, data []byte) (*instances.Result, error) {
			input, err := Input[A](r, data)
			if err != nil {
				return nil, err
			}
			return body(r, input)
		}
	}
	return f
}

// NewReturning is [New] with a result.
func NewReturning[A, R any](name string, p Protocol, body func(r *Routine, input A) (R, error)) *Function {
	results := values.Of[R]()
	f := New(name, p, func(r *Routine, input A) (*instances.Result, error) {
		result, err := body(r, input)
		if err != nil {
			return nil, err
		}
		return instances.NewResult(results, result)
	})
	f.Result = results
	return f
}

// Step is one thing that a coordinator function waits for: a call, or the passing of time.
type Step struct {
	Call    instances.Envelope
	Undo    instances.Envelope // the compensation, in a saga
	HasUndo bool               // there is an Undo
	MayFail bool               // in a transaction: a failure of the operation does not doom it
	Sleep   time.Duration      // not a call: wait so long

	Result *instances.Result // once the step is done
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

// Input is the input of a running coordinator function; bytes that do not fit are failures.ErrBadArgument.
func Input[A any](r *Routine, data []byte) (input A, err error) {
	if value, ok := r.value.(A); ok {
		return value, nil
	}
	return decodeInput[A](data)
}

func decodeInput[A any](data []byte) (input A, err error) {
	if err := codec.Decode(data, &input); err != nil {
		return input, fmt.Errorf("%w: %w", failures.ErrBadArgument, err)
	}
	return input, nil
}
