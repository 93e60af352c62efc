package functions

import "github.com/concordat-dev/concordat/internal/machine/instances"

// Address names an instance.
type Address struct {
	Type string `cbor:"1,keyasint"`
	ID   string `cbor:"2,keyasint"`
}

// String returns the type's name, a slash and the id.
func (a Address) String() string { return a.Type + "/" + a.ID }

// Message is what a function can send and a client can request: a [Call], or the start of a coordinator function.
type Message interface{ instances.Message }

// Request is what a client can ask an engine for: any [Message], or one that was given an id with As.
type Request interface{ instances.Request }

// RequestReturning is a request whose result is asked for: a [Query], a [CallReturning], the start of a coordinator function that returns
// a result, or one of these that was given an id with As.
type RequestReturning[R any] interface{ instances.RequestReturning[R] }

// Call is an operation, an instance and an argument: an inert value that can be copied and used many times. The argument is
// encoded when the call is made, so later changes to it do not matter.
type Call struct{ instances.Call }

// As gives the call a request id: the engine runs it once, however often it is asked, and answers each time with the same
// outcome for as long as outcomes are kept. The id belongs to the instance: for another one it is another request. Reuse for another
// operation of the instance, or with another argument, is an error. Ids of starts belong to their coordinator functions likewise.
func (c Call) As(requestID string) Request { return instances.Identify(c.Envelope(), requestID) }

// CallReturning is a [Call] of an operation that changes the state and returns an R.
type CallReturning[R any] struct{ instances.CallReturning[R] }

// Into makes a call that stores the result in *result when it succeeds.
func (c CallReturning[R]) Into(result *R) Call { return Call{c.Storing(result)} }

// Drop makes a call that forgets the result.
func (c CallReturning[R]) Drop() Call { return Call{c.Called} }

// As gives the call a request id; see [Call.As].
func (c CallReturning[R]) As(requestID string) RequestReturning[R] {
	return instances.IdentifyReturning[R](c.Called.Envelope(), requestID)
}

// Query is a call of a [View]: it changes nothing, and returns an R. Ask it (engine.Ask, twopc.Ask, saga.Ask), or make it a call that
// stores its result with Into.
type Query[R any] struct{ instances.CallReturning[R] }

// Into makes a call that stores the result in *result when it succeeds. It lets several queries be asked at once in All.
func (q Query[R]) Into(result *R) Call { return Call{q.Storing(result)} }

// As gives the query a request id; see [Call.As].
func (q Query[R]) As(requestID string) RequestReturning[R] {
	return instances.IdentifyReturning[R](q.Called.Envelope(), requestID)
}
