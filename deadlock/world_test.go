package deadlock

import (
	"cmp"
	"slices"

	"github.com/concordat-dev/concordat/locks"
)

// world is some owners and some real locks, from which both the graph under test
// and the explicit one of the oracle are read.
type world struct {
	owners []locks.Owner
	locks  []locks.Lock[int]
	claims [][]locks.Claim[int] // owner, lock
	gone   []bool
}

func newWorld(owners []locks.Owner, nLocks int) *world {
	w := &world{owners: owners, locks: make([]locks.Lock[int], nLocks), gone: make([]bool, len(owners))}
	for i, o := range owners {
		w.claims = append(w.claims, make([]locks.Claim[int], nLocks))
		for n := range w.claims[i] {
			w.claims[i][n].Owner, w.claims[i][n].Ref = o, i
		}
	}
	return w
}

// transactions makes n owners with the IDs 1 to n.
func transactions(n int) []locks.Owner {
	owners := make([]locks.Owner, n)
	for i := range owners {
		owners[i].ID = uint64(i + 1)
	}
	return owners
}

// ask acquires, unless the owner waits there already.
func (w *world) ask(owner, n int, mode locks.Mode) {
	if c := &w.claims[owner][n]; !c.Waiting() {
		w.locks[n].Acquire(c, mode, locks.Detect, false, nil)
	}
}

// touches says whether the owner has a claim on any lock.
func (w *world) touches(owner int) bool {
	return slices.ContainsFunc(w.claims[owner], func(c locks.Claim[int]) bool { return c.Held() != locks.None || c.Waiting() })
}

func (w *world) abort(owner int) {
	w.gone[owner] = true
	for n := range w.locks {
		w.locks[n].Release(&w.claims[owner][n], nil)
	}
}

func (w *world) find(o locks.Owner) int { return slices.Index(w.owners, o) }

func (w *world) addTo(g *Graph) {
	for n := range w.locks {
		AddLock(g, n, &w.locks[n])
	}
}

// explicit is the wait-for graph with every single edge.
type explicit struct {
	n     int
	edges [][]wait // of each waiter
}

type wait struct{ blocker, lock int }

func (w *world) explicit() explicit {
	x := explicit{len(w.owners), make([][]wait, len(w.owners))}
	for n := range w.locks {
		type at struct{ owner, level int }
		var all []at
		for level, c := range w.locks[n].Levels {
			for _, below := range all {
				e := wait{below.owner, n}
				if level > 0 && below.level < level && below.owner != c.Ref && !slices.Contains(x.edges[c.Ref], e) {
					x.edges[c.Ref] = append(x.edges[c.Ref], e)
				}
			}
			all = append(all, at{c.Ref, level})
		}
	}
	return x
}

func (x explicit) has(waiter, blocker, lock int) bool {
	return slices.Contains(x.edges[waiter], wait{blocker, lock})
}

// cyclic says whether there is any cycle: whether something is left after all
// owners without edges were taken away again and again.
func (x explicit) cyclic() bool {
	done := make([]bool, x.n)
	for range x.n {
		for v := range x.n {
			done[v] = done[v] || !slices.ContainsFunc(x.edges[v], func(e wait) bool { return !done[e.blocker] })
		}
	}
	return slices.Contains(done, false)
}

// onCycle says whether v can reach itself.
func (x explicit) onCycle(v int) bool {
	return slices.ContainsFunc(x.edges[v], func(e wait) bool { return x.reach(e.blocker, -1)[v] })
}

// reach returns what from can reach, itself included, not going on from stop.
func (x explicit) reach(from, stop int) []bool {
	seen := make([]bool, x.n)
	seen[from] = true
	for todo := []int{from}; len(todo) > 0; {
		u := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, e := range x.edges[u] {
			if !seen[e.blocker] {
				seen[e.blocker] = true
				if e.blocker != stop {
					todo = append(todo, e.blocker)
				}
			}
		}
	}
	return seen
}

// direct says whether v is on a cycle that comes in at another lock than it
// leaves, or is one of two upgrades that wait for each other.
func (x explicit) direct(v int) bool {
	for _, out := range x.edges[v] {
		if x.has(out.blocker, v, out.lock) {
			return true
		}
		if out.blocker == v {
			panic("an owner waits for itself")
		}
		for u, ok := range x.reach(out.blocker, v) {
			if ok && u != v && slices.ContainsFunc(x.edges[u], func(in wait) bool { return in.blocker == v && in.lock != out.lock }) {
				return true
			}
		}
	}
	return false
}

// oracle picks the victims in the plainest way: youngest first, whoever is on a
// direct cycle.
func (w *world) oracle() (victims []locks.Owner) {
	return w.pick(explicit.direct)
}

func (w *world) pick(on func(explicit, int) bool) (victims []locks.Owner) {
	order := slices.Clone(w.owners)
	slices.SortFunc(order, func(a, b locks.Owner) int {
		return cmp.Or(cmp.Compare(b.ID, a.ID), cmp.Compare(b.Attempt, a.Attempt))
	})
	for _, o := range order {
		if i := w.find(o); !o.Single && on(w.explicit(), i) {
			victims = append(victims, o)
			w.abort(i)
		}
	}
	return victims
}
