package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// code is what kind of error it is, for programs. Codes never change.
type code string

const (
	codeFailure         code = "failure"
	codeUnknown         code = "unknown"
	codeOverloaded      code = "overloaded"
	codeInvalid         code = "invalid"
	codeNotFound        code = "not_found"
	codeReusedID        code = "reused_id"
	codeUnauthenticated code = "unauthenticated"
	codeForbidden       code = "forbidden"
)

// fault is an error as clients see it.
type fault struct {
	code     code
	text     string
	failures []functions.Failure
	field    string // where in an argument, as a JSON pointer
}

// Error returns the code and the text.
func (f *fault) Error() string { return string(f.code) + ": " + f.text }

func faultf(c code, format string, args ...any) *fault {
	return &fault{code: c, text: shortened(fmt.Sprintf(format, args...), maxText)}
}

// Bounds of what a fault repeats of what somebody sent.
const (
	maxField = 512  // bytes of a field's path
	maxText  = 4096 // bytes of a text; failures of users have as much
)

// shortened is a text of at most so many bytes.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// faultOf is what an error of the engine is to a client. Nil stays nil.
func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	f = &fault{code: codeUnknown, text: shortened(err.Error(), maxText), failures: failures.In(err)}
	_, isFailure := err.(*failures.FarError) // an outcome is one; errors of the engine itself at most wrap one
	switch {
	case isFailure:
		f.code = codeFailure
	case errors.Is(err, engine.ErrUnknown), errors.Is(err, engine.ErrNotBegun), errors.Is(err, engine.ErrResult):
	case errors.Is(err, engine.ErrOverloaded), errors.Is(err, engine.ErrNoSpace), errors.Is(err, engine.ErrClosed):
		f.code = codeOverloaded
	case errors.Is(err, engine.ErrReusedID):
		f.code = codeReusedID
	case errors.Is(err, engine.ErrNoSaga), errors.Is(err, engine.ErrNotRunning), errors.Is(err, engine.ErrUnknownType), errors.Is(err, engine.ErrUnknownCoordinator),
		errors.Is(err, functions.ErrUnknownOperation):
		f.code = codeNotFound
	case errors.Is(err, functions.ErrBadCall), errors.Is(err, functions.ErrTooLarge), errors.Is(err, functions.ErrBadValue),
		errors.Is(err, functions.ErrBadArgument):
		f.code = codeInvalid
	}
	return f
}

// message is the fault as the schema has it; nil of nil.
func (f *fault) message() *concordatv1.Error {
	if f == nil {
		return nil
	}
	m := &concordatv1.Error{Code: string(f.code), Text: f.text, Field: f.field}
	for _, failure := range f.failures {
		m.Failures = append(m.Failures, string(failure))
	}
	return m
}

// status is the HTTP status of a fault on the plain routes.
func (f *fault) status() int {
	switch f.code {
	case codeFailure:
		for _, failure := range f.failures {
			if failure == functions.ErrNotFound {
				return http.StatusNotFound
			}
		}
		return http.StatusConflict
	case codeOverloaded:
		return http.StatusServiceUnavailable
	case codeInvalid:
		return http.StatusBadRequest
	case codeNotFound:
		return http.StatusNotFound
	case codeReusedID:
		return http.StatusUnprocessableEntity
	case codeUnauthenticated:
		return http.StatusUnauthorized
	case codeForbidden:
		return http.StatusForbidden
	}
	return http.StatusGatewayTimeout // the outcome is not known
}

// rpc is the fault as the error of a procedure.
func (f *fault) rpc() *connect.Error {
	codes := map[code]connect.Code{
		codeFailure: connect.CodeFailedPrecondition, codeUnknown: connect.CodeUnknown, codeOverloaded: connect.CodeUnavailable,
		codeInvalid: connect.CodeInvalidArgument, codeNotFound: connect.CodeNotFound, codeReusedID: connect.CodeAlreadyExists,
		codeUnauthenticated: connect.CodeUnauthenticated, codeForbidden: connect.CodePermissionDenied,
	}
	err := connect.NewError(codes[f.code], errors.New(f.text))
	if detail, failed := connect.NewErrorDetail(f.message()); failed == nil {
		err.AddDetail(detail)
	}
	return err
}
