package engine

import (
	"errors"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/enginerr"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/internal/store"
)

// Errors of the engine itself. None of them says that a request failed: ErrUnknown leaves open what became of it, the others
// say that it was not even begun.
var (
	// ErrUnknown: the outcome is not known. Ask again under the same request id.
	ErrUnknown = enginerr.ErrUnknown
	// ErrNotBegun: the context was over before. Nothing happened.
	ErrNotBegun = enginerr.ErrNotBegun
	// ErrOverloaded: too many requests wait for their outcome. Nothing happened.
	ErrOverloaded = enginerr.ErrOverloaded
	// ErrClosed: the engine is closed. Nothing happened.
	ErrClosed = enginerr.ErrClosed
	// ErrNoSpace: the disk is too full to take more requests. Nothing happened. Questions to an instance without an id are answered.
	ErrNoSpace = enginerr.ErrNoSpace
	// ErrReusedID: the request id was used before, for another operation of the instance or with another argument. This request was not
	// run; what became of that one can be asked with Engine.Outcome.
	ErrReusedID = enginerr.ErrReusedID
	// ErrResult: the request succeeded, and its result does not decode into what is asked for: most likely another version of the
	// program has run it.
	ErrResult = enginerr.ErrResult
	// ErrNoSaga: there is no such saga, or it is not in a state that the request is for.
	ErrNoSaga = enginerr.ErrNoSaga
	// ErrNotRunning: there is nothing to cancel: the transaction, or the request, is not known, has been decided, or cannot be cancelled in
	// its present state. The error says which.
	ErrNotRunning = enginerr.ErrNotRunning
	// ErrUnknownType: the engine was not opened with this function type.
	ErrUnknownType = enginerr.ErrUnknownType
	// ErrFormat: the directory was written by another version of the format, or with another number of shards, or not to its end.
	ErrFormat = errors.New("engine: directory does not fit")
	// ErrDamaged: a stored row does not decode.
	ErrDamaged = errors.New("engine: damaged row")
	// ErrInUse: the directory is open in another process, or twice in this one.
	ErrInUse = store.ErrInUse
)

// ErrUnknownCoordinator: a request, or an operation's message, is for a coordinator function that the engine was not opened with.
// Nothing happened; the operation failed.
const ErrUnknownCoordinator = registry.ErrUnknownCoordinator

// ErrNoEgress: an operation emitted a record for an egress that the engine was not opened with. The operation failed.
const ErrNoEgress = registry.ErrNoEgress

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
