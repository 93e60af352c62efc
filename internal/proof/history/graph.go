package history

// edgeSource calls emit for each edge, the same ones in the same order each time. key is -1 for orders in time. From and to differ.
type edgeSource func(emit func(from, to int32, kind EdgeKind, key int32))

// graph is a graph of transactions, four bytes an edge: the edges of a node lie side by side. What an edge is about is not kept:
// the few that end in a report are found again by another run of the source.
//
// Edges in real time are not in it, though they are the larger part: n transactions have up to n²/2. Jepsen and Elle reduce them to
// those that no other implies, about n times the number of clients. Here they take no edge at all, since a shortest cycle has at
// most one of them. Suppose it had two, a ... b => c ... d => a, where => is real time: b ended before c began, and d before a
// began. If b ended before a began, then a ... b => a is a shorter cycle. Otherwise a began no later than b ended, so before c
// began; d ended before that, and c ... d => c is a shorter cycle. So a cycle that needs real time is a transaction that began
// after one had ended that must come behind it: strongConnect looks for just that.
type graph struct {
	at []uint32 // by node, one more at the end
	to []uint32 // node, then kind
}

const kindBits = 3

func packEdge(to int32, kind EdgeKind) uint32 { return uint32(to)<<kindBits | uint32(kind) }
func edgeTo(e uint32) int32                   { return int32(e >> kindBits) }
func edgeKind(e uint32) EdgeKind              { return EdgeKind(e & (1<<kindBits - 1)) }

// edgesOf are the edges that leave a node.
func (g *graph) edgesOf(node int32) []uint32 { return g.to[g.at[node]:g.at[node+1]] }

func (g *graph) nodes() int { return len(g.at) - 1 }

// newGraph makes the graph of the edges, and counts them by kind.
func newGraph(nodes int, edges edgeSource) (g *graph, counts [numEdgeKinds]int64) {
	g = &graph{at: make([]uint32, nodes+2)}
	edges(func(from, _ int32, kind EdgeKind, _ int32) {
		g.at[from+2]++
		counts[kind]++
	})
	for i := 2; i < len(g.at); i++ {
		g.at[i] += g.at[i-1]
	}
	g.to = make([]uint32, g.at[nodes+1])
	edges(func(from, to int32, kind EdgeKind, _ int32) {
		g.to[g.at[from+1]] = packEdge(to, kind)
		g.at[from+1]++
	})
	g.at = g.at[:nodes+1]
	return g, counts
}

// subgraph is a part of a graph with nodes of its own numbers.
type subgraph struct {
	graph
	outer []int32 // its nodes' numbers in the whole graph
}

// restrict makes the subgraph of these nodes with edges of these kinds. number has a place for each node of the whole graph, all
// zero, and is left so.
func (g *graph) restrict(nodes []int32, kinds kindSet, number []int32) *subgraph {
	s := &subgraph{outer: nodes}
	for i, node := range nodes {
		number[node] = int32(i + 1)
	}
	s.at = append(make([]uint32, 0, len(nodes)+1), 0)
	for _, node := range nodes {
		for _, e := range g.edgesOf(node) {
			if to := number[edgeTo(e)]; to > 0 && kinds.has(edgeKind(e)) {
				s.to = append(s.to, packEdge(to-1, edgeKind(e)))
			}
		}
		s.at = append(s.at, uint32(len(s.to)))
	}
	for _, node := range nodes {
		number[node] = 0
	}
	return s
}

// kindSet is a set of kinds of edges.
type kindSet uint8

func setOf(kinds ...EdgeKind) (s kindSet) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

func (s kindSet) has(k EdgeKind) bool { return s&(1<<k) != 0 }
