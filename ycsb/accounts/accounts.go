// Package accounts is the workload of package ycsb as stateful functions, and a [Target] that runs it on an engine.
//
// The operations are those of an account: [Insert], [ReadRow], [ReadField], [UpdateField], [Overwrite], [Debit], [Credit],
// [Balance], and [Refuse], a credit that is always refused. A transfer is [TransferTx] (serializable), [TransferSaga], or two
// calls without a protocol: a [Protocol] says which. The same holds for a [Payment], which is a transfer to several rows, for
// a [Snapshot], which reads several rows, and for a [Modification], which reads a row and writes what it made of it.
//
// Start reading here and in several.go, then target.go and operations.go.
package accounts

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
	"github.com/concordat-dev/concordat/ycsb"
)

// Transfer is the input of the transfers. With Refuse the credit is refused.
type Transfer struct {
	_        struct{} `cbor:",toarray"`
	From, To string
	Amount   int64
	Refuse   bool
}

// NewField is the argument of [UpdateField].
type NewField struct {
	_     struct{} `cbor:",toarray"`
	Field int
	Value string
}

// Rows and their operations. A row that does not exist is functions.ErrNotFound to all but Insert.
var (
	Rows        = functions.NewType[ycsb.Row]("ycsb/account")
	Insert      = functions.Create(Rows, "insert", insert)
	ReadRow     = functions.View(Rows, "read", read)
	ReadField   = functions.View1(Rows, "read-field", readField)
	UpdateField = functions.Update(Rows, "update", update)
	Overwrite   = functions.Update(Rows, "overwrite", overwrite)
	Debit       = functions.Update(Rows, "debit", debit)
	Credit      = functions.Update(Rows, "credit", credit)
	Refuse      = functions.Update(Rows, "refuse", refuse)
	Balance     = functions.View(Rows, "balance", balance)
)

func insert(_ *functions.Ctx, row *ycsb.Row, opening ycsb.Row) error {
	*row = opening
	return nil
}

func read(_ *functions.Ctx, row ycsb.Row) (ycsb.Row, error) { return row, nil }

func readField(_ *functions.Ctx, row ycsb.Row, field int) (string, error) {
	if err := checkField(field); err != nil {
		return "", err
	}
	return row.Fields[field], nil
}

func checkField(field int) error {
	if field < 0 || field >= ycsb.MaxFields {
		return fmt.Errorf("%w: there is no field %d", functions.ErrBadArgument, field)
	}
	return nil
}

func update(_ *functions.Ctx, row *ycsb.Row, n NewField) error {
	if err := checkField(n.Field); err != nil {
		return err
	}
	row.Fields[n.Field] = n.Value
	return nil
}

func overwrite(_ *functions.Ctx, row *ycsb.Row, fields [ycsb.MaxFields]string) error {
	row.Fields = fields
	return nil
}

func debit(_ *functions.Ctx, row *ycsb.Row, amount int64) error {
	if row.Balance < amount {
		return fmt.Errorf("%w: have %d, need %d", ycsb.ErrInsufficientFunds, row.Balance, amount)
	}
	row.Balance -= amount
	return nil
}

func credit(_ *functions.Ctx, row *ycsb.Row, amount int64) error {
	row.Balance += amount
	return nil
}

// refuse credits the row and then fails, so that the engine has a change to take back.
func refuse(ctx *functions.Ctx, row *ycsb.Row, amount int64) error {
	if err := credit(ctx, row, amount); err != nil {
		return err
	}
	return ycsb.ErrRefused
}

func balance(_ *functions.Ctx, row ycsb.Row) (int64, error) { return row.Balance, nil }

// crediting is the second half of a transfer.
func (t Transfer) crediting() functions.Call {
	if t.Refuse {
		return Refuse.On(t.To, t.Amount)
	}
	return Credit.On(t.To, t.Amount)
}

// TransferTx is the transfer as a serializable transaction: both calls at once.
var TransferTx = twopc.New("ycsb/transfer", func(tx *twopc.Tx, t Transfer) error {
	return tx.All(Debit.On(t.From, t.Amount), t.crediting())
})

// TransferSaga is the transfer as a saga: the debit, whose compensation is a credit, and then the credit. A credit that is
// refused has the debit compensated.
var TransferSaga = saga.New("ycsb/transfer-saga", func(s *saga.Run, t Transfer) error {
	if err := s.Do(Debit.On(t.From, t.Amount), Credit.On(t.From, t.Amount)); err != nil {
		return err
	}
	return s.Do(t.crediting(), Debit.On(t.To, t.Amount))
})
