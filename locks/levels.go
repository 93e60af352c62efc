package locks

// Levels yields who holds and who waits, with the level of each, from the
// holders to the end of the queue:
//
//   - Level 0 are the holders.
//   - Then each waiting upgrade is a level of its own. Its claim is yielded a
//     second time, as it is also a holder.
//   - Then each longest run of adjacent shared waiters is one level, and each
//     exclusive waiter is a level of its own.
//
// A claim at a level above 0 waits for all other owners in all levels below; in
// particular an upgrade waits for the other holders and the upgrades ahead.
//
// Its form is that of an iterator: for level, c := range l.Levels { ... } which
// allocates nothing. The lock must not change meanwhile. O(claims).
func (l *Lock[R]) Levels(yield func(level int, c *Claim[R]) bool) {
	for c := l.holders.head; c != nil; c = c.links[holding].next {
		if !yield(0, c) {
			return
		}
	}
	level := 0
	for c := l.upgrades.head; c != nil; c = c.links[waiting].next {
		level++
		if !yield(level, c) {
			return
		}
	}
	run := false // the claim before is a shared waiter
	for c := l.queue.head; c != nil; c = c.links[waiting].next {
		if !run || c.wanted != Shared {
			level++
		}
		run = c.wanted == Shared
		if !yield(level, c) {
			return
		}
	}
}
