// Package coordinator has what coordinator functions, Go functions that make calls under a protocol, share for their users.
//
// Coordinator functions are made by saga.New and twopc.New; a [Start] is the message that starts one. The coroutine in which the
// function's body runs is in internal/machine/routines. The package is pure.
package coordinator

import (
	"fmt"

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

// Start is the message that starts a coordinator function: an inert value. The input is encoded when it is made.
type Start struct{ envelope functions.Envelope }

// NewStart makes the start that an envelope describes, for the packages of the protocols.
func NewStart(e functions.Envelope) Start { return Start{e} }

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
