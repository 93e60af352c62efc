// Package instances runs operations on instances, and has what operations ask for.
//
// A [Type] is a function type with its [Operation]s. A [Cell] is the state of one instance and runs operations on it; an [Image] is that
// state at one moment. An operation gets a [Ctx], of the [Frame] of its goroutine. What it asks for are [Effects]: messages, as
// [Envelope]s, now or by a [Timer], and records. A [Result] is what it returned.
//
// Package functions is the face of all this for users: its types have one of these inside. The package is pure.
//
// Start reading at type.go, then cell.go and message.go.
package instances
