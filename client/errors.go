package client

import (
	"errors"
	"slices"

	"connectrpc.com/connect"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/enginerr"
	"github.com/concordat-dev/concordat/internal/failures"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// Errors of an engine that a client passes on: the same values as in package engine, which says what they mean.
var (
	ErrUnknown     = enginerr.ErrUnknown
	ErrNotBegun    = enginerr.ErrNotBegun
	ErrOverloaded  = enginerr.ErrOverloaded
	ErrReusedID    = enginerr.ErrReusedID
	ErrResult      = enginerr.ErrResult
	ErrClosed      = enginerr.ErrClosed // also: the client is closed
	ErrUnknownType = enginerr.ErrUnknownType
	ErrNotRunning  = enginerr.ErrNotRunning
)

// Errors of the client's own. In all of them nothing happened.
var (
	// ErrUnreachable: the server cannot be reached, in all the time that a request is tried for.
	ErrUnreachable = errors.New("client: the server cannot be reached")
	// ErrDiffers: the server's functions are not those of the client.
	ErrDiffers = errors.New("client: the server's functions differ")
	// ErrUnauthenticated: the server wants credentials, or does not know these.
	ErrUnauthenticated = errors.New("client: unauthenticated")
	// ErrForbidden: the credentials do not allow it.
	ErrForbidden = errors.New("client: forbidden")
)

// remoteError is an error of the server's.
type remoteError struct {
	*failures.FarError       // its text, and the failures that it matches
	sentinel           error // what it is to the client
}

// Unwrap returns the error of this package, or of the engine, that it is.
func (r *remoteError) Unwrap() error { return r.sentinel }

// errorOf is what an error of the server's is to the client; nil of nil.
func errorOf(e *concordatv1.Error) error {
	if e == nil {
		return nil
	}
	far := failures.FarOf(e.Text, failuresOf(e))
	sentinels := map[string]error{
		"unknown": ErrUnknown, "overloaded": ErrOverloaded, "reused_id": ErrReusedID, "not_found": ErrDiffers, "invalid": functions.ErrBadCall,
		"unauthenticated": ErrUnauthenticated, "forbidden": ErrForbidden,
	}
	switch sentinel := sentinels[e.Code]; {
	case e.Code == "failure":
		return far
	case sentinel != nil:
		return &remoteError{far, sentinel}
	}
	return &remoteError{far, ErrUnknown} // of a later version of the server
}

func failuresOf(e *concordatv1.Error) (failures []functions.Failure) {
	for _, name := range e.Failures {
		failures = append(failures, functions.Failure(name))
	}
	return failures
}

// refusal is the error of a procedure if the server has refused it for good; nil if it may be tried again.
func refusal(err error) error {
	code := connect.CodeOf(err)
	final := []connect.Code{
		connect.CodeUnauthenticated, connect.CodePermissionDenied, connect.CodeUnimplemented, connect.CodeInvalidArgument, connect.CodeNotFound,
	}
	if !slices.Contains(final, code) {
		return nil
	}
	var of *connect.Error
	if errors.As(err, &of) {
		for _, detail := range of.Details() {
			if value, failed := detail.Value(); failed == nil {
				if e, ok := value.(*concordatv1.Error); ok {
					return errorOf(e)
				}
			}
		}
	}
	return errors.Join(ErrUnreachable, err)
}
