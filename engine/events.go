package engine

import (
	"context"
	"time"

	"github.com/concordat-dev/concordat/functions"
)

// Events are functions that an engine calls as things happen in it, each with a value that tells what has happened. One that is nil costs
// a comparison.
//
// They are called by the goroutines that do the work, which wait for them meanwhile, and by several at once unless the engine is stepped: so
// they have to be quick, and must neither wait for anything nor call the engine. What they are given is theirs to keep. Those that are
// called of many things (MessageHandled, LockWaited) are for tests and for somebody who looks.
type Events struct {
	// MessageHandled is called before a worker handles a message.
	MessageHandled func(MessageInfo)

	// EpochCut is called with the number of an epoch that has ended in memory; no worker runs meanwhile.
	EpochCut func(epoch uint64)

	// EpochSealed is called once an epoch is durable, before anything that waited for that is let out.
	EpochSealed func(EpochInfo)

	// TrialBegan is called before something that an earlier process left, and may have died of, is run: see Engine.Parked.
	TrialBegan func(TrialInfo)

	// TransactionSealed is called with the course of a transaction once that is durable: of those that TraceWanted wants, and of the 1st,
	// 2nd, 4th, 8th and so on that a worker begins in an epoch, at most 512 in a second.
	TransactionSealed func(Trace)

	// SagaSealed is the same for sagas: called once the outcome is durable. Those that an earlier process has begun have no trace.
	SagaSealed func(Trace)

	// TraceWanted is asked for each request for a coordinator function, with its context (that of Do and Ask, or of [Within]), by the
	// goroutine that makes the request: the run that this begins is traced if it says so, however many there are. Nobody is asked if
	// neither TransactionSealed nor SagaSealed is there.
	TraceWanted func(context.Context) bool

	// LockWaited is called when a call has waited for the lock of an instance, and has got it or given it up.
	LockWaited func(LockWaitInfo)
}

// MessageInfo tells of a message that a worker handles: one to an instance, or one to a coordinator function.
type MessageInfo struct {
	Worker    int
	Kind      string            // call, prepare, lock, withdraw, granted, commit, abort, done, vote, conflict, start, go-on or wake
	Address   functions.Address // of the instance
	Operation string            // "" of a commit and an abort, and if only the lock is taken
	Function  string            // the coordinator function, if it is to one: then it has no address
	Run       uint64            // which run of it
}

// TrialInfo tells of the turn of suspects.
type TrialInfo struct {
	Suspects int // that have it together
	Starts   int // of the first of them, in earlier processes
}

// LockWaitInfo tells of a wait for a lock that is over.
type LockWaitInfo struct {
	Worker  int // that has the instance
	Address functions.Address
	Waited  time.Duration
}

// and makes events of two that are called one after the other.
func (e Events) and(next Events) Events {
	return Events{
		MessageHandled: both(e.MessageHandled, next.MessageHandled), EpochCut: both(e.EpochCut, next.EpochCut),
		EpochSealed: both(e.EpochSealed, next.EpochSealed), TrialBegan: both(e.TrialBegan, next.TrialBegan),
		TransactionSealed: both(e.TransactionSealed, next.TransactionSealed), SagaSealed: both(e.SagaSealed, next.SagaSealed),
		TraceWanted: either(e.TraceWanted, next.TraceWanted), LockWaited: both(e.LockWaited, next.LockWaited),
	}
}

func both[T any](first, second func(T)) func(T) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(info T) { first(info); second(info) }
}

func either(first, second func(context.Context) bool) func(context.Context) bool {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(ctx context.Context) bool { return first(ctx) || second(ctx) }
}

// orNobody is nil if nobody is told of anything.
func (e *Events) orNobody() *Events {
	if e.MessageHandled == nil && e.EpochCut == nil && e.EpochSealed == nil && e.TrialBegan == nil && e.TransactionSealed == nil &&
		e.SagaSealed == nil && e.LockWaited == nil {
		return nil
	}
	return e
}

// wants reports whether the run that a request begins is to be traced.
func (e *Events) wants(ctx context.Context) bool {
	return e != nil && e.TraceWanted != nil && (e.TransactionSealed != nil || e.SagaSealed != nil) && e.TraceWanted(ctx)
}
