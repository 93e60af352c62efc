package functions

import (
	"github.com/concordat-dev/concordat/internal/failures"
)

// Failure is an outcome that code chose: nothing happened, or all was undone. Declare failures as constants and wrap them
// with %w to add detail: errors.Is holds on the far side of any encoding, also for several failures in one error.
//
//	const ErrInsufficientFunds functions.Failure = "bank: insufficient funds"
//
// Its method Error returns the text.
type Failure = failures.Failure

// Failures that Concordat itself chooses for an operation. In all of them the instance is as it was before.
const (
	// ErrNotFound: the operation needs an instance that does not exist.
	ErrNotFound Failure = failures.ErrNotFound
	// ErrExists: a Create found that the instance exists already.
	ErrExists Failure = failures.ErrExists
	// ErrPanic: the operation or coordinator function panicked. The stack is in the engine's log.
	ErrPanic Failure = failures.ErrPanic
	// ErrBadArgument: the bytes of an argument do not decode into the operation's argument type.
	ErrBadArgument Failure = failures.ErrBadArgument
	// ErrCancelled: somebody has cancelled the request for the call before it was run: see engine.Engine.CancelRequest.
	ErrCancelled Failure = failures.ErrCancelled
	// ErrBadState: the stored bytes of an instance do not decode into its state type, or not in full, and no [Migrate] reads them.
	ErrBadState Failure = failures.ErrBadState
	// ErrBadResult: a call of a coordinator function succeeded, and its result does not decode into the variable that is to have
	// it, as happens when a later version of the program waits for another type. The run fails, whatever its body does about it.
	ErrBadResult Failure = failures.ErrBadResult
	// ErrBadValue: a state, argument, result, input or record would not come back from its encoding as it was; see [NewType].
	ErrBadValue Failure = failures.ErrBadValue
	// ErrTooLarge: an id, argument, state, result or list of effects is over its limit.
	ErrTooLarge Failure = failures.ErrTooLarge
	// ErrUnknownOperation: a call names an operation that the engine does not know.
	ErrUnknownOperation Failure = failures.ErrUnknownOperation
	// ErrBadCall: a call that cannot be made: an empty id, no operation, an argument that does not encode.
	ErrBadCall Failure = failures.ErrBadCall
)
