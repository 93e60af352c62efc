package floor

import (
	"context"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// Transfer implements [ycsb.Target].
func (f *Floor) Transfer(_ context.Context, requestID string, t ycsb.Transfer) error {
	print := fingerprintTransfer(t)
	if done, err := f.claim(requestID, print); done {
		return err
	}
	from, to := f.accounts.of(t.From), f.accounts.of(t.To)
	first, second := from, to
	if t.To < t.From {
		first, second = to, from
	}
	first.mu.Lock()
	second.mu.Lock()
	status := checkTransfer(t, from, to)
	if status == sealed {
		first.settle()
		second.settle()
	}
	g := f.join(requestID, print, status, func(g *group) {
		if status == sealed {
			first.touch(g)
			second.touch(g)
			from.row.Balance -= t.Amount
			to.row.Balance += t.Amount
		}
	})
	second.mu.Unlock()
	first.mu.Unlock()
	return g.answer(status)
}

func checkTransfer(t ycsb.Transfer, from, to *account) status {
	switch {
	case !from.exists || !to.exists:
		return notFound
	case from.row.Balance < t.Amount:
		return insufficient
	case t.Refuse:
		return refused
	}
	return sealed
}

// status is how a request ended, as it is kept in its outcome row.
type status byte

const (
	sealed status = iota // it took effect
	notFound
	insufficient
	refused
	exists
)

func (s status) err() error {
	switch s {
	case sealed:
		return nil
	case notFound:
		return functions.ErrNotFound
	case insufficient:
		return ycsb.ErrInsufficientFunds
	case exists:
		return functions.ErrExists
	}
	return ycsb.ErrRefused
}
