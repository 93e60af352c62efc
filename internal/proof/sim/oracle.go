package sim

import (
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/locks"
)

// oracle looks at who waits for whom whenever all workers are at rest, and judges the engine's choice of victims by a wait-for
// graph of its own: read off the locks anew, cycles found as strongly connected components (Tarjan, 1972). Whoever is leaving, where an
// epoch is cut by force, counts as gone.
//
//   - Each victim is on a cycle.
//   - Each component with a cycle has a victim; and without the victims there is no cycle.
//   - A transaction that was on a cycle and is not a victim is not found on the same cycle at the next rest.
//   - Under WaitDie, WoundWait and NoWait there is no cycle at all.
type oracle struct {
	policy  locks.Policy
	cyclic  [][]locks.Owner // of the last rest: the components with cycles
	counted OracleCounts
}

// OracleCounts says what the oracle has seen.
type OracleCounts struct {
	Rests     int // at which somebody waited
	Cycles    int // components with a cycle
	Longest   int // transactions in the largest of them
	Victims   int
	MostWaits int // for one lock
}

func (c *OracleCounts) add(o OracleCounts) {
	c.Rests += o.Rests
	c.Cycles += o.Cycles
	c.Longest = max(c.Longest, o.Longest)
	c.Victims += o.Victims
	c.MostWaits = max(c.MostWaits, o.MostWaits)
}

func newOracle(p locks.Policy) *oracle { return &oracle{policy: p} }

// look judges one rest.
func (o *oracle) look(t seams.Tangle) error {
	leaving, victims := map[locks.Owner]bool{}, map[locks.Owner]bool{}
	for _, v := range t.Leaving {
		leaving[v], victims[v] = true, true
	}
	g := waitGraph(t, leaving)
	for _, v := range t.Victims {
		victims[v] = true
	}
	o.counted.Rests++
	o.counted.Victims += len(t.Victims)
	for _, l := range t.Locks {
		o.counted.MostWaits = max(o.counted.MostWaits, len(l.Claims)-1)
	}
	cyclic := g.cyclic()
	o.counted.Cycles += len(cyclic)
	on := map[locks.Owner]bool{}
	for _, component := range cyclic {
		o.counted.Longest = max(o.counted.Longest, len(component))
		for _, owner := range component {
			on[owner] = true
		}
		if !slices.ContainsFunc(component, func(m locks.Owner) bool { return victims[m] }) {
			return fmt.Errorf("deadlock: none of the cycle %v is a victim; victims are %v", component, t.Victims)
		}
	}
	for _, v := range t.Victims {
		if !on[v] {
			return fmt.Errorf("deadlock: the victim %v was on no cycle", v)
		}
	}
	if len(cyclic) > 0 && o.policy != locks.Detect {
		return fmt.Errorf("deadlock: under %v there is the cycle %v", o.policy, cyclic[0])
	}
	if left := waitGraph(t, victims).cyclic(); len(left) > 0 {
		return fmt.Errorf("deadlock: without the victims %v there still is the cycle %v", t.Victims, left[0])
	}
	return o.gone(cyclic)
}

// gone checks that no cycle of the last rest is still there.
func (o *oracle) gone(cyclic [][]locks.Owner) error {
	last := o.cyclic
	o.cyclic = cyclic
	for _, component := range cyclic {
		if slices.ContainsFunc(last, func(old []locks.Owner) bool { return slices.Equal(old, component) }) {
			return fmt.Errorf("deadlock: the cycle %v outlived its detection", component)
		}
	}
	return nil
}

// waits is a wait-for graph. Its vertices are owners, numbered in the order in which they were met, and rungs: one for each run of
// claims of a lock that do not wait for each other. A rung leads to its owners and to the rung below, so that whoever waits needs
// one edge, to the rung below its own, and 10,000 waiters on one lock make 10,000 edges and not 50 million.
type waits struct {
	owners []locks.Owner // the zero Owner for a rung
	number map[locks.Owner]int
	edges  [][]int
}

// waitGraph reads the graph off the locks, leaving some owners out: what remains are the waits once they have released all. The
// rungs come from the modes of the claims, in their order: neighbours that are both shared are on one rung, so that runs are
// joined when an exclusive claim between them is left out. An upgrade is also a holder: it waits for all others below it, one by
// one. A single call holds nothing while it waits, so it is no vertex.
func waitGraph(t seams.Tangle, without map[locks.Owner]bool) *waits {
	g := &waits{number: map[locks.Owner]int{}}
	for _, l := range t.Locks {
		claims := slices.DeleteFunc(slices.Clone(l.Claims), func(c seams.TangledClaim) bool { return without[c.Owner] })
		holds := map[locks.Owner]bool{}
		rung, below := -1, -1
		for i, c := range claims {
			if i == 0 || (c.Level > 0 || claims[i-1].Level > 0) && (c.Mode != locks.Shared || claims[i-1].Mode != locks.Shared) {
				rung, below = g.rung(rung), rung
			}
			if c.Owner.Single {
				continue
			}
			g.lead(rung, g.vertex(c.Owner))
			switch {
			case c.Level == 0:
				holds[c.Owner] = true
			case holds[c.Owner]:
				g.upgrade(c.Owner, claims[:i])
			case below >= 0:
				g.lead(g.vertex(c.Owner), below)
			}
		}
	}
	return g
}

// upgrade adds the edges of one who holds and wants more.
func (g *waits) upgrade(o locks.Owner, below []seams.TangledClaim) {
	for _, c := range below {
		if c.Owner != o && !c.Owner.Single {
			g.lead(g.vertex(o), g.vertex(c.Owner))
		}
	}
}

func (g *waits) rung(below int) int {
	n := g.add(locks.Owner{})
	if below >= 0 {
		g.lead(n, below)
	}
	return n
}

func (g *waits) vertex(o locks.Owner) int {
	n, ok := g.number[o]
	if !ok {
		n = g.add(o)
		g.number[o] = n
	}
	return n
}

func (g *waits) add(o locks.Owner) int {
	g.owners = append(g.owners, o)
	g.edges = append(g.edges, nil)
	return len(g.owners) - 1
}

func (g *waits) lead(from, to int) { g.edges[from] = append(g.edges[from], to) }

// cyclic returns the strongly connected components of more than one owner, each sorted. No owner waits for itself.
func (g *waits) cyclic() (found [][]locks.Owner) {
	t := &tarjan{g: g, index: make([]int, len(g.owners)), low: make([]int, len(g.owners)), on: make([]bool, len(g.owners))}
	for v := range g.owners {
		if t.index[v] == 0 {
			t.visit(v)
		}
	}
	for _, component := range t.components {
		var owners []locks.Owner
		for _, v := range component {
			if g.owners[v] != (locks.Owner{}) {
				owners = append(owners, g.owners[v])
			}
		}
		if len(owners) > 1 {
			slices.SortFunc(owners, func(a, b locks.Owner) int { return int(a.ID) - int(b.ID) })
			found = append(found, owners)
		}
	}
	return found
}

type tarjan struct {
	g          *waits
	index, low []int // index counts from 1
	on         []bool
	stack      []int
	count      int
	components [][]int
}

func (t *tarjan) visit(v int) {
	t.count++
	t.index[v], t.low[v] = t.count, t.count
	t.stack = append(t.stack, v)
	t.on[v] = true
	for _, w := range t.g.edges[v] {
		switch {
		case t.index[w] == 0:
			t.visit(w)
			t.low[v] = min(t.low[v], t.low[w])
		case t.on[w]:
			t.low[v] = min(t.low[v], t.index[w])
		}
	}
	if t.low[v] != t.index[v] {
		return
	}
	var component []int
	for {
		w := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.on[w] = false
		component = append(component, w)
		if w == v {
			break
		}
	}
	t.components = append(t.components, component)
}
