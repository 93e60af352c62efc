package history

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// bank checks the reads of balances. A transfer must have happened for a reader that began after its end, must not for one that
// ended before its start, and may or may not for all others: that bounds the balance of each account, and the sum of those that a
// transaction read together, of which a transfer among them changes nothing. The sum of all accounts has no room at all.
type bank struct {
	h        *History
	found    *findings
	accounts []account
	unsure   []sums  // by account: transfers whose outcome is unknown, by start
	spread   []int32 // transfers that are OK, by start
	lastEnd  []int64 // by place in spread: the latest end so far
	marked   []int32 // by account: the reader that is looked at, plus one
}

// account is what may have happened to one, in prefix sums.
type account struct{ started, ended sums }

// sums are amounts by time: of the first n, the sum of all, of the negative and of the positive ones.
type sums struct {
	at                 []int64
	all, taken, gained []int64
}

// amount is what one transaction added to one account.
type amount struct {
	start, end int64
	value      int64
}

// balance is what a transaction read, without its own additions; own is what it added itself, in the end.
type balance struct {
	account  int32
	read     int64
	own      int64
	haveRead bool
}

func checkBank(h *History, found *findings) {
	b := &bank{h: h, found: found, marked: make([]int32, len(h.keys))}
	b.gather()
	var balances []balance
	for tx := range int32(len(h.txs)) {
		if h.txs[tx].status != OK {
			continue
		}
		balances = b.balancesOf(tx, balances[:0])
		b.check(tx, balances)
	}
}

// balancesOf gathers what a transaction read and added, and checks it against itself.
func (b *bank) balancesOf(tx int32, balances []balance) []balance {
	from, to := b.h.opsOf(tx)
	for i := from; i < to; i++ {
		o := &b.h.ops[i]
		at := slices.IndexFunc(balances, func(x balance) bool { return x.account == o.key() })
		if at < 0 {
			at = len(balances)
			balances = append(balances, balance{account: o.key()})
		}
		x := &balances[at]
		switch {
		case o.kind() == opAdd:
			x.own += o.value
		case x.haveRead && x.read != o.value-x.own:
			what := fmt.Sprintf("A transaction saw %d on %s, which does not follow from what it saw and did before.", o.value, b.h.keys[o.key()])
			b.found.add(Internal, what, nil, tx)
		default:
			x.read, x.haveRead = o.value-x.own, true
		}
	}
	return balances
}

// gather makes the prefix sums of all accounts.
func (b *bank) gather() {
	amounts := make([][]amount, len(b.h.keys))
	var balances []balance
	for tx := range int32(len(b.h.txs)) {
		t := &b.h.txs[tx]
		if t.status == Failed {
			continue
		}
		balances = b.netOf(tx, balances[:0])
		for _, x := range balances {
			amounts[x.account] = append(amounts[x.account], amount{t.start, t.end, x.own})
		}
		if len(balances) > 0 && t.status == OK {
			b.spread = append(b.spread, tx)
		}
	}
	for k, list := range amounts {
		slices.SortFunc(list, func(x, y amount) int { return cmp.Compare(x.start, y.start) })
		b.accounts = append(b.accounts, account{started: newSums(list, func(x amount) int64 { return x.start })})
		slices.SortFunc(list, func(x, y amount) int { return cmp.Compare(x.end, y.end) })
		b.accounts[k].ended = newSums(list, func(x amount) int64 { return x.end })
		sure := sort.Search(len(list), func(i int) bool { return list[i].end == forever })
		unsure := list[sure:]
		slices.SortFunc(unsure, func(x, y amount) int { return cmp.Compare(x.start, y.start) })
		b.unsure = append(b.unsure, newSums(unsure, func(x amount) int64 { return x.start }))
	}
	slices.SortFunc(b.spread, func(x, y int32) int { return cmp.Compare(b.h.txs[x].start, b.h.txs[y].start) })
	latest := int64(-1)
	for _, tx := range b.spread {
		latest = max(latest, b.h.txs[tx].end)
		b.lastEnd = append(b.lastEnd, latest)
	}
}

// netOf is what a transaction adds to each account.
func (b *bank) netOf(tx int32, balances []balance) []balance {
	from, to := b.h.opsOf(tx)
	for i := from; i < to; i++ {
		o := &b.h.ops[i]
		if o.kind() != opAdd {
			continue
		}
		at := slices.IndexFunc(balances, func(x balance) bool { return x.account == o.key() })
		if at < 0 {
			at = len(balances)
			balances = append(balances, balance{account: o.key()})
		}
		balances[at].own += o.value
	}
	return balances
}

func newSums(list []amount, at func(amount) int64) sums {
	s := sums{all: []int64{0}, taken: []int64{0}, gained: []int64{0}}
	for i, x := range list {
		s.at = append(s.at, at(x))
		s.all = append(s.all, s.all[i]+x.value)
		s.taken = append(s.taken, s.taken[i]+min(x.value, 0))
		s.gained = append(s.gained, s.gained[i]+max(x.value, 0))
	}
	return s
}

// before counts the amounts whose time is before a moment.
func (s *sums) before(moment int64) int {
	return sort.Search(len(s.at), func(i int) bool { return s.at[i] >= moment })
}

// check compares what a transaction read with what can have been.
func (b *bank) check(tx int32, balances []balance) {
	header, sum, reads := b.h.Header, int64(0), 0
	var account []int32
	for _, x := range balances {
		if !x.haveRead {
			continue
		}
		reads++
		sum += x.read
		account = append(account, x.account)
		low, high := b.bounds(tx, x)
		if x.read < low || x.read > high {
			what := fmt.Sprintf("A transaction saw %d on %s, where there must have been %s.", x.read+x.own, b.h.keys[x.account], rangeText(low+x.own, high+x.own))
			b.found.add(WrongBalance, what, []int32{x.account}, tx)
			return
		}
	}
	if reads == header.Accounts && sum != header.total() {
		what := fmt.Sprintf("A transaction saw %d on all %d accounts together, where there must be %d.", sum, header.Accounts, header.total())
		b.found.add(WrongTotal, what, nil, tx)
		return
	}
	if reads < 2 || reads == header.Accounts {
		return
	}
	if low, high, ok := b.boundsOfSum(tx, balances); ok && (sum < low || sum > high) {
		what := fmt.Sprintf("A transaction saw %d on %d accounts together, where there must have been %s.", sum, reads, rangeText(low, high))
		b.found.add(WrongBalance, what, account, tx)
	}
}

func rangeText(low, high int64) string {
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

// bounds are the least and the most that a transaction can have seen on an account.
func (b *bank) bounds(tx int32, x balance) (low, high int64) {
	t, a := &b.h.txs[tx], &b.accounts[x.account]
	over, begun := a.ended.before(t.start), a.started.before(t.end+1)
	sure := b.h.Header.Opening + a.ended.all[over]
	low = sure + a.started.taken[begun] - a.ended.taken[over] - min(x.own, 0)
	high = sure + a.started.gained[begun] - a.ended.gained[over] - max(x.own, 0)
	return low, high
}
