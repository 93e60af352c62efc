package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

// Asked is a request in a form that goes over a wire, in any encoding of its fields: the clients can be in one process and the
// engine, which is going to be killed, in another.
type Asked struct {
	Operation, Instance string // of a call
	Coordinator         string // of a transaction or saga
	RequestID           string
	Arg                 []byte
}

// Answer is what became of it: a result, a failure, or an error of the engine.
type Answer struct {
	Result  []byte
	Failure []byte // as functions.EncodeFailure makes it; nil if there is none
	Engine  string // the text of the engine's own error; "" if there is none
}

// Remote is a Doer that sends each request somewhere. An error of send leaves the outcome unknown; a send that asks again under the
// same id, until there is an answer, has none.
func Remote(send func(ctx context.Context, a Asked) (Answer, error)) Doer {
	return func(ctx context.Context, r functions.Request) error {
		env := r.RequestEnvelope()
		if env.Err != nil {
			return env.Err
		}
		a := Asked{Instance: env.ID, Coordinator: env.Coordinator, RequestID: env.RequestID, Arg: env.Encoded()}
		if env.Op != nil {
			a.Operation = env.Op.FullName()
		}
		answer, err := send(ctx, a)
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
		}
		if err := answer.err(); err != nil {
			return err
		}
		if env.Into != nil {
			return env.Into(answer.Result)
		}
		return nil
	}
}

// engineErrors are those of the engine's errors that a client decides on.
var engineErrors = []error{engine.ErrUnknown, engine.ErrOverloaded, engine.ErrClosed, engine.ErrNoSpace}

// err is the error of an answer. Of an engine's error that is none of those that clients know nothing more is known either.
func (a Answer) err() error {
	if a.Failure != nil {
		return functions.DecodeFailure(a.Failure)
	}
	if a.Engine == "" {
		return nil
	}
	for _, known := range engineErrors {
		if a.Engine == known.Error() {
			return known
		}
	}
	return fmt.Errorf("record: the engine answered: %s", a.Engine)
}

// Serve runs a request that came over a wire and waits for its outcome.
func Serve(ctx context.Context, e *engine.Engine, a Asked) (answer Answer) {
	env := functions.Envelope{Coordinator: a.Coordinator, ID: a.Instance, Arg: a.Arg, Into: func(result []byte) error {
		answer.Result = append([]byte{}, result...)
		return nil
	}}
	if a.Operation != "" {
		if env.Op = operationOf(a.Operation); env.Op == nil {
			return Answer{Engine: fmt.Sprintf("there is no operation %q", a.Operation)}
		}
	}
	var request functions.Request = asked{env}
	if a.RequestID != "" {
		request = functions.Identify(env, a.RequestID)
	}
	err := e.Do(ctx, request)
	if err == nil {
		return answer
	}
	for _, known := range engineErrors {
		if errors.Is(err, known) {
			return Answer{Engine: known.Error()}
		}
	}
	return Answer{Failure: functions.EncodeFailure(err)}
}

// operationOf finds an operation by its full name.
func operationOf(name string) *functions.Operation {
	for _, part := range Parts() {
		if t, ok := part.Definition().(*functions.TypeInfo); ok {
			for _, op := range t.Operations() {
				if op.FullName() == name {
					return op
				}
			}
		}
	}
	return nil
}
