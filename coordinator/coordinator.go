// Package coordinator has what coordinator functions, Go functions that make calls under a protocol, share for their users.
//
// A [Function] is made by saga.New or twopc.New, a [FunctionReturning], which has a result, by saga.NewReturning or
// twopc.NewReturning. A [Start] is the message that starts one. The coroutine in which the function's body runs is in
// internal/machine/routines. The package is pure.
package coordinator

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
)

// MaxSteps bounds the calls that one run of a coordinator function makes: 100,000. A run that makes more fails with
// functions.ErrTooLarge; its body is unwound.
const MaxSteps = routines.MaxSteps

// Function is a coordinator function with input A, a saga or a transaction.
type Function[A any] struct{ instances.Part }

// With makes the start of the function with this input, which is encoded now.
func (f *Function[A]) With(input A) Start {
	if f == nil {
		return Start{start(instances.Part{}, input)}
	}
	return Start{start(f.Part, input)}
}

// As makes the start of the function with a request id; see functions.Call.As.
func (f *Function[A]) As(requestID string, input A) functions.Request {
	return f.With(input).As(requestID)
}

// FunctionReturning is a [Function] that returns an R.
type FunctionReturning[A, R any] struct{ instances.Part }

// With makes the start of the function with this input, which is encoded now.
func (f *FunctionReturning[A, R]) With(input A) StartReturning[R] {
	if f == nil {
		return StartReturning[R]{instances.StartReturning[R]{Started: start(instances.Part{}, input)}}
	}
	return StartReturning[R]{instances.StartReturning[R]{Started: start(f.Part, input)}}
}

// As makes the start of the function with a request id; see functions.Call.As.
func (f *FunctionReturning[A, R]) As(requestID string, input A) functions.RequestReturning[R] {
	return f.With(input).As(requestID)
}

// start makes the start of the function that a part is.
func start[A any](of instances.Part, input A) instances.Start {
	f, _ := of.Definition().(*routines.Function)
	if f == nil {
		return instances.NewStart(instances.Envelope{
			Err: fmt.Errorf("%w: its coordinator function is a zero value; make it with New", functions.ErrBadCall),
		})
	}
	var value any = input
	inputs := f.Input
	if inputs == nil {
		inputs = values.Of[A]()
	}
	data, err := inputs.Encode(value)
	if err != nil {
		err = fmt.Errorf("%w: input of %s: %w", functions.ErrBadCall, f.Name, err)
	}
	envelope := instances.Envelope{Coordinator: f.Name, Arg: data, Err: err}
	if f.ByValue {
		envelope.Value = value
	}
	return instances.NewStart(envelope)
}

// Start is the message that starts a [Function]: an inert value.
type Start struct{ instances.Start }

// As gives the start a request id; see functions.Call.As.
func (s Start) As(requestID string) functions.Request {
	return instances.Identify(s.Envelope(), requestID)
}

// StartReturning is the message that starts a [FunctionReturning].
type StartReturning[R any] struct{ instances.StartReturning[R] }

// Into makes a start that stores the result in *result when the function succeeds.
func (s StartReturning[R]) Into(result *R) Start {
	return Start{instances.NewStart(s.EnvelopeInto(result))}
}

// Drop makes a start that forgets the result.
func (s StartReturning[R]) Drop() Start { return Start{s.Started} }

// As gives the start a request id; see functions.Call.As.
func (s StartReturning[R]) As(requestID string) functions.RequestReturning[R] {
	return instances.IdentifyReturning[R](s.Started.Envelope(), requestID)
}
