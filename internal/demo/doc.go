// Package demo shows in a browser what Concordat is for: the same bank as sagas and as serializable transactions, side by side.
//
// A [Side] is one of both: an engine in a process of its own, which the demo supervises, and clients that move money there. Its books are what
// these clients were told: what each account must have. A look is what an outside reader sees at any moment; a count is made while no
// transfer is under way, and has to agree with the books account by account. An action is what a button does on both sides.
//
// Start reading at demo.go, then side.go and actions.go; engine.go is what runs in the other process.
package demo
