package floor

import (
	"context"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

// Transfer implements [ycsb.Target].
func (f *Floor) Transfer(_ context.Context, requestID string, t ycsb.Transfer) error {
	print := rules.TransferPrint(t)
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
	status := rules.Pay(from.exists && to.exists, from.row.Balance, t.Amount, t.Refuse)
	if status == rules.Done {
		first.settle()
		second.settle()
	}
	g := f.join(requestID, print, status, func(g *group) {
		if status == rules.Done {
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
