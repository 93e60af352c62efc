package main

import (
	"cmp"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/concordat-dev/concordat/internal/cli"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

type txCommands struct {
	List   txList   `cmd:"" help:"List the transactions that are under way."`
	Show   txShow   `cmd:"" help:"Show one, with the instances that it takes part at."`
	Cancel txCancel `cmd:"" help:"Abort one that is not decided: nothing of it happens."`
}

type txList struct{ remote }

type txShow struct {
	remote
	ID uint64 `arg:"" help:"The transaction."`
}

type txCancel struct{ txShow }

type sagaCommands struct {
	List   sagaList   `cmd:"" help:"List the sagas that have not ended: those that sleep, are being undone, or are stuck."`
	Show   sagaShow   `cmd:"" help:"Show one, with its steps."`
	Retry  sagaRetry  `cmd:"" help:"Try the compensations of a stuck saga that failed once more."`
	Skip   sagaSkip   `cmd:"" help:"Leave out the compensations that failed, and go on with the steps before."`
	Done   sagaDone   `cmd:"" help:"Somebody has undone all that was left: run no further compensation."`
	Cancel sagaCancel `cmd:"" help:"Ask a running saga to stop; its steps are compensated."`
}

type sagaList struct {
	remote
	Stuck bool `help:"Only those that are stuck."`
}

type sagaShow struct {
	remote
	ID uint64 `arg:"" help:"The saga."`
}

type (
	sagaRetry  struct{ sagaShow }
	sagaSkip   struct{ sagaShow }
	sagaDone   struct{ sagaShow }
	sagaCancel struct{ sagaShow }
)

type locksCommand struct{ remote }

type timersCommand struct{ remote }

type deadlockCommands struct {
	List deadlockList `cmd:"" help:"List the last deadlocks that were broken, at most 1,024."`
	Show deadlockShow `cmd:"" help:"Show one: who waited for whom."`
}

type deadlockList struct{ remote }

type deadlockShow struct {
	remote
	Number int `arg:"" help:"Its number in the list."`
}

// since is how long ago something was.
func since(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return time.Since(t.AsTime()).Round(time.Millisecond).String()
}

// at is a time in the zone of whoever reads it.
func at(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Local().Format(time.DateTime + ".000")
}

func place(a *concordatv1.Address) string { return a.GetType() + "/" + a.GetId() }

// Run is called by kong.
func (c *txList) Run(p *program) error { return listTransactions(p, &c.remote, 0) }

// Run is called by kong.
func (c *txShow) Run(p *program) error { return listTransactions(p, &c.remote, c.ID) }

// Run is called by kong.
func (c *txCancel) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	if _, err := n.operate.CancelTransaction(n.ctx, connect.NewRequest(&concordatv1.CancelTransactionRequest{Id: c.ID})); err != nil {
		return failed(err)
	}
	return nil
}

// listTransactions lists transactions, or shows the one with an id.
func listTransactions(p *program, r *remote, id uint64) error {
	n, err := r.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	response, err := n.operate.ListTransactions(n.ctx, connect.NewRequest(&concordatv1.ListTransactionsRequest{Id: id}))
	switch {
	case err != nil:
		return failed(err)
	case id != 0 && len(response.Msg.Transactions) == 0:
		return fmt.Errorf("%w: transaction %d is not under way", cli.ErrInput, id)
	case r.JSON:
		return writeMessage(p.stdout, response.Msg)
	}
	err = writeColumns(p.stdout, "ID FUNCTION ATTEMPT SINCE PARTICIPANTS REQUEST", func(row func(...any)) {
		for _, t := range response.Msg.Transactions {
			row(t.Id, t.Function, t.Attempt, since(t.Began), t.ParticipantCount, t.RequestId)
		}
	})
	if id == 0 || err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	return writeColumns(p.stdout, "INSTANCE MODE", func(row func(...any)) {
		for _, part := range response.Msg.Transactions[0].Participants {
			row(place(part.Address), part.Mode)
		}
	})
}

// Run is called by kong.
func (c *sagaList) Run(p *program) error {
	return listSagas(p, &c.remote, &concordatv1.ListSagasRequest{Stuck: c.Stuck})
}

// Run is called by kong.
func (c *sagaShow) Run(p *program) error {
	return listSagas(p, &c.remote, &concordatv1.ListSagasRequest{Id: c.ID})
}

func listSagas(p *program, r *remote, which *concordatv1.ListSagasRequest) error {
	n, err := r.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	response, err := n.operate.ListSagas(n.ctx, connect.NewRequest(which))
	switch {
	case err != nil:
		return failed(err)
	case which.Id != 0 && len(response.Msg.Sagas) == 0:
		return fmt.Errorf("%w: there is no saga %d that has not ended", cli.ErrInput, which.Id)
	case r.JSON:
		return writeMessage(p.stdout, response.Msg)
	}
	err = writeColumns(p.stdout, "ID FUNCTION PHASE STEPS REQUEST FAILURE", func(row func(...any)) {
		for _, s := range response.Msg.Sagas {
			row(s.Id, s.Function, s.Phase, s.StepCount, s.RequestId, s.Failure.GetText())
		}
	})
	if which.Id == 0 || err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	return writeColumns(p.stdout, "STEP CALL STATE UNDO UNDONE TRIES ERROR", func(row func(...any)) {
		shown := response.Msg.Sagas[0]
		for i, s := range shown.Steps {
			row(int(shown.FirstStep)+i+1, s.Call, s.State, s.Undo, s.Undone, s.Tries, s.Error.GetText())
		}
	})
}

// Run is called by kong.
func (c *sagaRetry) Run(p *program) error { return c.decide(p, concordatv1.Decision_DECISION_RETRY) }

// Run is called by kong.
func (c *sagaSkip) Run(p *program) error { return c.decide(p, concordatv1.Decision_DECISION_SKIP) }

// Run is called by kong.
func (c *sagaDone) Run(p *program) error { return c.decide(p, concordatv1.Decision_DECISION_DONE) }

func (c *sagaShow) decide(p *program, d concordatv1.Decision) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	if _, err := n.operate.DecideSaga(n.ctx, connect.NewRequest(&concordatv1.DecideSagaRequest{Id: c.ID, Decision: d})); err != nil {
		return failed(err)
	}
	return nil
}

// Run is called by kong.
func (c *sagaCancel) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	if _, err := n.operate.CancelSaga(n.ctx, connect.NewRequest(&concordatv1.CancelSagaRequest{Id: c.ID})); err != nil {
		return failed(err)
	}
	return nil
}

// Run is called by kong.
func (c *locksCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	response, err := n.operate.ListLocks(n.ctx, connect.NewRequest(&concordatv1.ListLocksRequest{}))
	switch {
	case err != nil:
		return failed(err)
	case c.JSON:
		return writeMessage(p.stdout, response.Msg)
	}
	return writeColumns(p.stdout, "INSTANCE HOLDS/WAITS OWNER MODE SINCE FUNCTION OPERATION", func(row func(...any)) {
		for _, l := range response.Msg.Locks {
			for _, c := range l.Holders {
				row(place(l.Address), "holds", c.Owner, c.Mode, since(c.Since), c.Function, c.Operation)
			}
			for _, c := range l.Waiters {
				row(place(l.Address), "waits", c.Owner, c.Mode, since(c.Since), c.Function, c.Operation)
			}
		}
	})
}

// Run is called by kong.
func (c *timersCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	response, err := n.operate.ListTimers(n.ctx, connect.NewRequest(&concordatv1.ListTimersRequest{}))
	switch {
	case err != nil:
		return failed(err)
	case c.JSON:
		return writeMessage(p.stdout, response.Msg)
	}
	return writeColumns(p.stdout, "DUE SET-BY SENDS", func(row func(...any)) {
		for _, t := range response.Msg.Timers {
			row(at(t.Due), place(t.From), t.Message)
		}
	})
}

// deadlocks asks for the deadlocks.
func (r *remote) deadlocks(p *program) (*concordatv1.ListDeadlocksResponse, error) {
	n, err := r.connect(p)
	if err != nil {
		return nil, err
	}
	defer n.cancel()
	response, err := n.operate.ListDeadlocks(n.ctx, connect.NewRequest(&concordatv1.ListDeadlocksRequest{}))
	if err != nil {
		return nil, failed(err)
	}
	return response.Msg, nil
}

// Run is called by kong.
func (c *deadlockList) Run(p *program) error {
	m, err := c.deadlocks(p)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeMessage(p.stdout, m)
	}
	return writeColumns(p.stdout, "NUMBER AT MEMBERS VICTIM FUNCTION", func(row func(...any)) {
		for i, d := range m.Deadlocks {
			function := ""
			for _, w := range d.Waits {
				if w.Transaction == d.Victim {
					function = w.Function
				}
			}
			row(i+1, at(d.At), len(d.Waits), d.Victim, function)
		}
	})
}

// Run is called by kong.
func (c *deadlockShow) Run(p *program) error {
	m, err := c.deadlocks(p)
	switch {
	case err != nil:
		return err
	case c.Number < 1 || c.Number > len(m.Deadlocks):
		return fmt.Errorf("%w: there is no deadlock %d: there are %d", cli.ErrInput, c.Number, len(m.Deadlocks))
	}
	d := m.Deadlocks[c.Number-1]
	if c.JSON {
		return writeMessage(p.stdout, d)
	}
	fmt.Fprintf(p.stdout, "broken at %s, %v after it had closed: transaction %d gave way\n\n", at(d.At), d.At.AsTime().Sub(d.Closed.AsTime()).Round(time.Microsecond), d.Victim)
	return writeColumns(p.stdout, "TRANSACTION ATTEMPT FUNCTION WAITS-FOR MODE OF", func(row func(...any)) {
		for _, w := range d.Waits {
			of := map[bool]string{true: "holder", false: "ahead"}[w.Holds]
			row(w.Transaction, w.Attempt, cmp.Or(w.Function, "a call"), place(w.For), w.Mode, fmt.Sprintf("%d (%s)", w.BlockedBy, of))
		}
	})
}
