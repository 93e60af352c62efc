package engine

import (
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
)

// instance is a function instance in a worker's cache.
type instance struct {
	entry *registry.Type
	id    string
	shard *shard
	seat  seat

	dirty     bool   // changed in the running epoch
	written   int    // bytes that it counts for in the running epoch, see budget
	contended bool   // in the worker's list of contended instances
	epoch     uint64 // the last epoch that changed it
	charged   int64  // the bytes it counts for in the cache

	used          bool      // since the cache's hand came by
	prev, next    *instance // in the cache's ring
	before, after *instance // in the shard's list
}

// cache holds the instances of all shards of an executor: it finds them, and bounds their memory. When it is over its budget a hand goes round the ring of them and drops those that were not used since
// it came by last (the clock algorithm; Corbato, 1968). What is dirty, not sealed or locked stays.
type cache struct {
	byType []map[string]*instance // one for all shards: of many small maps each look would miss the processor's cache
	ring   instance               // sentinel
	hand   *instance              // where evict goes on
	bytes  int64
	budget int64
	limit  int64  // tidy evicts once there are so many bytes
	sealed uint64 // the last sealed epoch that tidy knew of

	hits, misses uint64 // that the group is not told yet; it is at a cut
}

func (c *cache) init(types int, budget int64) {
	c.byType = make([]map[string]*instance, types)
	for i := range c.byType {
		c.byType[i] = map[string]*instance{}
	}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	c.hand = &c.ring
	c.budget, c.limit = budget, budget
}

// tidy evicts when the cache has grown over its budget. What is over it then has to stay, so it tries again when another epoch has
// been sealed, or when there is some more. Between two messages nothing refers to an instance that is neither locked nor dirty. It
// cannot wait for the end of the epoch: reads have none.
func (c *cache) tidy(sealed uint64) {
	if sealed != c.sealed {
		c.sealed, c.limit = sealed, c.budget
	}
	if c.bytes > c.limit {
		c.evict(sealed)
		c.limit = max(c.budget, c.bytes) + c.budget/16
	}
}

// link puts an instance behind the hand, where it comes by last: at any other place those that come in could keep the hand from
// ever getting round to what it has passed.
func (c *cache) link(i *instance) {
	i.prev, i.next = c.hand, c.hand.next
	i.prev.next, i.next.prev = i, i
}

func (c *cache) unlink(i *instance) { i.prev.next, i.next.prev = i.next, i.prev }

// tell counts what was found and what was not.
func (c *cache) tell(m *measures) {
	m.cacheHits.Add(c.hits)
	m.cacheMisses.Add(c.misses)
	c.hits, c.misses = 0, 0
}

// instanceOverhead is about what an instance costs besides its bytes: the struct, its place in a map, its decoded value.
const instanceOverhead = 512

// bytes is what an instance counts for in the cache.
func (i *instance) bytes() int64 { return int64(instanceOverhead + len(i.id) + 2*i.seat.Cell.Size()) }

func (c *cache) charge(i *instance) {
	bytes := i.bytes()
	c.bytes += bytes - i.charged
	i.charged = bytes
}

// evict drops instances until the cache is within its budget, or the hand has passed over maxSkips that stay.
func (c *cache) evict(sealed uint64) {
	const maxSkips = 4096
	for skips := 0; c.bytes > c.budget && skips < maxSkips; {
		i := c.hand
		c.hand = i.prev
		switch {
		case i == &c.ring:
			skips++
		case i.used || i.dirty || i.contended || i.epoch > sealed || !i.seat.Lock.Free():
			i.used = false
			skips++
		default:
			c.unlink(i)
			delete(c.byType[i.entry.Index], i.id)
			i.shard.disown(i)
			c.bytes -= i.charged
		}
	}
}

// instance finds the instance of a call, in the cache or in its row.
func (x *executor) instance(c *call) *instance {
	cached := x.cache.byType[c.entry.Index]
	if i := cached[c.id]; i != nil {
		i.used = true
		x.cache.hits++
		return i
	}
	x.cache.misses++
	i := &instance{entry: c.entry, id: c.id, shard: c.shard}
	i.seat.Cell.Type = c.entry.Info
	x.key = format.InstanceKey(x.scratch(), c.shard.number, c.entry.Info.Name, c.id)
	if value, found := x.load(x.key); found {
		i.seat.Cell.Restore(instances.Stored(value, c.entry.Alike))
	}
	cached[c.id] = i
	c.shard.own(i)
	x.cache.link(i)
	x.cache.charge(i)
	return i
}

// changed notes that the running epoch changes an instance.
func (x *executor) changed(i *instance) {
	if !i.dirty {
		i.dirty, i.written = true, 0
		x.epoch.dirty = append(x.epoch.dirty, i)
		x.charge(len(i.id))
	}
	i.epoch = x.group.epoch
	if size := i.seat.Cell.Size(); size > i.written {
		x.charge(size - i.written)
		i.written = size
	}
}

// noteContended notes that somebody waits for an instance.
func (x *executor) noteContended(i *instance) {
	if !i.contended {
		i.contended = true
		x.contended = append(x.contended, i)
	}
}

// pruneContended forgets instances that nobody waits for any more.
func (x *executor) pruneContended() {
	kept := x.contended[:0]
	for _, i := range x.contended {
		if i.contended = i.seat.Lock.Waiters() > 0; i.contended {
			kept = append(kept, i)
		}
	}
	clear(x.contended[len(kept):])
	x.contended = kept
}

func (i *instance) address() format.Address {
	return format.Address{Type: i.entry.Info.Name, ID: i.id}
}

func (i *instance) String() string { return i.address().String() }
