package deadlock

import (
	"slices"
	"testing"

	"github.com/concordat-dev/concordat/locks"
	"pgregory.net/rapid"
)

// request is one step of a random history.
type request struct {
	owner, lock int
	mode        locks.Mode
}

func drawHistory(t *rapid.T) ([]locks.Owner, int, []request) {
	n := rapid.IntRange(2, 12).Draw(t, "owners")
	nLocks := rapid.IntRange(1, 4).Draw(t, "locks")
	owners := make([]locks.Owner, n)
	ids := rapid.Permutation(slices.Collect(func(yield func(uint64) bool) {
		for i := range uint64(n) {
			if !yield(i + 1) {
				return
			}
		}
	})).Draw(t, "ids")
	for i := range owners {
		owners[i] = locks.Owner{ID: ids[i], Attempt: uint32(i % 3), Single: i%4 == 3}
	}
	length := rapid.IntRange(0, 40).Draw(t, "length")
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) request {
		return request{rapid.IntRange(0, n-1).Draw(t, "owner"), rapid.IntRange(0, nLocks-1).Draw(t, "lock"),
			rapid.SampledFrom([]locks.Mode{locks.Shared, locks.Exclusive}).Draw(t, "mode")}
	}), length, length).Draw(t, "requests")
	return owners, nLocks, steps
}

// play makes the world of a history. Owners may wait at several locks; a single
// call has one claim.
func play(owners []locks.Owner, nLocks int, history []request) *world {
	w := newWorld(owners, nLocks)
	for _, r := range history {
		if !owners[r.owner].Single || !w.touches(r.owner) {
			w.ask(r.owner, r.lock, r.mode)
		}
	}
	return w
}

func TestBreakAgainstOracle(t *testing.T) {
	var g Graph
	rapid.Check(t, func(t *rapid.T) {
		owners, nLocks, history := drawHistory(t)
		w := play(owners, nLocks, history)
		g.Reset()
		w.addTo(&g)
		cycles := g.Break()
		if cyclic := w.explicit().cyclic(); cyclic != (len(cycles) > 0) {
			t.Fatalf("cyclic %v, but victims %v", cyclic, victims(cycles))
		}
		want := play(owners, nLocks, history).oracle()
		if got := victims(cycles); !slices.Equal(got, want) {
			t.Fatalf("victims %v, want %v", got, want)
		}
		for _, c := range cycles {
			checkCycle(t, w, c)
			w.abort(w.find(c.Victim))
		}
		if w.explicit().cyclic() {
			t.Fatalf("a cycle is left after %v", victims(cycles))
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkCycle says whether c is a real cycle of the world as it is, broken at its
// youngest, and a shortest one through it.
func checkCycle(t fataler, w *world, c Cycle) {
	t.Helper()
	x := w.explicit()
	v := w.find(c.Victim)
	if !x.onCycle(v) || c.Victim.Single {
		t.Fatalf("victim %v is on no cycle", c.Victim)
	}
	if c.Edges[0].Waiter != c.Victim || c.Edges[len(c.Edges)-1].Blocker != c.Victim {
		t.Fatalf("cycle doesn't begin and end at the victim: %v", c)
	}
	seen := map[locks.Owner]bool{}
	for i, e := range c.Edges {
		if i > 0 && e.Waiter != c.Edges[i-1].Blocker || seen[e.Waiter] {
			t.Fatalf("cycle is no simple chain at edge %d: %v", i, c)
		}
		seen[e.Waiter] = true
		if !x.has(w.find(e.Waiter), w.find(e.Blocker), e.Resource) {
			t.Fatalf("edge %d is not in the graph: %v", i, c)
		}
		if e.Waiter.ID > c.Victim.ID {
			t.Fatalf("victim is not the youngest: %v", c)
		}
		if got := w.claims[w.find(e.Waiter)][e.Resource].Wanted(); got != e.Wants {
			t.Fatalf("edge %d: waiter wants %v: %v", i, got, c)
		}
	}
}

func victims(cycles []Cycle) (owners []locks.Owner) {
	for _, c := range cycles {
		owners = append(owners, c.Victim)
	}
	return owners
}

func TestShortestCycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		owners, nLocks, history := drawHistory(t)
		w := play(owners, nLocks, history)
		var g Graph
		w.addTo(&g)
		for _, c := range g.Break() {
			if got, want := len(c.Edges), w.shortest(w.find(c.Victim)); got != want {
				t.Fatalf("%d edges, shortest direct cycle has %d: %v", got, want, c)
			}
			w.abort(w.find(c.Victim))
		}
	})
}

// shortest returns the length of a shortest direct cycle through v, by breadth
// first search from each edge out of v.
func (w *world) shortest(v int) int {
	x := w.explicit()
	best := x.n + 1
	for _, out := range x.edges[v] {
		if x.has(out.blocker, v, out.lock) {
			return 2
		}
		depth := map[int]int{out.blocker: 1}
		for todo := []int{out.blocker}; len(todo) > 0; todo = todo[1:] {
			u := todo[0]
			for _, e := range x.edges[u] {
				if e.blocker == v && e.lock != out.lock {
					best = min(best, depth[u]+1)
				}
				if _, ok := depth[e.blocker]; !ok && e.blocker != v {
					depth[e.blocker] = depth[u] + 1
					todo = append(todo, e.blocker)
				}
			}
		}
	}
	return best
}

// As soon as the last cycle is broken, or if there is none, nothing is open and
// so nothing is searched.
func TestAcyclicNeedsNoSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := play(drawHistory(t))
		var g Graph
		w.addTo(&g)
		g.trim()
		for _, v := range g.youngestFirst() {
			if !g.vertices[v].open {
				continue
			}
			if !w.explicit().cyclic() {
				t.Fatalf("%v is still open after %v", g.vertices[v].owner, victims(g.cycles))
			}
			before := len(g.cycles)
			if g.decide(v); len(g.cycles) > before {
				w.abort(w.find(g.vertices[v].owner))
			}
		}
	})
}
