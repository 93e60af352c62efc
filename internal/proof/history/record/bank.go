package record

import (
	"context"
	"fmt"
	"strconv"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/twopc"
)

// ErrPoor is the failure of a transfer from an account that has not enough.
const ErrPoor functions.Failure = "record: not enough money"

// account is the state of an account of the bank.
type account struct{ Balance int64 }

// Accounts and their operations.
var (
	accounts = functions.NewType[account]("record/account")
	open     = functions.Create(accounts, "open", func(_ *functions.Ctx, a *account, balance int64) error {
		a.Balance = balance
		return nil
	})
	add = functions.Update(accounts, "add", func(_ *functions.Ctx, a *account, amount int64) error {
		if a.Balance+amount < 0 {
			return fmt.Errorf("%w: %d, and %+d wanted", ErrPoor, a.Balance, amount)
		}
		a.Balance += amount
		return nil
	})
	look = functions.View(accounts, "look", func(_ *functions.Ctx, a account) (int64, error) { return a.Balance, nil })
)

// transfer moves money; then it looks at both accounts.
type transfer struct {
	From, To string
	Amount   int64
	Refuse   bool
}

var transferTx = twopc.NewReturning("record/transfer", func(tx *twopc.Tx, t transfer) (balances [2]int64, err error) {
	err = tx.All(add.On(t.From, -t.Amount), add.On(t.To, t.Amount), look.On(t.From).Into(&balances[0]), look.On(t.To).Into(&balances[1]))
	if err == nil && t.Refuse {
		err = ErrRefused
	}
	return balances, err
})

// lookTx looks at accounts, one after the other, so that others come in between if they can.
var lookTx = twopc.NewReturning("record/look", func(tx *twopc.Tx, names []string) ([]int64, error) {
	balances := make([]int64, len(names))
	for i, name := range names {
		balance, err := twopc.Ask(tx, look.On(name))
		if err != nil {
			return nil, err
		}
		balances[i] = balance
	}
	return balances, nil
})

// mostOpened bounds the accounts that are opened at a time.
const mostOpened = 256

// Prepare opens the accounts that the workload needs. It may be run again after it failed.
func (r *Recorder) Prepare(ctx context.Context, do Doer) error {
	if r.options.Workload == history.ListAppend {
		return nil
	}
	errs := make(chan error, mostOpened)
	for from := 0; from < r.options.accounts(); from += mostOpened {
		to := min(from+mostOpened, r.options.accounts())
		for i := from; i < to; i++ {
			go func() { errs <- r.openAccount(ctx, do, i) }()
		}
		var first error
		for range to - from {
			if err := <-errs; err != nil && first == nil {
				first = err
			}
		}
		if first != nil {
			return fmt.Errorf("record: open the accounts: %w", first)
		}
	}
	return nil
}

func (r *Recorder) openAccount(ctx context.Context, do Doer, i int) error {
	name := r.accountName(i)
	if r.options.Workload == history.Sagas {
		return do(ctx, openLedger.On(name, opening).As(name))
	}
	return do(ctx, open.On(name, opening).As(name))
}

func (r *Recorder) accountName(i int) string { return r.options.Prefix + "account-" + strconv.Itoa(i) }

// bankStep moves money between two accounts, or looks at some or all of them.
func (c *Client) bankStep(ctx context.Context, do Doer) error {
	if c.rng.IntN(4) == 0 {
		return c.lookStep(ctx, do)
	}
	r := c.recorder
	from := c.rng.IntN(r.options.Live)
	to := (from + 1 + c.rng.IntN(r.options.Live-1)) % r.options.Live
	t := transfer{From: r.accountName(from), To: r.accountName(to), Amount: 1 + c.rng.Int64N(opening/2), Refuse: c.refuses()}
	c.begin()
	var balances [2]int64
	err := do(ctx, transferTx.With(t).Into(&balances).As(c.nextID()))
	c.tx.Ops = append(c.tx.Ops,
		history.Op{Kind: history.Add, Key: t.From, Value: -t.Amount}, history.Op{Kind: history.Add, Key: t.To, Value: t.Amount},
		history.Op{Kind: history.Read, Key: t.From, Value: balances[0]}, history.Op{Kind: history.Read, Key: t.To, Value: balances[1]})
	return c.end(err)
}

func (c *Client) lookStep(ctx context.Context, do Doer) error {
	r := c.recorder
	order := c.rng.Perm(r.options.Live)
	if c.rng.IntN(2) == 0 {
		order = order[:2+c.rng.IntN(r.options.Live-1)]
	}
	names := make([]string, len(order))
	for i, n := range order {
		names[i] = r.accountName(n)
	}
	c.begin()
	var balances []int64
	err := do(ctx, lookTx.With(names).Into(&balances).As(c.nextID()))
	for i, name := range names {
		o := history.Op{Kind: history.Read, Key: name}
		if err == nil {
			o.Value = balances[i]
		}
		c.tx.Ops = append(c.tx.Ops, o)
	}
	return c.end(err)
}
