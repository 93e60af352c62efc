// Package bank is money on accounts, moved by a serializable transaction or by a saga.
package bank

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Failures of the bank's operations.
const (
	ErrInsufficientFunds functions.Failure = "bank: insufficient funds"
	ErrBadAmount         functions.Failure = "bank: amount is not positive"
)

// Account is the state of an account.
type Account struct{ Balance int64 }

// Accounts are the bank's accounts, and their operations.
var (
	Accounts = functions.NewType[Account]("bank/account")
	Open     = functions.Create(Accounts, "open", open)
	Debit    = functions.Update(Accounts, "debit", debit)
	Credit   = functions.Update(Accounts, "credit", credit)
	Balance  = functions.View(Accounts, "balance", balance)
	Close    = functions.Delete(Accounts, "close", closeAccount)
)

func open(_ *functions.Ctx, a *Account, balance int64) error {
	a.Balance = balance
	return nil
}

func debit(_ *functions.Ctx, a *Account, amount int64) error {
	if amount <= 0 {
		return ErrBadAmount
	}
	if a.Balance < amount {
		return fmt.Errorf("%w: have %d, need %d", ErrInsufficientFunds, a.Balance, amount)
	}
	a.Balance -= amount
	return nil
}

func credit(_ *functions.Ctx, a *Account, amount int64) error {
	if amount <= 0 {
		return ErrBadAmount
	}
	a.Balance += amount
	return nil
}

func balance(_ *functions.Ctx, a Account) (int64, error) { return a.Balance, nil }

func closeAccount(_ *functions.Ctx, a *Account) error {
	if a.Balance != 0 {
		return fmt.Errorf("bank: the account still has %d", a.Balance)
	}
	return nil
}

// Transfer is money on its way from one account to another.
type Transfer struct {
	From, To string
	Amount   int64
}

// TransferTx moves the money in a serializable transaction: nobody sees half of it.
var TransferTx = twopc.New("bank/transfer", func(tx *twopc.Tx, t Transfer) error {
	return tx.All(Debit.On(t.From, t.Amount), Credit.On(t.To, t.Amount))
})

// TransferSaga moves the money in a saga: each step is visible at once, and undone if a later one fails.
var TransferSaga = saga.New("bank/transfer-saga", func(s *saga.Run, t Transfer) error {
	if err := s.Do(Debit.On(t.From, t.Amount), Credit.On(t.From, t.Amount)); err != nil {
		return err
	}
	return s.Do(Credit.On(t.To, t.Amount), Debit.On(t.To, t.Amount))
})

// Total adds up accounts as of one moment.
var Total = twopc.NewReturning("bank/total", func(tx *twopc.Tx, accounts []string) (int64, error) {
	balances := make([]int64, len(accounts))
	calls := make([]functions.Call, len(accounts))
	for i, account := range accounts {
		calls[i] = Balance.On(account).Into(&balances[i])
	}
	if err := tx.All(calls...); err != nil {
		return 0, err
	}
	var total int64
	for _, b := range balances {
		total += b
	}
	return total, nil
})

// Parts are what an engine needs to run the bank.
func Parts() []functions.Part {
	return []functions.Part{Accounts, TransferTx, TransferSaga, Total}
}
