package locks

import (
	"iter"
)

// admit says whether c may wait for mode under p, and appends to *wounded who is
// to be wounded for it. It also returns how many claims it looked at, which
// tests bound.
//
// The rules speak of all owners that c would wait for: everybody in all levels
// below, found by ahead. Looking at each of them for each request would make
// 10,000 waiters cost 50 million looks. But an exclusive waiter o that was itself
// checked under the same policy vouches for everybody below it (who is below o
// now, was below it when it was checked: only shared holders move up, by
// upgrading, and they were below already):
//
//   - WaitDie: o is older than all below it. So if c is older than o, it is older
//     than them; and if not, it is refused because of o.
//   - WoundWait: o wounded all below it that are younger than itself. So if o is
//     older than c, those younger than c are wounded already. If o is younger, it
//     is wounded now, and the look goes on.
//
// A shared waiter vouches for nobody: the others of its run were not checked
// against it. So the cost is the claims down to the last exclusive waiter that
// vouches; Single owners, and those waiting on the promise of mayWait, are walked
// over. WaitDie stops at the first older owner, too.
func (l *Lock[R]) admit(c *Claim[R], mode Mode, p Policy, mayWait bool, wounded *[]*Claim[R]) (ok bool, looked int) {
	if c.Owner.Single {
		return true, 0
	}
	switch p {
	case NoWait:
		return mayWait, 0
	case WaitDie:
		if mayWait {
			return true, 0
		}
		return l.oldest(c, mode)
	case WoundWait:
		return true, l.wound(c, mode, wounded)
	}
	return true, 0
}

// oldest says whether c is older than all owners that it would wait for.
func (l *Lock[R]) oldest(c *Claim[R], mode Mode) (ok bool, looked int) {
	for o := range l.ahead(c, mode) {
		looked++
		if o.Owner.Single {
			continue
		}
		if o.Owner.ID <= c.Owner.ID {
			return false, looked
		}
		if o.wanted == Exclusive && o.vouches == WaitDie {
			break
		}
	}
	return true, looked
}

// wound appends the younger owners that c would wait for.
func (l *Lock[R]) wound(c *Claim[R], mode Mode, wounded *[]*Claim[R]) (looked int) {
	for o := range l.ahead(c, mode) {
		looked++
		if o.Owner.Single {
			continue
		}
		if o.Owner.ID > c.Owner.ID {
			*wounded = append(*wounded, o)
		} else if o.wanted == Exclusive && o.vouches == WoundWait {
			break
		}
	}
	return looked
}

// ahead yields each claim that c would wait for once, the nearest ones first.
// Upgrades need no visit of their own, as they are holders. A shared request
// joins the shared run at the queue's end, if any, and doesn't wait for it.
func (l *Lock[R]) ahead(c *Claim[R], mode Mode) iter.Seq[*Claim[R]] {
	return func(yield func(*Claim[R]) bool) {
		if c.held == None {
			last := l.queue.tail
			if mode == Shared {
				last = l.exclusives.tail
			}
			for o := last; o != nil; o = o.links[waiting].prev {
				if !yield(o) {
					return
				}
			}
		}
		for o := l.holders.head; o != nil; o = o.links[holding].next {
			if o != c && !yield(o) {
				return
			}
		}
	}
}
