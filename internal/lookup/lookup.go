// Package lookup has what is known of a request that is looked up by its id, for the engine and for clients in other processes, which
// link no engine. Programs find it in package engine, and in package client.
package lookup

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/enginerr"
	"github.com/concordat-dev/concordat/internal/failures"
)

// OutcomeState is how far a request is.
type OutcomeState uint8

// The states of a request that is looked up by its id.
const (
	NotKnown  OutcomeState = iota // no request had the id, or its outcome has expired
	Running                       // it has begun, or waits for its turn
	Stuck                         // it waits for a person: a stuck saga, see Engine.DecideSaga, or what is parked, see Engine.Parked
	Succeeded                     // it has a result
	Failed                        // it has failed
)

var outcomeStates = [...]string{"not known", "running", "stuck", "succeeded", "failed"}

// String returns the state's name in lower case.
func (s OutcomeState) String() string { return outcomeStates[s] }

// Outcome is what is known of a request; see engine.Engine.Outcome.
type Outcome struct {
	State OutcomeState
	// Err is why the request failed (errors.Is finds the functions.Failure values in it), or why its saga is stuck.
	Err error

	result []byte
}

// Success is the outcome of a request that succeeded with an encoded result, nil if it has none.
func Success(result []byte) Outcome { return Outcome{State: Succeeded, result: result} }

// Decode stores the result of a request that succeeded in *result, and is the failure of one that failed. A request that succeeded and
// has no result leaves *result as it is. Errors besides that: ErrUnknown in all other states; ErrResult for a result that does not
// decode, also because a codec method of its type panics: then there is a failures.PanicError in it.
func (o Outcome) Decode(result any) (err error) {
	switch o.State {
	case Succeeded:
		if len(o.result) == 0 {
			return nil
		}
		defer func() {
			if p := recover(); p != nil { // in a codec method of the program's
				err = fmt.Errorf("%w: %w", enginerr.ErrResult, failures.NewPanicError(p))
			}
		}()
		if err := functions.Decode(o.result, result); err != nil {
			return fmt.Errorf("%w: %w", enginerr.ErrResult, err)
		}
		return nil
	case Failed:
		return o.Err
	}
	return errors.Join(fmt.Errorf("%w: the request is %v", enginerr.ErrUnknown, o.State), o.Err)
}

// Encoded is the encoded result of a request that succeeded, which is not to be changed; nil if there is none. For a server.
func (o Outcome) Encoded() []byte { return o.result }
