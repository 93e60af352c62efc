// Package mistakes holds what the compiler has to refuse. Each line that is wrong says, in a comment, what the compiler's error has
// to contain; TestMistakesDoNotCompile reads it.
package mistakes

import (
	"context"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

type account struct{ Balance int64 }

type other struct{}

func debit(*functions.Ctx, *account, int64) error             { return nil }
func byValue(*functions.Ctx, account, int64) error            { return nil }
func balance(*functions.Ctx, account) (int64, error)          { return 0, nil }
func byPointer(*functions.Ctx, *account) (int64, error)       { return 0, nil }
func withdraw(*functions.Ctx, *account, int64) (int64, error) { return 0, nil }
func ofOther(*functions.Ctx, *other, int64) error             { return nil }

var (
	accounts = functions.NewType[account]("account")
	Debit    = functions.Update(accounts, "debit", debit)
	Balance  = functions.View(accounts, "balance", balance)
	Withdraw = functions.UpdateReturning(accounts, "withdraw", withdraw)
	Paid     = functions.NewEgress[string]("paid")
	Transfer = twopc.New("transfer", func(tx *twopc.Tx, n int64) error { return tx.Do(Debit.On("a", n)) })
	Total    = twopc.NewReturning("total", func(tx *twopc.Tx, n int64) (int64, error) { return n, nil })
	Trip     = saga.New("trip", func(s *saga.Run, n int64) error { return s.Do(Debit.On("a", n), saga.NoUndo) })
)

// An operation whose state is taken the wrong way.
var (
	_ = functions.Update(accounts, "x", byValue)       // error: func(*functions.Ctx, account, int64) error
	_ = functions.Create(accounts, "x", byValue)       // error: func(*functions.Ctx, account, int64) error
	_ = functions.View(accounts, "x", byPointer)       // error: func(*functions.Ctx, *account) (int64, error)
	_ = functions.Update(accounts, "x", ofOther)       // error: func(*functions.Ctx, *other, int64) error
	_ = functions.Update(accounts, "x", withdraw)      // error: func(*functions.Ctx, *account, int64) (int64, error)
	_ = functions.UpdateReturning(accounts, "", debit) // error: in call to functions.UpdateReturning
	_ = functions.Update0(accounts, "x", debit)        // error: func(*functions.Ctx, *account, int64) error
	_ = functions.Delete(accounts, "x", debit)         // error: func(*functions.Ctx, *account, int64) error
	_ = functions.View1(accounts, "x", balance)        // error: in call to functions.View1
)

// An argument, a result, an input or a record of the wrong type.
var (
	_ = Debit.On("a", "thirty")                                     // error: cannot use "thirty"
	_ = Debit.On("a")                                               // error: not enough arguments
	_ = Debit.On(7, 30)                                             // error: cannot use 7
	_ = Balance.On("a", 30)                                         // error: too many arguments
	_ = Balance.On("a").Into(new(string))                           // error: *string
	_ = Withdraw.On("a", 1).Into(new(string))                       // error: *string
	_ = Transfer.With("thirty")                                     // error: cannot use "thirty"
	_ = Transfer.As("id", "thirty")                                 // error: cannot use "thirty"
	_ = Trip.With("thirty")                                         // error: cannot use "thirty"
	_ = Total.With(1).Into(new(string))                             // error: *string
	_ = Total.As("id", "thirty")                                    // error: cannot use "thirty"
	_ = Paid.Record("key", 30)                                      // error: cannot use 30
	_ = twopc.New("x", func(*saga.Run, int64) error { return nil }) // error: func(*saga.Run, int64) error
)

func inTransaction(tx *twopc.Tx) {
	tx.Do(Transfer.With(1))               // error: coordinator.Start
	tx.Do(Trip.With(1))                   // error: coordinator.Start
	tx.All(Transfer.With(1))              // error: coordinator.Start
	tx.Do(Debit.On("a", 1).As("id"))      // error: functions.Request
	tx.Do(Balance.On("a"))                // error: functions.Query[int64]
	tx.All(Balance.On("a"))               // error: functions.Query[int64]
	tx.Do(accounts.Exists("a"))           // error: functions.Query[bool]
	tx.Do(Withdraw.On("a", 1))            // error: functions.CallReturning[int64]
	tx.Do(Debit)                          // error: functions.Command[int64]
	tx.Do(Paid.Record("a", "b"))          // error: functions.Record
	tx.OnCommit(Balance.On("a"))          // error: missing method AddTo
	tx.OnAbort(Withdraw.On("a", 1))       // error: missing method AddTo
	_, _ = twopc.Ask(tx, Total.With(1))   // error: in call to twopc.Ask
	_, _ = twopc.Ask(tx, Debit.On("", 1)) // error: in call to twopc.Ask
	var wrong string
	wrong, _ = twopc.Ask(tx, Balance.On("a")) // error: string
	_ = wrong
}

func inSaga(s *saga.Run) {
	s.Do(Debit.On("a", 1))                   // error: not enough arguments
	s.Do(Balance.On("a"), saga.NoUndo)       // error: functions.Query[int64]
	s.Do(Withdraw.On("a", 1), saga.NoUndo)   // error: functions.CallReturning[int64]
	s.Do(Transfer.With(1), saga.NoUndo)      // error: coordinator.Start
	s.Do(Debit.On("a", 1), Transfer.With(1)) // error: coordinator.Start
	s.All(Debit.On("a", 1))                  // error: saga.Step
	_ = saga.Step{Do: Balance.On("a")}       // error: functions.Query[int64]
	s.OnSuccess(Balance.On("a"))             // error: missing method AddTo
	_, _ = saga.Ask(s, Withdraw.On("a", 1))  // error: in call to saga.Ask
	_, _ = twopc.Ask(s, Balance.On("a"))     // error: *twopc.Tx
}

func inOperation(ctx *functions.Ctx) {
	ctx.Send(Balance.On("a"))           // error: missing method Envelope
	ctx.Send(Withdraw.On("a", 1))       // error: missing method Envelope
	ctx.Send(Debit.On("a", 1).As("id")) // error: missing method Envelope
	ctx.Emit(Paid.Record)               // error: cannot use Paid.Record
	ctx.Emit("text")                    // error: cannot use "text"
	ctx.SendAfter(5, Balance.On("a"))   // error: missing method Envelope
	var _ context.Context = ctx         // error: missing method Deadline
}
