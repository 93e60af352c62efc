package deadlock

import (
	"slices"

	"github.com/concordat-dev/concordat/locks"
)

// search records the shortest direct cycle through v, if there is one. A cycle
// must come in elsewhere than it leaves, so there is one breadth-first search
// for each way out; of several cycles the shortest is kept, the first one of
// those.
func (g *Graph) search(v int32) bool {
	best := len(g.edges)
	for exit := g.vertices[v].first; exit != none; exit = g.places[exit].next {
		if !g.places[exit].out {
			continue
		}
		last := g.searchVia(v, exit)
		if last == none {
			continue
		}
		found := len(g.edges)
		g.record(v, last)
		switch {
		case found == best: // the first one
		case len(g.edges)-found < found-best:
			g.edges = slices.Delete(g.edges, best, found)
		default:
			g.edges = g.edges[:found]
		}
	}
	if len(g.edges) == best {
		return false
	}
	g.cycles = append(g.cycles, Cycle{Victim: g.vertices[v].owner, Edges: slices.Clip(g.edges[best:])})
	return true
}

// searchVia finds a shortest path from v that leaves at exit and comes back
// elsewhere. It returns the place of the last waiter, which waits for v; via of
// each vertex on the path leads back to v. It returns none if there is no path.
func (g *Graph) searchVia(v, exit int32) int32 {
	g.stamp++
	g.visited = g.visited[:0]
	g.vertices[v].seen = g.stamp
	g.setGoals(v, exit)
	if last := g.descend(v, exit, exit); last != none {
		return last
	}
	for i := 0; i < len(g.visited); i++ {
		for p := g.vertices[g.visited[i]].first; p != none; p = g.places[p].next {
			if last := g.descend(v, exit, p); last != none {
				return last
			}
		}
	}
	return none
}

// setGoals marks at which level of which lock somebody waits for v.
func (g *Graph) setGoals(v, exit int32) {
	for p := g.vertices[v].first; p != none; p = g.places[p].next {
		if p == exit {
			continue
		}
		at := g.at(p)
		lk := &g.locks[g.levels[at].lock]
		if lk.goalSeen != g.stamp || at < lk.goal {
			lk.goal, lk.goalSeen = at, g.stamp
		}
	}
}

// descend visits all that the place from waits for and that was not visited yet,
// and returns the place of the first one that waits for v, or none. Testing it
// here, rather than when the vertex's turn comes, finds the same path and saves
// visiting a long queue to the end.
func (g *Graph) descend(v, exit, from int32) int32 {
	at := g.levels[g.at(from)].openBelow
	for ; at != none && g.levels[at].seen != g.stamp; at = g.levels[at].openBelow {
		g.levels[at].seen = g.stamp
		for p := g.levels[at].head; p != none; p = g.places[p].right {
			g.steps++
			u := g.places[p].vertex
			if g.vertices[u].seen == g.stamp {
				continue
			}
			g.vertices[u].seen = g.stamp
			g.vertices[u].via = from
			if last := g.waitsFor(u, v, exit); last != none {
				return last
			}
			g.visited = append(g.visited, u)
		}
	}
	return none
}

// waitsFor returns the place where u waits for v, other than at the lock where
// the search left v, or none. At that lock there is a goal only if v is an
// upgrade there, and then only another upgrade counts: one that v waits for at
// once.
func (g *Graph) waitsFor(u, v, exit int32) int32 {
	for p := g.vertices[u].first; p != none; p = g.places[p].next {
		at := g.at(p)
		n := g.levels[at].lock
		if lk := &g.locks[n]; lk.goalSeen != g.stamp || at <= lk.goal {
			continue
		}
		if n == g.levels[g.at(exit)].lock && g.vertices[u].via != exit {
			continue
		}
		return p
	}
	return none
}

// record appends the edges of the cycle that last closes.
func (g *Graph) record(v, last int32) {
	start := len(g.edges)
	blocker := v
	for p := last; ; p = g.vertices[blocker].via {
		waiter := g.places[p].vertex
		g.edges = append(g.edges, g.edge(p, blocker))
		if waiter == v {
			break
		}
		blocker = waiter
	}
	slices.Reverse(g.edges[start:])
}

func (g *Graph) edge(p, blocker int32) Edge {
	n := g.levels[g.places[p].level].lock
	return Edge{
		Waiter:   g.vertices[g.places[p].vertex].owner,
		Blocker:  g.vertices[blocker].owner,
		Resource: g.locks[n].resource,
		Wants:    g.places[p].mode,
		Holds:    g.holds(blocker, n),
	}
}

// holds returns what v held at lock n when it was added.
func (g *Graph) holds(v, n int32) locks.Mode {
	for p := g.vertices[v].first; p != none; p = g.places[p].next {
		if lv := &g.levels[g.places[p].level]; lv.lock == n && lv.holders {
			return g.places[p].mode
		}
	}
	return locks.None
}
