package history

import "slices"

// class is a rung of the ladders of [Kind]: which edges its cycles are made of.
type class struct {
	kind  Kind
	kinds kindSet
	oneRW bool // at most one rw edge
}

// dependencies are the classes of cycles that need neither.
var dependencies = []class{
	{kind: G0, kinds: setOf(WW)},
	{kind: G1c, kinds: setOf(WW, WR)},
	{kind: GSingle, kinds: setOf(WW, WR, RW), oneRW: true},
	{kind: G2, kinds: setOf(WW, WR, RW)},
}

// inTime are the classes of cycles that need real time or the order of a process; an edge in real time may close them.
var inTime = []class{
	{kind: G0RealTime, kinds: setOf(WW, Process)},
	{kind: G1cRealTime, kinds: setOf(WW, WR, Process)},
	{kind: StaleRead, kinds: setOf(WW, WR, RW, RWTime, Process), oneRW: true},
	{kind: G2RealTime, kinds: setOf(WW, WR, RW, RWTime, Process)},
}

// cycle is a cycle as it was found.
type cycle struct {
	kind  Kind
	nodes []int32
	edges []EdgeKind // the i-th leaves nodes[i]
}

// searchBudget bounds the edges that the search for shortest cycles looks at, about a second's worth. A history with so many
// anomalies that it is used up is as broken as can be: the rest is counted and not named.
const searchBudget = 100_000_000

// finder finds short cycles in the components of a graph.
type finder struct {
	g      *graph
	spans  span
	number []int32 // for restrict
	used   []bool  // transactions that are in a cycle that was found
	budget int
	most   int // cycles to find
	cycles []cycle
	more   int // components and late transactions that were not looked at
}

// findCycles finds at most most cycles.
func findCycles(g *graph, spans span, most int) *finder {
	return findCyclesWithin(g, spans, most, searchBudget)
}

func findCyclesWithin(g *graph, spans span, most, budget int) *finder {
	f := &finder{g: g, spans: spans, budget: budget, most: most}
	found := strongConnect(g, spans)
	if len(found.cyclic) == 0 && len(found.late) == 0 {
		return f
	}
	f.number, f.used = make([]int32, g.nodes()), make([]bool, g.nodes())
	for _, nodes := range found.cyclic {
		f.inComponent(nodes)
	}
	f.amongLate(found.late)
	return f
}

// full reports that no more cycles are wanted, or can be afforded.
func (f *finder) full() bool { return len(f.cycles) >= f.most || f.budget <= 0 }

// inComponent finds at least one cycle in a component: on each rung, one in each part that has none yet.
func (f *finder) inComponent(nodes []int32) {
	if f.full() {
		f.more++
		return
	}
	before := len(f.cycles)
	for _, c := range slices.Concat(dependencies, inTime) {
		sub := f.g.restrict(nodes, c.kinds, f.number)
		for _, part := range strongConnect(&sub.graph, nil).cyclic {
			f.inPart(sub, part, c)
		}
	}
	if len(f.cycles) == before {
		f.more++ // the budget ended on the way
	}
}

func (f *finder) inPart(sub *subgraph, part []int32, c class) {
	nodes := make([]int32, len(part))
	for i, node := range part {
		nodes[i] = sub.outer[node]
		if f.used[nodes[i]] {
			return
		}
	}
	slices.Sort(nodes)
	s := newSearch(f.g.restrict(nodes, c.kinds, f.number), c, nil)
	if found := s.shortest(&f.budget); found != nil {
		f.add(cycle{c.kind, found.nodes, found.edges})
	}
}

func (f *finder) add(c cycle) {
	f.cycles = append(f.cycles, c)
	for _, node := range c.nodes {
		f.used[node] = true
	}
}

// amongLate finds a cycle for transactions that began after the end of one that must come behind them: for each such end one. All
// that leads to a late transaction is late too, often half the history; the first of them has the shortest way to that end, as no
// other one lies between.
func (f *finder) amongLate(late []lateNode) {
	if len(late) == 0 {
		return
	}
	explained := map[int64]bool{}
	all := &subgraph{graph: *f.g}
	var searches []*search
	for _, c := range inTime {
		searches = append(searches, newSearch(all, c, f.spans))
	}
	for _, l := range late {
		tx := l.node
		if explained[l.earliest] || f.used[tx] {
			continue
		}
		explained[l.earliest] = true
		if f.full() {
			f.more++
			continue
		}
		f.closeInTime(tx, searches)
	}
}

// closeInTime finds a shortest cycle of the worst kind through a late transaction, and adds it unless it shares one with another.
func (f *finder) closeInTime(tx int32, searches []*search) {
	for _, s := range searches {
		found := s.from(tx, len(f.number), &f.budget)
		if found == nil {
			continue
		}
		if !slices.ContainsFunc(found.nodes, func(node int32) bool { return f.used[node] }) {
			f.add(cycle{s.class.kind, found.nodes, append(found.edges, RealTime)})
		}
		return
	}
	f.more++ // the budget ended on the way
}
