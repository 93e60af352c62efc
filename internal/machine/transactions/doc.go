// Package transactions has the machines of the serializable protocol, strict two-phase locking and two-phase commit with presumed
// abort: an event in, actions out. They are pure.
//
// The [Coordinator] runs the body that package twopc made and sends each call as a prepare. The participant, a [Seat] at which the
// transaction has a [Visit], locks, runs the operation on the instance's state, keeps the operation's effects back, and answers with
// the result; the answer is its vote. Package engine carries the messages between them.
//
// Start reading at coordinator.go, whose comment has the protocol's steps and invariants, then seat.go.
package transactions
