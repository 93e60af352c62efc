package engine

import (
	"errors"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/store"
)

// Errors of the engine itself. None of them says that a request failed: ErrUnknown leaves open what became of it, the others
// say that it was not even begun.
var (
	// ErrUnknown: the outcome is not known. Ask again under the same request id.
	ErrUnknown = errors.New("engine: outcome unknown")
	// ErrNotBegun: the context was over before. Nothing happened.
	ErrNotBegun = errors.New("engine: not begun")
	// ErrOverloaded: too many requests wait for their outcome. Nothing happened.
	ErrOverloaded = errors.New("engine: overloaded")
	// ErrClosed: the engine is closed. Nothing happened.
	ErrClosed = errors.New("engine: closed")
	// ErrNoSpace: the disk is too full to take more requests. Nothing happened. Questions to an instance without an id are answered.
	ErrNoSpace = errors.New("engine: no disk space")
	// ErrReusedID: the request id was used before, for another function or instance or with another argument. This request was not
	// run; what became of that one can be asked with Engine.Outcome.
	ErrReusedID = errors.New("engine: request id was used for a different request")
	// ErrResult: the request succeeded, and its result does not decode into what is asked for: most likely another version of the
	// program has run it.
	ErrResult = errors.New("engine: the request succeeded, but its result cannot be read")
	// ErrNoSaga: there is no such saga, or it is not in a state that the request is for.
	ErrNoSaga = errors.New("engine: no such saga")
	// ErrUnknownType: the engine was not opened with this function type.
	ErrUnknownType = errors.New("engine: unknown function type")
	// ErrFormat: the directory was written by another version of the format, or with another number of shards.
	ErrFormat = errors.New("engine: directory does not fit")
	// ErrDamaged: a stored row does not decode.
	ErrDamaged = errors.New("engine: damaged row")
	// ErrInUse: the directory is open in another process, or twice in this one.
	ErrInUse = store.ErrInUse
)

// ErrUnknownCoordinator: a request, or an operation's message, is for a coordinator function that the engine was not opened with.
// Nothing happened; the operation failed.
const ErrUnknownCoordinator functions.Failure = "concordat: unknown coordinator function"

// ErrNoEgress: an operation emitted a record for an egress that the engine was not opened with. The operation failed.
const ErrNoEgress functions.Failure = "concordat: unknown egress"

// ErrTooManyMessages: an operation sent a message while Options.MaxMessages were waiting to be run. The operation failed.
const ErrTooManyMessages functions.Failure = "concordat: too many messages"

// ErrTooManyRuns: an operation sent a message, or set a timer, that starts a coordinator function while Options.MaxRuns were under way. The
// operation failed.
const ErrTooManyRuns functions.Failure = "concordat: too many coordinator functions"

// ErrEgressFull: an operation emitted a record while Options.MaxBacklog records of its egress were not delivered. The operation failed.
const ErrEgressFull functions.Failure = "concordat: egress full"

// ErrTooManyTimers: an operation set a timer while Options.MaxTimers were set, or its instance had functions.MaxEffects for itself. The
// operation failed.
const ErrTooManyTimers functions.Failure = "concordat: too many timers"
