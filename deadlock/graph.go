package deadlock

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/locks"
)

// Graph is a wait-for graph. The zero value is empty; Reset empties it again and
// keeps its memory. Fill it with AddLock (or Add), then call Break.
//
// # What waits for what
//
// An owner at a level above 0 waits for all other owners at all levels below of
// the same lock: the queue is FIFO. There are O(n²) such edges among n waiters
// of one lock, so none is stored: the graph stores levels, and following the
// edges of a waiter is walking down from its level. Within one search, a walk
// ends at a level that was visited, as so were all below it. So a search is
// linear in the number of places, not of edges.
//
// # Which cycles count
//
// Say x waits for v and v waits for z, both at the same lock. Then x waits for z,
// too, and any cycle x -> v -> z -> ... -> x exists without v. To abort v would
// break nothing. So v is a candidate only if a cycle comes in at one lock and
// leaves at another; or if v and another owner are two upgrades of one lock,
// which wait for each other. Such a cycle is called direct at v. A shortest cycle
// is direct at all its members, so whoever has broken all direct ones has broken
// all.
//
// This matters: behind a deadlock of two there may be 10,000 in the two queues.
// Most stand on cycles, in between the two, and a detector that aborts the
// youngest on any cycle aborts many of them, one at a time, for nothing. That was
// tried: 512 transfers over 10 locks, run to the end, had 18,241 victims by that
// rule (one transfer 251 times), and 2,317 (23) by this one. TestTransfersEnd does the
// same with 128.
// It also means that a Single, which waits at one lock and holds nothing
// meanwhile, is on no direct cycle: it fills its level but is no vertex.
//
// # Steps of Break
//
//  1. Trim. A place is a way out if a vertex stands on a level below, a way in if
//     one stands above. A vertex without a way in and another way out is on no
//     direct cycle: it is closed, which may take away ways of others, and so on.
//     Each place loses each way once: linear. An acyclic graph is closed
//     entirely, since its sinks are closed again and again.
//  2. Go through the vertices that are still open, youngest first, and search
//     breadth first for the shortest direct cycle. If there is none, close the
//     vertex. If there is one, the vertex is its victim: close it, and take it
//     out of its queues. Trim after either.
//
// Closed vertices are never visited again, but still stand in their queues. That
// is right since the edges of the graph only ever become fewer: a vertex that is
// on no direct cycle now, never will be; and all members of a shortest cycle are
// open. A victim that leaves needs no bridging of its neighbours, as they wait
// for each other already. Its going can even end waits: if it was an exclusive
// waiter between two shared runs, these become one, and no longer wait for each
// other (or, next to shared holders, hold). Leaving that out would make phantom
// edges and victims that were on no cycle.
//
// # What is true of the result
//
//   - Each victim is the youngest of its cycle: all younger ones were victims
//     before it or are on no direct cycle. The oldest owner is never a victim,
//     so, as retries keep their ID, everybody becomes safe in the end.
//   - Each recorded cycle was real when it was found, given the victims before
//     it. The victim broke it, so nobody is a victim for it a second time. A
//     member may yet become one for another cycle: the set of victims is not
//     always the smallest.
//   - Afterwards there is no cycle.
//
// # Cost
//
// Filling and trimming are linear in the number of places. Each search is so at
// worst; it ends as soon as the cycle is found, which is nearly at once for short
// ones. There is a search for each open vertex that waits, and for each lock at
// which it waits. So the worst case is O(vertices · places), for graphs with many
// vertices in between two cycles.
type Graph struct {
	index    map[locks.Owner]int32 // vertex of an owner; for look-ups only
	vertices []vertex
	places   []place
	levels   []level
	locks    []lock
	depth    int // of the newest level, as the caller counts

	doubtful []int32 // vertices that lost a way and are to be looked at
	order    []int32 // open vertices, youngest first
	visited  []int32 // vertices of the current search, in order
	stamp    uint32  // number of the current search

	leaving []int32 // vertices that Leave named

	cycles []Cycle
	edges  []Edge // what cycles point into
	steps  int    // work done by Break: a count that tests bound
}

const none = -1 // no index

// vertex is an owner that may be on a cycle.
type vertex struct {
	owner       locks.Owner
	first, last int32 // its places, in order of Add
	via         int32 // place of the waiter from which the current search came
	seen        uint32
	open        bool // may be on a direct cycle
	doubtful    bool // is in Graph.doubtful
	gone        bool // has left its queues
}

// place is one vertex at one level.
type place struct {
	vertex      int32
	level       int32 // as added; see Graph.at
	next        int32 // of the same vertex
	left, right int32 // open places of the same level
	mode        locks.Mode
	in, out     bool // an open vertex may stand above; below
}

// level is one level of one lock. Levels of one lock are numbered upwards.
type level struct {
	lock         int32
	into         int32 // itself, or a level that it was merged into
	live         int32 // owners that still stand here, Singles included
	below, above int32 // nearest levels with live > 0
	openBelow    int32 // nearest levels with open places
	openAbove    int32
	head, tail   int32 // open places
	seen         uint32
	mode         locks.Mode
	holders      bool
	lost         bool // its places were told that nobody is below
	topped       bool // its places were told that nobody is above
}

// lock is one contended lock.
type lock struct {
	resource    int
	bottom, top int32 // lowest and highest level with open places
	highest     int32 // newest level
	goal        int32 // level of the vertex searched for, if goalSeen is the search
	goalSeen    uint32
}

// Reset empties the graph. What Break returned becomes invalid.
func (g *Graph) Reset() {
	clear(g.index)
	g.vertices, g.places, g.levels, g.locks = g.vertices[:0], g.places[:0], g.levels[:0], g.locks[:0]
	clear(g.cycles)
	g.cycles, g.edges = g.cycles[:0], g.edges[:0]
	g.leaving = g.leaving[:0]
	g.stamp, g.steps = 0, 0
}

// AddLock adds all holders and waiters of l. O(claims). Locks without waiters
// may be left out, as may single ones: they add nothing.
func AddLock[R any](g *Graph, resource int, l *locks.Lock[R]) {
	for depth, c := range l.Levels {
		mode := c.Held()
		if depth > 0 {
			mode = c.Wanted()
		}
		g.Add(resource, depth, c.Owner, mode)
	}
}

// Add adds one owner at one level of a lock, in the order of locks.Lock.Levels:
// lock by lock, each level by level from 0, an upgrade both among the holders
// and at its own level. mode is what the owner holds or waits for there.
// resource is the caller's number for the lock. O(1).
//
// It panics if the levels of a lock come out of order.
func (g *Graph) Add(resource, depth int, o locks.Owner, mode locks.Mode) {
	at := g.levelOf(resource, depth, mode)
	g.levels[at].live++
	if !o.Single {
		g.stand(g.vertexOf(o), at, mode)
	}
}

// Break breaks all cycles and returns them in the order in which they were
// broken. The victims' claims are for the caller to release. The result is valid
// until Reset; the graph is used up by then, and Break returns the same again.
func (g *Graph) Break() []Cycle {
	g.trim()
	g.release()
	for _, v := range g.youngestFirst() {
		if g.vertices[v].open {
			g.decide(v)
		}
	}
	return g.cycles
}

// decide makes v a victim or closes it.
func (g *Graph) decide(v int32) {
	victim := g.search(v)
	g.close(v)
	if victim {
		g.unlink(v)
	}
	g.settle()
}

// youngestFirst lists the open vertices.
func (g *Graph) youngestFirst() []int32 {
	g.order = g.order[:0]
	for v := range g.vertices {
		if g.vertices[v].open {
			g.order = append(g.order, int32(v))
		}
	}
	slices.SortFunc(g.order, func(a, b int32) int {
		x, y := g.vertices[a].owner, g.vertices[b].owner
		return cmp.Or(cmp.Compare(y.ID, x.ID), cmp.Compare(y.Attempt, x.Attempt))
	})
	return g.order
}

// levelOf returns the level that the next place belongs to.
func (g *Graph) levelOf(resource, depth int, mode locks.Mode) int32 {
	n := int32(len(g.locks) - 1)
	if n < 0 || g.locks[n].resource != resource {
		if depth != 0 {
			panic(fmt.Sprintf("deadlock: resource %d begins with level %d: holders come first", resource, depth))
		}
		g.locks = append(g.locks, lock{resource: resource, bottom: none, top: none, highest: none})
		return g.pushLevel(n+1, depth, mode)
	}
	if depth < g.depth {
		panic(fmt.Sprintf("deadlock: resource %d has level %d after %d: levels come in order", resource, depth, g.depth))
	}
	if depth == g.depth {
		return g.locks[n].highest
	}
	return g.pushLevel(n, depth, mode)
}

func (g *Graph) pushLevel(n int32, depth int, mode locks.Mode) int32 {
	lk := &g.locks[n]
	at := int32(len(g.levels))
	g.levels = append(g.levels, level{
		lock: n, into: at, below: lk.highest, above: none, openBelow: none, openAbove: none,
		head: none, tail: none, mode: mode, holders: depth == 0,
	})
	if lk.highest != none {
		g.levels[lk.highest].above = at
	}
	lk.highest = at
	g.depth = depth
	return at
}

func (g *Graph) vertexOf(o locks.Owner) int32 {
	key := o
	if v, ok := g.index[key]; ok {
		return v
	}
	if g.index == nil {
		g.index = make(map[locks.Owner]int32)
	}
	v := int32(len(g.vertices))
	g.index[key] = v
	g.vertices = append(g.vertices, vertex{owner: o, first: none, last: none, open: true})
	return v
}

// stand puts v on the newest level.
func (g *Graph) stand(v, at int32, mode locks.Mode) {
	p := int32(len(g.places))
	g.places = append(g.places, place{vertex: v, level: at, next: none, right: none, mode: mode, in: true, out: true})
	if vx := &g.vertices[v]; vx.first == none {
		vx.first, vx.last = p, p
	} else {
		g.places[vx.last].next = p
		vx.last = p
	}
	lv := &g.levels[at]
	g.places[p].left = lv.tail
	if lv.head == none {
		lv.head = p
		g.openLevel(at)
	} else {
		g.places[lv.tail].right = p
	}
	lv.tail = p
}

// openLevel links the newest level above the other levels with open places.
func (g *Graph) openLevel(at int32) {
	lk := &g.locks[g.levels[at].lock]
	g.levels[at].openBelow = lk.top
	if lk.top == none {
		lk.bottom = at
	} else {
		g.levels[lk.top].openAbove = at
	}
	lk.top = at
}

// at returns the level that p stands on, after merges.
func (g *Graph) at(p int32) int32 {
	l := g.places[p].level
	for g.levels[l].into != l {
		up := g.levels[l].into
		g.levels[l].into = g.levels[up].into
		l = up
	}
	return l
}
