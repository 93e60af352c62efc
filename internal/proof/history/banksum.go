package history

import "sort"

// mostAround bounds the transfers around a reader that boundsOfSum looks at.
const mostAround = 4096

// boundsOfSum are the least and the most that a transaction can have seen on several accounts together. A transfer counts with what
// it moves into or out of these accounts. What a transfer of unknown outcome moves counts for each account by itself, which is less
// strict; in return their number, which only grows, does not matter. ok is false if too much goes on at a time.
func (b *bank) boundsOfSum(tx int32, balances []balance) (low, high int64, ok bool) {
	h, t := b.h, &b.h.txs[tx]
	sum := int64(0)
	for _, x := range balances {
		if x.haveRead {
			b.marked[x.account] = tx + 1
			a := &b.accounts[x.account]
			sum += h.Header.Opening + a.ended.all[a.ended.before(t.start)]
			u := &b.unsure[x.account]
			begun := u.before(t.end + 1)
			low, high = low+u.taken[begun], high+u.gained[begun]
		}
	}
	low, high = low+sum, high+sum
	first := sort.Search(len(b.spread), func(i int) bool { return h.txs[b.spread[i]].start >= t.start })
	for first > 0 && b.lastEnd[first-1] >= t.start {
		first--
	}
	for i := first; i < len(b.spread) && h.txs[b.spread[i]].start <= t.end; i++ {
		if i-first > mostAround {
			return 0, 0, false
		}
		other := b.spread[i]
		if other == tx || h.txs[other].end < t.start {
			continue
		}
		net := b.netOfMarked(other, tx+1)
		low, high = low+min(net, 0), high+max(net, 0)
	}
	return low, high, true
}

// netOfMarked is what a transfer adds to the accounts with this mark, all together.
func (b *bank) netOfMarked(transfer, mark int32) (net int64) {
	from, to := b.h.opsOf(transfer)
	for i := from; i < to; i++ {
		if o := &b.h.ops[i]; o.kind() == opAdd && b.marked[o.key()] == mark {
			net += o.value
		}
	}
	return net
}
