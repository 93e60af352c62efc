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
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// ErrDeadlock: the transaction was picked as a victim (or refused a lock, under WaitDie, WoundWait and NoWait) in each of its
// attempts. Nothing happened. The engine retries victims by itself; users see this only after that.
const ErrDeadlock functions.Failure = "concordat: transaction gave way to others in all its attempts"

// ErrCancelled: somebody has cancelled the transaction before it was decided. Nothing happened; see engine.Engine.CancelTransaction.
const ErrCancelled functions.Failure = "concordat: transaction was cancelled"

// New makes a serializable transaction: its calls happen all or not at all, as if at one moment at which nothing else happened. The
// body may be run several times (after a deadlock, after a crash) and has no effect until it is decided, so it need not be
// deterministic; it must do no I/O. If it returns an error, or any call failed that was not made with Try or TryAsk, the transaction
// aborts.
func New[A any](name string, body func(tx *Tx, input A) error) *coordinator.Function[A] {
	if body == nil {
		return &coordinator.Function[A]{Part: instances.PartOf(routines.New[A](name, routines.Serializable, nil))}
	}
	return &coordinator.Function[A]{Part: instances.PartOf(routines.New(name, routines.Serializable,
		func(r *routines.Routine, input A) (*instances.Result, error) {
			return nil, body(&Tx{r, r.Number()}, input)
		}))}
}

// NewReturning is [New] for a transaction with a result.
func NewReturning[A, R any](name string, body func(tx *Tx, input A) (R, error)) *coordinator.FunctionReturning[A, R] {
	if body == nil {
		return &coordinator.FunctionReturning[A, R]{Part: instances.PartOf(routines.New[A](name, routines.Serializable, nil))}
	}
	return &coordinator.FunctionReturning[A, R]{Part: instances.PartOf(routines.NewReturning(name, routines.Serializable,
		func(r *routines.Routine, input A) (R, error) { return body(&Tx{r, r.Number()}, input) }))}
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

// Ask makes a query inside the transaction and waits for its result, which stays true until the transaction is decided.
func Ask[R any](tx *Tx, q functions.Query[R]) (result R, err error) {
	err = tx.Do(q.Into(&result))
	return result, err
}

// Returning is a call that returns an R: a functions.Query or a functions.CallReturning.
type Returning[R any] interface {
	Into(result *R) functions.Call
}

// TryAsk is [Tx.Try] for a call that returns something. The result of one that failed is the zero R.
func TryAsk[R any](tx *Tx, call Returning[R]) (result R, err error) {
	err = tx.Try(call.Into(&result))
	return result, err
}

// OnCommit attaches effects (calls and starts to send, records to emit) that happen if and only if the transaction commits.
// One that cannot be carried out (malformed, unknown to the engine, too large, over functions.MaxEffects) dooms the transaction at
// once: further calls fail, and so does the transaction, whatever the body returns.
func (tx *Tx) OnCommit(effects ...functions.Effect) {
	if tx.routine.Enter(tx.run) != nil {
		return
	}
	for _, e := range effects {
		tx.routine.AddSuccess(e)
	}
}

// OnAbort attaches effects that happen if and only if the transaction aborts for good: not when it is retried.
// They are checked like those of [Tx.OnCommit]; those that can be carried out happen then.
func (tx *Tx) OnAbort(effects ...functions.Effect) {
	if tx.routine.Enter(tx.run) != nil {
		return
	}
	for _, e := range effects {
		tx.routine.AddFailure(e)
	}
}

// Attempt counts the runs of this transaction, from 1.
func (tx *Tx) Attempt() int { return tx.routine.Attempt() }
