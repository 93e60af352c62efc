package locks

import (
	"fmt"
)

// Lock is the lock of one instance. The zero value is free. It is not safe for
// concurrent use.
//
// Invariants:
//   - There is one exclusive holder, or any number of shared ones, or none.
//   - Nobody who could be granted waits: the first upgrade waits for another
//     holder; the head of the queue waits for an upgrade or is incompatible with
//     the holders.
//   - Every upgrade is also a (shared) holder.
//   - A claim that holds or waits here points here; all others are unknown here.
type Lock[R any] struct {
	holders  list[R]
	upgrades list[R] // shared holders that want Exclusive: ahead of the queue
	queue    list[R] // first requests, in order of arrival
	// exclusives are the exclusive claims of the queue, in its order. Its tail is
	// where the levels below a new shared request begin: without it each of
	// 10,000 shared requests would walk over all the others at the queue's end.
	exclusives list[R]
	waiters    int
}

// Free says whether nobody holds or waits.
func (l *Lock[R]) Free() bool { return l.holders.head == nil }

// Waiters returns how many claims wait.
func (l *Lock[R]) Waiters() int { return l.waiters }

// Acquire asks for mode. It never blocks and never allocates, except that
// wounded may grow.
//
// A mode that c already holds is Granted at once. A first request is granted if
// it is compatible with the holders and nobody waits; otherwise it goes to the
// end of the queue, even if it is compatible: no overtaking. An upgrade is
// granted to the sole holder; otherwise it waits ahead of the queue, behind
// earlier upgrades.
//
// Only a request that would wait is subject to p; see Policy. A Single always
// waits. Under WoundWait the owners to wound are appended to *wounded, each
// once; owners that an earlier waiter has wounded may be left out. wounded may
// be nil under the other policies.
//
// mayWait lets the request wait under WaitDie and NoWait whatever the ages. It
// is a promise: the owner holds no lock, waits nowhere else, and asks for
// nothing else before this is granted or withdrawn. Why that is safe: say w
// waits on such a promise. As it holds nothing, whoever waits for w, waits at
// this lock behind w, and so waits for all that w waits for, too. If w was on a
// cycle x -> w -> z, then x -> z, and the cycle exists without w. So if there is
// a cycle at all, there is one of owners that hold something only. These all
// obey the rule: each was checked against all owners that it waits for, in all
// levels below, not just the next one (w's presence in between hides nobody). A
// cycle of checked owners would have to grow older (or younger) all the way
// round, which is impossible.
//
// Granted, and every answer under Detect and NoWait: O(1). WaitDie and
// WoundWait: see admit.
//
// It panics if c waits already, if c belongs to another lock, or if mayWait is
// set for a claim that holds.
func (l *Lock[R]) Acquire(c *Claim[R], mode Mode, p Policy, mayWait bool, wounded *[]*Claim[R]) Result {
	l.check(c, mode, mayWait)
	if c.held >= mode {
		return Granted
	}
	if l.grantable(c, mode) {
		l.hold(c, mode)
		return Granted
	}
	ok, _ := l.admit(c, mode, p, mayWait, wounded)
	if !ok {
		return Refused
	}
	l.enqueue(c, mode)
	if !c.Owner.Single && (p == WoundWait || p == WaitDie && !mayWait) {
		c.vouches = p
	}
	return Waits
}

// Withdraw takes back the waiting part of c, if any: a first request, or an
// upgrade, whose shared hold stays. It appends to granted the claims that are
// granted by that, in order. O(1) for each of those and for itself.
func (l *Lock[R]) Withdraw(c *Claim[R], granted []*Claim[R]) []*Claim[R] {
	if c.wanted == None {
		return granted
	}
	l.own(c)
	l.dequeue(c)
	if c.held == None {
		c.lock = nil
	}
	return l.grant(granted)
}

// Release gives up everything that c holds and waits for, if anything. It
// appends to granted the claims that are granted by that, in order. O(1) for
// each of those and for itself.
func (l *Lock[R]) Release(c *Claim[R], granted []*Claim[R]) []*Claim[R] {
	if c.lock == nil {
		return granted
	}
	l.own(c)
	if c.wanted != None {
		l.dequeue(c)
	}
	if c.held != None {
		l.holders.remove(c, holding)
		c.held = None
	}
	c.lock = nil
	return l.grant(granted)
}

func (l *Lock[R]) check(c *Claim[R], mode Mode, mayWait bool) {
	switch {
	case mode != Shared && mode != Exclusive:
		panic(fmt.Sprintf("locks: owner %v asks for mode %v: a request is shared or exclusive", c.Owner, mode))
	case c.wanted != None:
		panic(fmt.Sprintf("locks: owner %v asks for %v while it waits for %v: an owner has at most one waiting request per lock",
			c.Owner, mode, c.wanted))
	case mayWait && c.held != None:
		panic(fmt.Sprintf("locks: owner %v may wait at any age but holds %v: only an owner that holds nothing may", c.Owner, c.held))
	case c.lock != nil:
		l.own(c)
	}
}

func (l *Lock[R]) own(c *Claim[R]) {
	if c.lock != l {
		panic(fmt.Sprintf("locks: claim of owner %v is used on two locks: a claim belongs to one", c.Owner))
	}
}

// grantable says whether a new request is granted at once.
func (l *Lock[R]) grantable(c *Claim[R], mode Mode) bool {
	if c.held == Shared {
		return l.soleHolder(c)
	}
	if l.waiters > 0 {
		return false
	}
	return l.compatible(mode)
}

// compatible says whether mode goes together with all holders.
func (l *Lock[R]) compatible(mode Mode) bool {
	first := l.holders.head
	return first == nil || mode == Shared && first.held == Shared
}

func (l *Lock[R]) soleHolder(c *Claim[R]) bool {
	return l.holders.head == c && l.holders.tail == c
}

func (l *Lock[R]) hold(c *Claim[R], mode Mode) {
	if c.held == None {
		l.holders.push(c, holding)
	}
	c.held = mode
	c.lock = l
}

func (l *Lock[R]) enqueue(c *Claim[R], mode Mode) {
	c.wanted = mode
	c.lock = l
	l.waiters++
	if c.held != None {
		l.upgrades.push(c, waiting)
		return
	}
	l.queue.push(c, waiting)
	if mode == Exclusive {
		l.exclusives.push(c, holding)
	}
}

func (l *Lock[R]) dequeue(c *Claim[R]) {
	switch {
	case c.held != None:
		l.upgrades.remove(c, waiting)
	case c.wanted == Exclusive:
		l.exclusives.remove(c, holding)
		l.queue.remove(c, waiting)
	default:
		l.queue.remove(c, waiting)
	}
	c.wanted = None
	c.vouches = Detect
	l.waiters--
}

// grant hands the lock to whoever is next, as long as there is somebody.
func (l *Lock[R]) grant(granted []*Claim[R]) []*Claim[R] {
	for {
		c := l.next()
		if c == nil {
			return granted
		}
		mode := c.wanted
		l.dequeue(c)
		l.hold(c, mode)
		granted = append(granted, c)
	}
}

// next returns the waiting claim that can be granted now, or nil: the first
// upgrade before the head of the queue, which is never looked at while an
// upgrade waits.
func (l *Lock[R]) next() *Claim[R] {
	if c := l.upgrades.head; c != nil {
		if l.soleHolder(c) {
			return c
		}
		return nil
	}
	if c := l.queue.head; c != nil && l.compatible(c.wanted) {
		return c
	}
	return nil
}
