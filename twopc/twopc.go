// Package twopc is the serializable protocol: strict two-phase locking and two-phase commit, presumed abort.
//
// A transaction is a coordinator function made with [New]. Each call that it makes through its [Tx] is a prepare: the
// participant, a [Seat] at which the transaction has a [Visit], locks, runs the operation on the instance's state, keeps the
// operation's effects back, and answers with the result; the answer is its vote. When the function returns nil the
// [Coordinator] decides commit, on any error abort, and tells the participants, which apply or undo, and release.
//
// The coordinator and the seat are pure machines: an event in, actions out. Package engine carries the messages between them.
//
// Start reading at coordinator.go, whose comment has the protocol's steps and invariants, then seat.go.
package twopc

import (
	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
)

// ErrDeadlock: the transaction was picked as a victim (or refused a lock, under WaitDie, WoundWait and NoWait) in each of its
// attempts. Nothing happened. The engine retries victims by itself; users see this only after that.
const ErrDeadlock functions.Failure = "concordat: transaction gave way to others in all its attempts"

// Transaction is a serializable transaction with input A: its calls happen all or not at all, as if at one moment at which
// nothing else happened.
type Transaction[A any] struct{ function *coordinator.Function }

// New makes a serializable transaction. The body may be run several times (after a deadlock, after a crash) and has no effect
// until it is decided, so it need not be deterministic; it must do no I/O. If it returns an error, or any call failed, the
// transaction aborts.
func New[A any](name string, body func(tx *Tx, input A) error) *Transaction[A] {
	if body == nil {
		return &Transaction[A]{newFunction[A](name, nil)}
	}
	return &Transaction[A]{newFunction(name, func(tx *Tx, input A) ([]byte, error) { return nil, body(tx, input) })}
}

// Definition implements functions.Part.
func (t *Transaction[A]) Definition() functions.Definition { return t.made().Definition() }

// made is the function, or nil if nobody made it.
func (t *Transaction[A]) made() *coordinator.Function {
	if t == nil {
		return nil
	}
	return t.function
}

// With makes the start of the transaction with this input.
func (t *Transaction[A]) With(input A) coordinator.Start {
	return coordinator.NewStart(t.made(), input)
}

// As makes the start of the transaction with a request id; see functions.Call.As.
func (t *Transaction[A]) As(requestID string, input A) functions.Identified {
	return t.With(input).As(requestID)
}

// TransactionReturning is a [Transaction] that returns an R.
type TransactionReturning[A, R any] struct{ function *coordinator.Function }

// NewReturning is [New] for a transaction with a result.
func NewReturning[A, R any](name string, body func(tx *Tx, input A) (R, error)) *TransactionReturning[A, R] {
	if body == nil {
		return &TransactionReturning[A, R]{newFunction[A](name, nil)}
	}
	results := functions.ValuesOf[R]()
	f := newFunction(name, func(tx *Tx, input A) ([]byte, error) {
		result, err := body(tx, input)
		if err != nil {
			return nil, err
		}
		return results.Encode(result)
	})
	f.Result = results
	return &TransactionReturning[A, R]{f}
}

// Definition implements functions.Part.
func (t *TransactionReturning[A, R]) Definition() functions.Definition { return t.made().Definition() }

// made is the function, or nil if nobody made it.
func (t *TransactionReturning[A, R]) made() *coordinator.Function {
	if t == nil {
		return nil
	}
	return t.function
}

// With makes the start of the transaction with this input.
func (t *TransactionReturning[A, R]) With(input A) coordinator.StartReturning[R] {
	return coordinator.NewStartReturning[R](coordinator.NewStart(t.made(), input))
}

func newFunction[A any](name string, body func(tx *Tx, input A) ([]byte, error)) *coordinator.Function {
	inputs := functions.ValuesOf[A]()
	f := &coordinator.Function{
		Name:     name,
		Protocol: coordinator.Serializable,
		Input:    inputs,
		ByValue:  inputs.Faithful(),
		Shape:    functions.ShapeFor[A](),
	}
	if body != nil {
		f.Body = func(r *coordinator.Routine, data []byte) ([]byte, error) {
			input, err := coordinator.Input[A](r, data)
			if err != nil {
				return nil, err
			}
			return body(&Tx{r}, input)
		}
	}
	return f
}

// Tx is a running transaction, for its body only.
type Tx struct{ routine *coordinator.Routine }

// Do makes a call and waits for it. A failed call dooms the transaction: each further call returns the same error, and it can
// not commit even if the body returns nil.
func (tx *Tx) Do(call functions.Call) error {
	return tx.routine.IssueOne(coordinator.Step{Call: call.Envelope()})
}

// All makes several calls at once and waits for all of them. Calls of the same instance happen in the order given. It returns
// the first failure.
func (tx *Tx) All(calls ...functions.Call) error {
	steps := tx.routine.Steps(len(calls))
	for i, call := range calls {
		steps[i].Call = call.Envelope()
	}
	return tx.routine.IssueAll(steps)
}

// Ask asks a question inside the transaction and waits for the answer, which stays true until the transaction is decided.
func Ask[R any](tx *Tx, q functions.Query[R]) (answer R, err error) {
	err = tx.Do(q.Into(&answer))
	return answer, err
}

// OnCommit attaches effects (calls and starts to send, records to emit) that happen if and only if the transaction commits.
func (tx *Tx) OnCommit(effects ...functions.Effect) { tx.routine.AddSuccess(effects...) }

// OnAbort attaches effects that happen if and only if the transaction aborts for good: not when it is retried.
func (tx *Tx) OnAbort(effects ...functions.Effect) { tx.routine.AddFailure(effects...) }

// Attempt counts the runs of this transaction, from 1.
func (tx *Tx) Attempt() int { return tx.routine.Attempt() }
