package deadlock

import "github.com/concordat-dev/concordat/locks"

// unlink takes the victim v, which is closed, out of its queues. Where it leaves
// a level empty, the levels below and above become neighbours, and two shared
// ones become one: two runs of waiters, or a run that is now granted next to the
// shared holders.
func (g *Graph) unlink(v int32) {
	for p := g.vertices[v].first; p != none; p = g.places[p].next {
		at := g.at(p)
		g.levels[at].live--
		if g.levels[at].live > 0 {
			continue
		}
		below, above := g.levels[at].below, g.levels[at].above
		g.unlinkLevel(at)
		if below != none && above != none && g.levels[below].mode == locks.Shared && g.levels[above].mode == locks.Shared {
			g.merge(below, above)
		}
		g.ends(g.levels[at].lock)
	}
}

func (g *Graph) unlinkLevel(at int32) {
	below, above := g.levels[at].below, g.levels[at].above
	if below != none {
		g.levels[below].above = above
	}
	if above != none {
		g.levels[above].below = below
	}
}

// merge makes one level of two neighbours. If only one has open places it takes
// in the other, so that no place needs to be moved.
func (g *Graph) merge(below, above int32) {
	into, from := below, above
	switch {
	case g.levels[below].head == none:
		into, from = above, below
	case g.levels[above].head != none:
		g.join(below, above)
	}
	g.levels[into].live += g.levels[from].live
	g.levels[from].into = into
	g.unlinkLevel(from)
}

// join moves the open places of above to those of below. What is not below the
// one is not below the other; that nobody is above is told by ends.
func (g *Graph) join(below, above int32) {
	if g.levels[below].lost && !g.levels[above].lost {
		g.loseOut(above)
	}
	g.closeLevel(above)
	lo, hi := &g.levels[below], &g.levels[above]
	g.places[lo.tail].right = hi.head
	g.places[hi.head].left = lo.tail
	lo.tail = hi.tail
}
