package floor

import (
	"context"
	"slices"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

// lockAll takes the mutexes of accounts in the order of their keys, and returns the accounts in the order given.
func (f *Floor) lockAll(keys []int) []*account {
	ordered := slices.Clone(keys)
	slices.Sort(ordered)
	for _, key := range ordered {
		f.accounts.of(key).mu.Lock()
	}
	all := make([]*account, len(keys))
	for i, key := range keys {
		all[i] = f.accounts.of(key)
	}
	return all
}

func unlockAll(all []*account) {
	for _, a := range all {
		a.mu.Unlock()
	}
}

// Pay implements [ycsb.Payer].
func (f *Floor) Pay(_ context.Context, requestID string, p ycsb.Payment) error {
	print := rules.PaymentPrint(p)
	if done, err := f.claim(requestID, print); done {
		return err
	}
	all := f.lockAll(append([]int{p.From}, p.To...))
	total := p.Amount * int64(len(p.To))
	there := !slices.ContainsFunc(all, func(a *account) bool { return !a.exists })
	status := rules.Pay(there, all[0].row.Balance, total, p.Refuse)
	if status == rules.Done {
		for _, a := range all {
			a.settle()
		}
	}
	g := f.join(requestID, print, status, func(g *group) {
		if status != rules.Done {
			return
		}
		for i, a := range all {
			a.touch(g)
			if i == 0 {
				a.row.Balance -= total
			} else {
				a.row.Balance += p.Amount
			}
		}
	})
	unlockAll(all)
	return g.answer(status)
}

// Snapshot implements [ycsb.Snapshotter]: all mutexes are held while the balances are read.
func (f *Floor) Snapshot(_ context.Context, keys []int) error {
	all := f.lockAll(keys)
	var seen readings
	for _, a := range all {
		seen.read(a)
	}
	unlockAll(all)
	return seen.wait()
}

// Scan implements [ycsb.Scanner]. Each row is read as of a moment of its own.
func (f *Floor) Scan(_ context.Context, from, n int) error {
	seen := readings{rows: make([]ycsb.Row, 0, n)}
	for key := from; len(seen.rows) < n && int64(key) < f.accounts.top.Load(); key++ {
		a := f.accounts.of(key)
		a.mu.Lock()
		if a.exists || key == from {
			seen.read(a)
		}
		a.mu.Unlock()
	}
	return seen.wait()
}

// readings are rows that were read, with the groups that wrote them.
type readings struct {
	rows    []ycsb.Row
	writers []*group // each once
	missing bool
}

// read reads a row. The caller holds its mutex.
func (r *readings) read(a *account) {
	r.rows = append(r.rows, a.row)
	r.missing = r.missing || !a.exists
	if a.writer != nil && !slices.Contains(r.writers, a.writer) {
		r.writers = append(r.writers, a.writer)
	}
}

// wait waits until all that was read is durable.
func (r *readings) wait() error {
	for _, g := range r.writers {
		if err := g.wait(); err != nil {
			return err
		}
	}
	if r.missing {
		return functions.ErrNotFound
	}
	return nil
}
