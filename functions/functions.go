// Package functions is what users write: function types, their operations, calls of them, failures, and the Ctx of an
// operation.
//
// A [Type] is a named kind of instance with a Go state type. An instance is one (type, id) with its state; one thing at a
// time happens to it. An operation is a plain Go function on a type; the constructor it is made with is its access mode. A
// [Command] changes its instance, a view ([ViewOf]) reads it. On makes a [Call] of a command and a [Query] of a view: an
// operation, an id and an argument as an inert value. Nothing happens until an engine, a coordinator function or [Ctx.Send] is
// given it. Do does a call, Ask asks for the result besides. A [Failure] is an outcome that user code chose. [Ctx] is what an
// operation may do besides changing its state.
//
// Names say what is taken and returned. A command takes an argument and returns no result; [Delete] and [View] take none,
// and a view always returns a result. A 0 in a name says without an argument, a 1 with one, and Returning says with a result:
//
//	            usual     other argument   with a result      both
//	make        Create    Create0          CreateReturning    Create0Returning
//	change      Update    Update0          UpdateReturning    Update0Returning
//	either      Upsert    Upsert0          UpsertReturning    Upsert0Returning
//	remove      Delete    Delete1          DeleteReturning    Delete1Returning
//	read        View      View1
//
// So it is of all that follows from them: [CallReturning], saga.NewReturning, coordinator.StartReturning. Where a result
// stands in the way, Into says where to store it, and Drop that nobody wants it.
//
// The package is pure: it knows no goroutine, clock, disk or socket. What is inside its types, and runs operations for the
// engine and the protocols, is in internal/machine/instances.
//
// Start reading at type.go, then operation.go and call.go.
package functions
