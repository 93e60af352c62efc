// Package functions is what users write: function types, their operations, calls of them, failures, and the Ctx of an
// operation.
//
// A [Type] is a named kind of instance with a Go state type. An instance is one (type, id) with its state; one thing at a
// time happens to it. An operation is a plain Go function on a type; the constructor it is made with ([Create], [Update],
// [Upsert], [View], [Delete] and their like) is its access mode. A [Call] is an operation, an id and an argument as an
// inert value: nothing happens until an engine, a coordinator function or [Ctx.Send] is given it. A [Failure] is an outcome
// that user code chose. [Ctx] is what an operation may do besides changing its state.
//
// The package is pure: it knows no goroutine, clock, disk or socket. [Cell] runs operations on one instance and is what the
// engine and the protocols build on.
//
// Start reading at type.go, then call.go and cell.go.
package functions
