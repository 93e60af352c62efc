package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// auditTx and auditSaga are the world's coordinator functions: what they do depends on the order's kind.
var (
	auditTx   = twopc.NewReturning("audit/tx", runAuditTx)
	auditSaga = saga.New("audit/saga", runAuditSaga)
)

// Parts are what a program registers to run a [World].
func Parts() []functions.Part {
	return []functions.Part{tillType, sinkType, gateType, relayType, tallyType, slipType, auditTx, auditSaga}
}

func (o Order) noteTx(tx *twopc.Tx) {
	tx.OnCommit(o.note("ok"))
	tx.OnAbort(o.note("fail"))
}

func (o Order) noteSaga(s *saga.Run) {
	s.OnSuccess(o.note("ok"))
	s.OnFailure(o.note("fail"))
}

func runAuditTx(tx *twopc.Tx, o Order) (int64, error) {
	if o.Kind == "touch" { // locks two tills, one after the other, and leaves no trace: for storms
		return 0, errors.Join(tx.Do(TouchTill.On(o.From, 0)), tx.Do(TouchTill.On(o.To, 0)))
	}
	o.noteTx(tx)
	switch o.Kind {
	case "tx": // locks some more tills, so that it often has to give way while calls of its are still on their way
		calls := []functions.Call{o.debit(), o.credit()}
		for _, name := range o.Group {
			calls = append(calls, TouchTill.On(name, 0))
		}
		return 0, tx.All(calls...)
	case "chain": // in two rounds, so that two of them can deadlock
		return 0, errors.Join(tx.Do(o.debit()), tx.Do(o.credit()))
	case "half": // reads, then decides what to do
		have, err := twopc.Ask(tx, CashTill.On(o.From))
		if err != nil || have < 2 {
			return 0, err
		}
		o.Amount = have / 2
		return o.Amount, errors.Join(tx.Do(o.credit()), tx.Do(o.debit()))
	case "doomed":
		if err := tx.All(o.debit(), o.credit()); err != nil {
			return 0, err
		}
		return 0, errSorry
	case "swallow":
		_ = tx.Do(o.credit())
		o.Amount = 1 << 40
		_ = tx.Do(o.debit()) // fails, and dooms the transaction whatever it returns
		return 0, nil
	case "tx-boom":
		if err := tx.All(o.debit(), o.credit()); err != nil {
			return 0, err
		}
		panic("boom in a transaction")
	case "tx-bad":
		return 0, errors.Join(tx.Do(o.credit()), tx.Do(boomTill.On(o.From, o.ID)))
	case "else":
		return 0, payElse(tx, o)
	case "count": // makes the tally if there is none, and leaves none if it fails
		return 0, errors.Join(tx.Do(countTally.On(o.Group[0], o.countedAs()).Drop()), tx.Do(o.debit()), tx.Do(o.credit()))
	case "total":
		return sumTills(tx, o.Group)
	case "census": // holds sinks locked while it goes on
		n, err := twopc.Ask(tx, countSink.On(sinkFor(o.From)))
		if err == nil {
			_, err = twopc.Ask(tx, CashTill.On(o.From))
		}
		if err == nil {
			_, err = sumTills(tx, o.Group)
		}
		return int64(min(n, 0)), err
	case "toggle":
		return 0, toggle(tx, o)
	case "flip":
		return 0, flip(tx, o)
	}
	return 0, fmt.Errorf("audit: no transaction of kind %s", o.Kind)
}

// payElse takes the money from one till, or else from another.
func payElse(tx *twopc.Tx, o Order) error {
	switch err := tx.Try(o.debit()); {
	case errors.Is(err, errShort):
		other := o
		other.From = o.Group[0]
		return tx.All(other.debit(), o.credit())
	case err != nil:
		return err
	}
	return tx.Do(o.credit())
}

// toggle makes a slip that does not exist, or tears it.
func toggle(tx *twopc.Tx, o Order) error {
	exists, err := twopc.Ask(tx, slipType.Exists(o.To))
	if err != nil {
		return err
	}
	if exists {
		return tx.Do(tearSlip.On(o.To))
	}
	return tx.Do(makeSlip.On(o.To, o.ID))
}

// flip is toggle that asks by trying. What it was told stays true, so it never fails.
func flip(tx *twopc.Tx, o Order) error {
	switch err := tx.Try(makeSlip.On(o.To, o.ID)); {
	case errors.Is(err, functions.ErrExists):
		return tx.Do(tearSlip.On(o.To))
	case err != nil:
		return err
	}
	return nil
}

func sumTills(tx *twopc.Tx, names []string) (total int64, err error) {
	balances := make([]int64, len(names))
	calls := make([]functions.Call, len(names))
	for i, name := range names {
		calls[i] = CashTill.On(name).Into(&balances[i])
	}
	err = tx.All(calls...)
	for _, b := range balances {
		total += b
	}
	return total, err
}

func runAuditSaga(s *saga.Run, o Order) error {
	o.noteSaga(s)
	switch o.Kind {
	case "saga", "sleepy", "sorry", "saga-boom":
		if err := s.Do(o.debit(), o.undebit()); err != nil {
			return err
		}
		if o.Kind == "saga-boom" {
			panic("boom in a saga")
		}
		if o.Kind == "sleepy" {
			if err := s.Sleep(time.Duration(1+o.Amount%30) * time.Millisecond); err != nil {
				return err
			}
		}
		if err := s.Do(o.credit(), o.uncredit()); err != nil || o.Kind != "sorry" {
			return err
		}
		return errSorry
	case "gates": // through gates at once, then money, then back
		steps := make([]saga.Step, len(o.Group))
		for i, gate := range o.Group {
			steps[i] = saga.Step{Do: passGate.On(gate, TillLine{ID: o.ID}), Undo: passGate.On(gate, TillLine{ID: o.ID, Undo: true})}
		}
		if err := s.Do(o.debit(), o.undebit()); err != nil {
			return err
		}
		if err := s.All(steps...); err != nil {
			return err
		}
		if err := s.Do(o.credit(), o.uncredit()); err != nil {
			return err
		}
		return errSorry
	}
	return fmt.Errorf("audit: no saga of kind %s", o.Kind)
}
