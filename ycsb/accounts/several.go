package accounts

import (
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Payment is a transfer with several parties: From pays Amount to each of To. With Refuse the last credit is refused.
type Payment struct {
	_      struct{} `cbor:",toarray"`
	From   string
	To     []string
	Amount int64
	Refuse bool
}

func (p Payment) total() int64 { return p.Amount * int64(len(p.To)) }

func (p Payment) debiting() functions.Call { return Debit.On(p.From, p.total()) }

// crediting is the credit of payee i.
func (p Payment) crediting(i int) functions.Call {
	if p.Refuse && i == len(p.To)-1 {
		return Refuse.On(p.To[i], p.Amount)
	}
	return Credit.On(p.To[i], p.Amount)
}

// PayTx is the payment as a serializable transaction: all calls at once.
var PayTx = twopc.New("ycsb/pay", func(tx *twopc.Tx, p Payment) error {
	calls := make([]functions.Call, 0, 1+len(p.To))
	calls = append(calls, p.debiting())
	for i := range p.To {
		calls = append(calls, p.crediting(i))
	}
	return tx.All(calls...)
})

// PaySaga is the payment as a saga: the debit, and then all credits at once. One that is refused has the debit and the other
// credits compensated.
var PaySaga = saga.New("ycsb/pay-saga", func(s *saga.Run, p Payment) error {
	if err := s.Do(p.debiting(), Credit.On(p.From, p.total())); err != nil {
		return err
	}
	credits := make([]saga.Step, len(p.To))
	for i, to := range p.To {
		credits[i] = saga.Step{Do: p.crediting(i), Undo: Debit.On(to, p.Amount)}
	}
	return s.All(credits...)
})

// SnapshotTx reads the balances of rows as of one moment. It fails if a row is missing.
var SnapshotTx = twopc.New("ycsb/snapshot", func(tx *twopc.Tx, ids []string) error {
	calls, _ := balancesOf(ids)
	return tx.All(calls...)
})

// SnapshotSaga reads the balances of rows, each as of a moment of its own: a saga isolates nothing.
var SnapshotSaga = saga.New("ycsb/snapshot-saga", func(s *saga.Run, ids []string) error {
	calls, _ := balancesOf(ids)
	steps := make([]saga.Step, len(calls))
	for i, call := range calls {
		steps[i] = saga.Step{Do: call, Undo: saga.NoUndo}
	}
	return s.All(steps...)
})

// balancesOf asks for balances.
func balancesOf(ids []string) (calls []functions.Call, balances []int64) {
	calls, balances = make([]functions.Call, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		calls[i] = Balance.On(id).Into(&balances[i])
	}
	return calls, balances
}

// Modification reads row ID and then overwrites a field of it.
type Modification struct {
	_   struct{} `cbor:",toarray"`
	ID  string
	New NewField
}

// ModifyTx is the read and the write in a serializable transaction: nobody changes the row in between.
var ModifyTx = twopc.New("ycsb/modify", func(tx *twopc.Tx, m Modification) error {
	if _, err := twopc.Ask(tx, ReadRow.On(m.ID)); err != nil {
		return err
	}
	return tx.Do(UpdateField.On(m.ID, m.New))
})

// ModifySaga is the read and the write as the steps of a saga; somebody else may write in between.
var ModifySaga = saga.New("ycsb/modify-saga", func(s *saga.Run, m Modification) error {
	if _, err := saga.Ask(s, ReadRow.On(m.ID)); err != nil {
		return err
	}
	return s.Do(UpdateField.On(m.ID, m.New), saga.NoUndo)
})

// Parts are what an engine needs to be a target.
func Parts() []functions.Part {
	return []functions.Part{Rows, TransferTx, TransferSaga, PayTx, PaySaga, SnapshotTx, SnapshotSaga, ModifyTx, ModifySaga}
}
