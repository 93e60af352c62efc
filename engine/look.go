package engine

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/locks"
)

// What goes on inside, for those who look: transactions, locks, timers. Nothing is kept for it but two times, so it costs nothing while
// nobody looks. Each worker tells what is its own between two messages, one after the other, so a list is not of one moment. Workers
// that code of users holds, or whose epoch it holds up, answer when it has returned.

// Bounds of what is listed.
const (
	// MaxListedTransactions bounds the list of [Engine.Transactions].
	MaxListedTransactions = 10_000
	// MaxListedParts bounds the participants that are listed of a transaction.
	MaxListedParts = 100
	// MaxListedLocks bounds the list of [Engine.Locks].
	MaxListedLocks = 10_000
	// MaxListedClaims bounds the holders, and the waiters, that are listed of a lock.
	MaxListedClaims = 1000
	// MaxListedTimers bounds the list of [Engine.Timers].
	MaxListedTimers = 1000
)

// TransactionInfo describes a serializable transaction that is under way.
type TransactionInfo struct {
	ID        uint64 // a smaller number is older
	Function  string
	RequestID string    // "" if it has none
	Attempt   uint32    // from 1
	Doomed    bool      // its present attempt cannot commit any more
	Began     time.Time // in this process: its first attempt
	Parts     []Part    // instances that its present attempt has come to, at most MaxListedParts
	PartCount int       // how many there are in all
}

// Part is an instance that a transaction takes part at.
type Part struct {
	Address functions.Address
	Mode    locks.Mode // of the lock that it has asked for
}

// LockInfo describes a lock that somebody holds.
type LockInfo struct {
	Address     functions.Address
	Holders     []LockClaim // at most MaxListedClaims
	HolderCount int         // how many there are in all
	Waiters     []LockClaim // the next one first, at most MaxListedClaims
	WaiterCount int         // how many there are in all
}

// LockClaim is one who holds a lock or waits for it. Who holds it shared and waits for it exclusively is in both lists.
type LockClaim struct {
	Owner     uint64     // the transaction; a plain call has a number of its own
	Attempt   uint32     // of the transaction; 0 for a plain call
	Function  string     // the coordinator function that makes the call; "" if a client or a message does
	Operation string     // the operation that is called; "" while a lock is taken up front, in a further attempt
	RequestID string     // of a transaction or a client's call; "" if it has none
	Mode      locks.Mode // that it holds, or waits for
	Since     time.Time  // since when
}

// TimerInfo describes a timer that an instance has set.
type TimerInfo struct {
	Due     time.Time
	From    functions.Address // who set it
	Message string            // what it will send: an operation with its instance, or a coordinator function
}

// look runs f on a worker between two messages, and waits until it has. Nothing that f does is to be durable.
func (e *Engine) look(ctx context.Context, w *worker, f func(w *worker)) error {
	if err := notBegun(&ctx); err != nil {
		return err
	}
	if err := e.admits(operating, 1); err != nil {
		return err
	}
	q := &request{engine: e, done: donePool.Get().(chan struct{}), places: 1}
	q.control = func(w *worker) {
		f(w)
		e.finish(q)
	}
	if err := e.admitTo(w, q); err != nil {
		return err
	}
	return q.wait(ctx)
}

// Transactions lists the serializable transactions that are under way, the oldest first, at most [MaxListedTransactions]. Most transactions
// begin and end between two looks of a worker. Errors: those of [Engine.Outcome] that are not about ids.
func (e *Engine) Transactions(ctx context.Context) (all []TransactionInfo, err error) {
	for _, w := range e.workers {
		var some []TransactionInfo
		if err := e.look(ctx, w, func(w *worker) {
			w.eachTransaction(func(c *coord) bool {
				some = append(some, c.describe())
				return len(all)+len(some) < MaxListedTransactions
			})
		}); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b TransactionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// eachTransaction visits the transactions of a worker that are not over, until visit returns false: those that the epoch has touched, and
// those that an earlier one has left.
func (x *executor) eachTransaction(visit func(c *coord) bool) {
	for _, c := range x.epoch.touched {
		if c.tx != nil && !c.over && !visit(c) {
			return
		}
	}
	for _, s := range x.shards {
		for _, c := range s.runs {
			if c.tx != nil && !c.over && !c.touched && !visit(c) {
				return
			}
		}
	}
}

func (c *coord) describe() TransactionInfo {
	info := TransactionInfo{
		ID: c.id, Function: c.function.Name, Attempt: c.tx.Owner().Attempt, Doomed: c.tx.IsDoomed(), Began: time.Unix(0, c.began),
		PartCount: c.tx.Parts(),
	}
	if c.req != nil {
		info.RequestID = c.req.env.RequestID
	}
	for i := range min(info.PartCount, MaxListedParts) {
		info.Parts = append(info.Parts, Part{Address: functions.Address(c.tx.PartAddress(i)), Mode: c.tx.PartMode(i)})
	}
	return info
}

// Locks lists the locks that somebody waits for, those with the most waiters first, and behind them others that a transaction holds; at most
// [MaxListedLocks]. Errors are those of [Engine.Transactions].
func (e *Engine) Locks(ctx context.Context) (all []LockInfo, err error) {
	parts := make([]map[format.Address]bool, len(e.workers)) // by the worker that owns the instance
	for i := range parts {
		parts[i] = map[format.Address]bool{}
	}
	for _, w := range e.workers {
		if err := e.look(ctx, w, func(w *worker) { w.eachTransaction(w.noteParts(parts)) }); err != nil {
			return nil, err
		}
	}
	for i, w := range e.workers {
		var some []LockInfo
		if err := e.look(ctx, w, func(w *worker) { some = w.describeLocks(parts[i], MaxListedLocks-len(all)) }); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b LockInfo) int {
		return cmp.Or(cmp.Compare(b.WaiterCount, a.WaiterCount), cmp.Compare(a.Address.Type, b.Address.Type), cmp.Compare(a.Address.ID, b.Address.ID))
	})
	return all, nil
}

// noteParts notes where transactions take part, up to as many instances as are listed.
func (x *executor) noteParts(parts []map[format.Address]bool) func(c *coord) bool {
	count := 0
	for _, of := range parts {
		count += len(of)
	}
	return func(c *coord) bool {
		for i := range c.tx.Parts() {
			address := c.tx.PartAddress(i)
			parts[x.group.shardOf(address).on.id][address] = true
			if count++; count >= MaxListedLocks {
				return false
			}
		}
		return true
	}
}

// shardOf is the shard of an instance of a type that the engine was opened with.
func (g *commons) shardOf(a format.Address) *shard {
	return g.shards[g.registry.ShardOf(g.registry.Types[g.registry.TypesByName[a.Type]], a.ID)]
}

// describeLocks describes the worker's locks that somebody waits for, and those of the instances that are named, if somebody holds them.
func (x *executor) describeLocks(named map[format.Address]bool, atMost int) (all []LockInfo) {
	for _, i := range x.contended {
		if len(all) < atMost && i.seat.Lock.Waiters() > 0 {
			all = append(all, x.describeLock(i))
			delete(named, i.address())
		}
	}
	for address := range named {
		entry := x.group.registry.Types[x.group.registry.TypesByName[address.Type]]
		i := x.cache.byType[entry.Index][address.ID]
		if len(all) < atMost && i != nil && !i.seat.Lock.Free() {
			all = append(all, x.describeLock(i))
		}
	}
	return all
}

func (x *executor) describeLock(i *instance) LockInfo {
	info := LockInfo{Address: functions.Address(i.address()), WaiterCount: i.seat.Lock.Waiters()}
	now, elapsed := x.group.clocks.Both()
	for level, claim := range i.seat.Lock.Levels {
		switch {
		case level == 0:
			info.HolderCount++
			if len(info.Holders) < MaxListedClaims {
				holder := describeClaim(claim, claim.Held())
				holder.Since = time.Unix(0, claim.Ref.Ref.holds)
				info.Holders = append(info.Holders, holder)
			}
		case len(info.Waiters) < MaxListedClaims:
			waiter := describeClaim(claim, claim.Wanted())
			waiter.Since = now.Add(claim.Ref.Ref.waits - elapsed)
			info.Waiters = append(info.Waiters, waiter)
		}
	}
	return info
}

// describeClaim describes a claim. Of what belongs to another worker it looks only at what does not change before the visit is over.
func describeClaim(claim *claim, mode locks.Mode) LockClaim {
	v := claim.Ref.Ref
	info := LockClaim{Owner: claim.Owner.ID, Attempt: claim.Owner.Attempt, Mode: mode}
	if v.op != nil {
		info.Operation = v.op.FullName()
	}
	switch {
	case v.coord != nil:
		info.Function = v.coord.function.Name
		if !v.isPlain() && v.coord.req != nil { // that of a saga may be replaced
			info.RequestID = v.coord.req.env.RequestID
		}
	case v.call.req != nil: // a plain call's visit is never without its call
		info.RequestID = v.call.req.env.RequestID
	}
	return info
}

// Timers lists the timers that instances have set, those that are due first, at most [MaxListedTimers]. Errors are those of
// [Engine.Transactions].
func (e *Engine) Timers(ctx context.Context) (all []TimerInfo, err error) {
	for _, w := range e.workers {
		var some []TimerInfo
		if err := e.look(ctx, w, func(w *worker) {
			for _, t := range w.firstTimers(MaxListedTimers) {
				some = append(some, TimerInfo{Due: time.Unix(0, t.due), From: functions.Address(t.from), Message: t.env.Target()})
			}
		}); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b TimerInfo) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.From.Type, b.From.Type), cmp.Compare(a.From.ID, b.From.ID))
	})
	return all[:min(len(all), MaxListedTimers)], nil
}

// firstTimers returns the first timers that instances have set, at most n, and leaves the queues as they are. It looks at about twice as
// many as it comes by, sleeps of sagas included, and once at each queue, however many timers there are.
func (x *executor) firstTimers(n int) (all []*timer) {
	var next places
	for _, h := range x.timers {
		next = append(next, place{h, 0})
	}
	heap.Init(&next)
	for len(next) > 0 && len(all) < n {
		at := heap.Pop(&next).(place)
		if t := at.timer(); t.coord == nil {
			all = append(all, t)
		}
		for child := 2*at.index + 1; child <= 2*at.index+2 && child < len(at.of.heap); child++ {
			heap.Push(&next, place{at.of, child})
		}
	}
	return all
}

// place is a place in the heap of a queue of timers.
type place struct {
	of    *timerQueue
	index int
}

func (p place) timer() *timer { return p.of.heap[p.index] }

// places are themselves a heap, by when the timers are due.
type places []place

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].timer().before(p[j].timer()) }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *places) Push(x any)        { *p = append(*p, x.(place)) }
func (p *places) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}
