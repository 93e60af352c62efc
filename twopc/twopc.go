// Package twopc is the serializable protocol: strict two-phase locking and two-phase commit, presumed abort.
//
// A transaction is a coordinator function made with [New]. Each call that it makes through its [Tx] takes the instance's lock and runs
// there at once; nobody else sees what it changed before the transaction is over. When the function returns nil all of it holds, on
// any error nothing of it.
//
// What users write is here; the protocol's machines are in internal/machine/transactions.
package twopc

import (
	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// ErrDeadlock: the transaction was picked as a victim (or refused a lock, under WaitDie, WoundWait and NoWait) in each of its
// attempts. Nothing happened. The engine retries victims by itself; users see this only after that.
const ErrDeadlock functions.Failure = "concordat: transaction gave way to others in all its attempts"

// Transaction is a serializable transaction with input A: its calls happen all or not at all, as if at one moment at which
// nothing else happened.
type Transaction[A any] struct{ function *routines.Function }

// New makes a serializable transaction. The body may be run several times (after a deadlock, after a crash) and has no effect
// until it is decided, so it need not be deterministic; it must do no I/O. If it returns an error, or any call failed that was not
// made with Try or TryAsk, the transaction aborts.
func New[A any](name string, body func(tx *Tx, input A) error) *Transaction[A] {
	if body == nil {
		return &Transaction[A]{newFunction[A](name, nil)}
	}
	return &Transaction[A]{newFunction(name, func(tx *Tx, input A) (*functions.Result, error) { return nil, body(tx, input) })}
}

// Definition implements functions.Part.
func (t *Transaction[A]) Definition() functions.Definition { return t.made().Definition() }

// made is the function, or nil if nobody made it.
func (t *Transaction[A]) made() *routines.Function {
	if t == nil {
		return nil
	}
	return t.function
}

// With makes the start of the transaction with this input.
func (t *Transaction[A]) With(input A) coordinator.Start {
	return routines.NewStart(t.made(), input)
}

// As makes the start of the transaction with a request id; see functions.Call.As.
func (t *Transaction[A]) As(requestID string, input A) functions.Identified {
	return t.With(input).As(requestID)
}

// TransactionReturning is a [Transaction] that returns an R.
type TransactionReturning[A, R any] struct{ function *routines.Function }

// NewReturning is [New] for a transaction with a result.
func NewReturning[A, R any](name string, body func(tx *Tx, input A) (R, error)) *TransactionReturning[A, R] {
	if body == nil {
		return &TransactionReturning[A, R]{newFunction[A](name, nil)}
	}
	results := functions.ValuesOf[R]()
	f := newFunction(name, func(tx *Tx, input A) (*functions.Result, error) {
		result, err := body(tx, input)
		if err != nil {
			return nil, err
		}
		return results.Result(result)
	})
	f.Result = results
	return &TransactionReturning[A, R]{f}
}

// Definition implements functions.Part.
func (t *TransactionReturning[A, R]) Definition() functions.Definition { return t.made().Definition() }

// made is the function, or nil if nobody made it.
func (t *TransactionReturning[A, R]) made() *routines.Function {
	if t == nil {
		return nil
	}
	return t.function
}

// With makes the start of the transaction with this input.
func (t *TransactionReturning[A, R]) With(input A) coordinator.StartReturning[R] {
	return coordinator.NewStartReturning[R](routines.NewStart(t.made(), input))
}

func newFunction[A any](name string, body func(tx *Tx, input A) (*functions.Result, error)) *routines.Function {
	inputs := functions.ValuesOf[A]()
	f := &routines.Function{
		Name:     name,
		Protocol: coordinator.Serializable,
		Input:    inputs,
		ByValue:  inputs.Faithful(),
		Shape:    functions.ShapeFor[A](),
	}
	if body != nil {
		f.Body = func(r *routines.Routine, data []byte) (*functions.Result, error) {
			input, err := routines.Input[A](r, data)
			if err != nil {
				return nil, err
			}
			return body(&Tx{r, r.Number()}, input)
		}
	}
	return f
}

// Tx is a running transaction, for its body only and on its goroutine: a call that is made elsewhere, or later, fails with
// functions.ErrBadCall, and so does the transaction if it is not over. A goroutine that tries it coordinator.MaxSteps times is ended
// (runtime.Goexit): its deferred functions run.
type Tx struct {
	routine *routines.Routine
	run     uint64
}

// Do makes a call and waits for it. A failed call dooms the transaction: each further call returns the same error, and it can
// not commit even if the body returns nil. See [Tx.Try] for a call that may fail.
func (tx *Tx) Do(call functions.Call) error {
	return tx.issue(&call, false)
}

func (tx *Tx) issue(call *functions.Call, mayFail bool) error {
	if err := tx.routine.Enter(tx.run); err != nil {
		return err
	}
	steps := tx.routine.Steps(1)
	steps[0].Call, steps[0].MayFail = call.Envelope(), mayFail
	return tx.routine.IssueAll(steps)
}

// All makes several calls at once and waits for all of them. Calls of the same instance happen in the order given. It returns
// the first failure.
func (tx *Tx) All(calls ...functions.Call) error {
	if err := tx.routine.Enter(tx.run); err != nil {
		return err
	}
	steps := tx.routine.Steps(len(calls))
	for i, call := range calls {
		steps[i].Call = call.Envelope()
	}
	return tx.routine.IssueAll(steps)
}

// Try makes a call that may fail, and waits for it. If the operation fails or panics, nothing of the call stays, neither changes nor
// effects, and Try returns the failure; the transaction is not doomed by it and can commit. That is for "debit one account, else the
// other" and "make it, or take what is there".
//
// The failure is something that the transaction has seen, like an answer: it stays true until the decision. So the instance, also
// one that does not exist, stays locked as if the call had succeeded.
//
// Two things still doom the transaction, as with [Tx.Do], and then each further call returns the same error:
//   - It has to give way to others. The error is ErrDeadlock, and says nothing about the instance. The body must come to its end,
//     whatever it returns: it is run again in a fresh attempt, up to Options.MaxAttempts. A body that does something else after a
//     failure best does it for the failure that it expects.
//   - The call itself is wrong, or the program: it cannot be delivered (functions.ErrBadCall, ErrUnknownOperation, an argument over
//     Options.MaxBytes), its result does not fit into the variable, or it changes more than a transaction may.
func (tx *Tx) Try(call functions.Call) error {
	return tx.issue(&call, true)
}

// Answering is a call that has an answer: a functions.Query or a functions.Returning.
type Answering[R any] interface {
	Into(answer *R) functions.Call
}

// TryAsk is [Tx.Try] for a question, or an operation that returns something. The answer of a call that failed is the zero R.
func TryAsk[R any](tx *Tx, call Answering[R]) (answer R, err error) {
	err = tx.Try(call.Into(&answer))
	return answer, err
}

// Ask asks a question inside the transaction and waits for the answer, which stays true until the transaction is decided.
func Ask[R any](tx *Tx, q functions.Query[R]) (answer R, err error) {
	err = tx.Do(q.Into(&answer))
	return answer, err
}

// OnCommit attaches effects (calls and starts to send, records to emit) that happen if and only if the transaction commits.
// One that cannot be carried out (malformed, unknown to the engine, too large, over functions.MaxEffects) dooms the transaction at
// once: further calls fail, and so does the transaction, whatever the body returns.
func (tx *Tx) OnCommit(effects ...functions.Effect) {
	if tx.routine.Enter(tx.run) == nil {
		tx.routine.AddSuccess(effects...)
	}
}

// OnAbort attaches effects that happen if and only if the transaction aborts for good: not when it is retried.
// They are checked like those of [Tx.OnCommit]; those that can be carried out happen then.
func (tx *Tx) OnAbort(effects ...functions.Effect) {
	if tx.routine.Enter(tx.run) == nil {
		tx.routine.AddFailure(effects...)
	}
}

// Attempt counts the runs of this transaction, from 1.
func (tx *Tx) Attempt() int { return tx.routine.Attempt() }
