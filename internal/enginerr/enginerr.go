// Package enginerr has the errors of the engine itself, for the engine and for clients in other processes: the latter match them without
// linking an engine. Programs find them in package engine, and in package client.
package enginerr

import "errors"

// The errors. Package engine says what each of them means.
var (
	ErrUnknown     = errors.New("engine: outcome unknown")
	ErrNotBegun    = errors.New("engine: not begun")
	ErrOverloaded  = errors.New("engine: overloaded")
	ErrClosed      = errors.New("engine: closed")
	ErrNoSpace     = errors.New("engine: no disk space")
	ErrReusedID    = errors.New("engine: request id was used for a different request")
	ErrResult      = errors.New("engine: the request succeeded, but its result cannot be read")
	ErrNoSaga      = errors.New("engine: no such saga")
	ErrNotRunning  = errors.New("engine: nothing to cancel")
	ErrUnknownType = errors.New("engine: unknown function type")
)
