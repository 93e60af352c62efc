package record

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/saga"
)

// ledger is the state of an account whose money sagas move: its balance, and a note of each step.
type ledger struct {
	Balance int64
	Notes   []note
}

// note is a step of a saga, as the account notes it.
type note struct {
	_      struct{} `cbor:",toarray"`
	Saga   string
	Number int32
	Stage  int32
	Undo   bool
	Amount int64
	Seq    int64
	Refuse bool
}

// Ledgers and their operations.
var (
	ledgers    = functions.NewType[ledger]("record/ledger")
	openLedger = functions.Create(ledgers, "open", func(_ *functions.Ctx, l *ledger, balance int64) error {
		l.Balance = balance
		return nil
	})
	book = functions.Update(ledgers, "book", func(_ *functions.Ctx, l *ledger, n note) error {
		if !n.Undo && l.Balance+n.Amount < 0 {
			return fmt.Errorf("%w: %d, and %+d wanted", ErrPoor, l.Balance, n.Amount)
		}
		l.Balance += n.Amount
		n.Seq = tick()
		l.Notes = append(l.Notes, n)
		if n.Refuse {
			return ErrRefused // after the change, so that there is one to take back
		}
		return nil
	})
	readLedger = functions.View(ledgers, "read", func(_ *functions.Ctx, l ledger) (ledger, error) { return l, nil })
)

// lastTick is the last number that tick gave.
var lastTick atomic.Int64

// tick numbers steps in the order in which they happen, also over restarts of the process: it is the time, and never the same twice.
// An operation that is run again after a crash gets another number, and the first one is nowhere.
func tick() int64 {
	for {
		last := lastTick.Load()
		next := max(time.Now().UnixNano(), last+1)
		if lastTick.CompareAndSwap(last, next) {
			return next
		}
	}
}

// sagaInput is a transfer from several accounts to one.
type sagaInput struct {
	Saga     string
	From     []string
	To       string
	Amount   int64 // from each
	Together bool  // the debits are one stage
	Refuse   bool  // the last step fails
}

var transferSaga = saga.New("record/transfer-saga", func(s *saga.Run, t sagaInput) error {
	steps := make([]saga.Step, len(t.From))
	for i, from := range t.From {
		n := note{Saga: t.Saga, Number: int32(i + 1), Amount: -t.Amount}
		if t.Together {
			n.Stage = 1
		}
		steps[i] = stepOf(from, n)
	}
	if err := debit(s, steps, t.Together); err != nil {
		return err
	}
	number := int32(len(t.From) + 1)
	n := note{Saga: t.Saga, Number: number, Amount: t.Amount * int64(len(t.From)), Refuse: t.Refuse}
	if t.Together {
		n.Stage = 2
	}
	last := stepOf(t.To, n)
	return s.Do(last.Do, last.Undo)
})

func debit(s *saga.Run, steps []saga.Step, together bool) error {
	if together {
		return s.All(steps...)
	}
	for _, step := range steps {
		if err := s.Do(step.Do, step.Undo); err != nil {
			return err
		}
	}
	return nil
}

// stepOf is a step and its compensation.
func stepOf(account string, n note) saga.Step {
	undo := n
	undo.Undo, undo.Amount, undo.Refuse = true, -n.Amount, false
	return saga.Step{Do: book.On(account, n), Undo: book.On(account, undo)}
}

// sagasPerAccount is about how many sagas there are to an account: it keeps the notes on each short.
const sagasPerAccount = 8

// accounts is the number of accounts of the workload.
func (o Options) accounts() int {
	if o.Workload != history.Sagas {
		return o.Live
	}
	return max(o.Live, o.Requests/sagasPerAccount)
}

// sagaStep runs one saga among the accounts that are live: they move on as sagas begin.
func (c *Client) sagaStep(ctx context.Context, do Doer) error {
	r := c.recorder
	total, live := r.options.accounts(), r.options.Live
	first := int(r.begun.Add(1)-1) / sagasPerAccount
	choice := c.rng.Perm(live)[:2+c.rng.IntN(min(3, live-1))]
	input := sagaInput{Saga: c.nextID(), Amount: 1 + c.rng.Int64N(opening/2), Together: c.rng.IntN(3) == 0, Refuse: c.refuses()}
	for i, n := range choice {
		if name := r.accountName((first + n) % total); i == 0 {
			input.To = name
		} else {
			input.From = append(input.From, name)
		}
	}
	err := do(ctx, transferSaga.As(input.Saga, input))
	outcome := history.Outcome{Saga: input.Saga, Steps: int32(len(choice))}
	switch status := r.count(err); {
	case errors.Is(err, saga.ErrStuck):
		outcome.Ending = history.Stuck
	case status == history.Failed:
		outcome.Ending = history.Undone
	case status == history.Unknown:
		outcome.Ending = history.EndingUnknown
	}
	return r.to.Outcome(&outcome)
}

// ask is engine.Ask for a Doer.
func (do Doer) ask(ctx context.Context, q functions.RequestReturning[ledger]) (l ledger, err error) {
	err = do(ctx, asked{q.EnvelopeInto(&l)})
	return l, err
}

// asked is a question as a request.
type asked struct{ envelope instances.Envelope }

// RequestEnvelope implements functions.Request.
func (a asked) RequestEnvelope() instances.Envelope { return a.envelope }

// Settle writes the notes and balances of all accounts behind a history of sagas. All sagas must have ended: their clients were told
// so, or, where the outcome was unknown, nothing of theirs is under way any more. Of other workloads there is nothing to write.
func (r *Recorder) Settle(ctx context.Context, do Doer) error {
	if r.options.Workload != history.Sagas {
		return nil
	}
	process := r.processes.Add(1) - 1
	for i := range r.options.accounts() {
		name, start := r.accountName(i), r.now()
		l, err := do.ask(ctx, readLedger.On(name))
		if err != nil {
			return fmt.Errorf("record: read %s: %w", name, err)
		}
		for _, n := range l.Notes {
			step := history.Step{Saga: n.Saga, Number: n.Number, Stage: n.Stage, Undo: n.Undo, Instance: name, Amount: n.Amount, Seq: n.Seq}
			if err := r.to.Step(&step); err != nil {
				return err
			}
		}
		tx := history.Tx{Process: process, Start: start, End: r.now(), Ops: []history.Op{{Kind: history.Read, Key: name, Value: l.Balance}}}
		if err := r.to.Tx(&tx); err != nil {
			return err
		}
	}
	return nil
}
