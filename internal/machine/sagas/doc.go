// Package sagas is the machine of the saga protocol: an event in, actions out. It is pure.
//
// The [Coordinator] goes on from a [Journal], runs the body that package saga made, and compensates what succeeded when that fails.
// Package engine carries its messages and writes its journal.
//
// Start reading at coordinator.go, whose comment has the protocol's steps and invariants, then undo.go.
package sagas
