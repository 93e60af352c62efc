package demo

import (
	"sync"

	"github.com/concordat-dev/concordat/examples/bank"
)

// books are what the clients of a side were told: how many transfers were acknowledged, and what each account must have therefore.
type books struct {
	mu       sync.Mutex
	balances map[string]int64
	total    int64
	done     uint64 // transfers that were acknowledged as done
	refused  uint64 // those that were acknowledged as failed: nothing was to happen
	last     []receipt
	next     int // where the next receipt goes
}

// receipt is what a client knows of a request that was acknowledged.
type receipt struct {
	function, id string
	done         bool
}

// maxReceipts is how many receipts are kept, the latest, to be asked for again.
const maxReceipts = 5000

func newBooks(accounts []string, each int64) *books {
	b := &books{balances: map[string]int64{}}
	for _, account := range accounts {
		b.open(account, each)
	}
	return b
}

func (b *books) open(account string, amount int64) {
	b.balances[account] = amount
	b.total += amount
}

// acknowledge notes what became of a transfer.
func (b *books) acknowledge(function, id string, t bank.Transfer, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if done {
		b.done++
		b.balances[t.From] -= t.Amount
		b.balances[t.To] += t.Amount
	} else {
		b.refused++
	}
	r := receipt{function, id, done}
	if len(b.last) < maxReceipts {
		b.last = append(b.last, r)
		return
	}
	b.last[b.next] = r
	b.next = (b.next + 1) % maxReceipts
}

// receipts are those that were kept.
func (b *books) receipts() []receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]receipt(nil), b.last...)
}

// counts are how many transfers were acknowledged as done, and as failed.
func (b *books) counts() (done, refused uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done, b.refused
}

// compare counts the accounts that have something else than they must have, and adds up what they have.
func (b *books) compare(balances map[string]int64) (total int64, wrong int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for account, must := range b.balances {
		has, there := balances[account]
		if total += has; !there || has != must {
			wrong++
		}
	}
	return total, wrong
}
