package history

import "slices"

// search looks for shortest cycles of one class, breadth first. A state is a node and whether the one rw edge that the class may
// have is behind it; a class with any number of them has one state a node.
type search struct {
	sub    *subgraph
	class  class
	spans  span // nil: a cycle closes where it began; else by an edge in real time
	round  uint32
	seen   []uint32 // by state: the round that saw it
	before []int32  // by state: the state it was reached from
	by     []EdgeKind
	queue  []int32
}

// path is a cycle: the i-th edge leaves the i-th node. Without the last edge if that is one in real time.
type path struct {
	nodes []int32
	edges []EdgeKind
}

func newSearch(sub *subgraph, c class, spans span) *search {
	states := 2 * sub.nodes()
	return &search{
		sub: sub, class: c, spans: spans,
		seen: make([]uint32, states), before: make([]int32, states), by: make([]EdgeKind, states),
	}
}

// shortest finds a shortest cycle through any node. First it looks for cycles of two edges through each, then of up to four, and so
// on: nearly all cycles are short, and a search of bounded length is cheap even in a large component.
func (s *search) shortest(budget *int) *path {
	n := s.sub.nodes()
	for limit := 2; ; limit *= 4 {
		limit = min(limit, n)
		var best *path
		most := limit
		for v := range int32(n) {
			if found := s.from(v, most, budget); found != nil {
				best, most = found, len(found.edges)-1
			}
			if *budget <= 0 || most < 2 {
				break
			}
		}
		if best != nil || limit == n || *budget <= 0 {
			return best
		}
	}
}

// from finds a shortest cycle through source, of at most most edges of the graph, or nil. It stops where the budget ends.
func (s *search) from(source int32, most int, budget *int) *path {
	s.round++
	s.queue = append(s.queue[:0], 2*source)
	s.seen[2*source] = s.round
	var start int64
	if s.spans != nil {
		start, _ = s.spans(source)
	}
	levelEnd, depth := 1, 1
	for i := 0; i < len(s.queue) && depth <= most; i++ {
		if i == levelEnd {
			levelEnd, depth = len(s.queue), depth+1
			if depth > most {
				break
			}
		}
		state := s.queue[i]
		edges := s.sub.edgesOf(state / 2)
		if *budget -= len(edges); *budget <= 0 {
			return nil
		}
		for _, e := range edges {
			next, ok := s.follow(state, e)
			if !ok {
				continue
			}
			if s.closes(source, start, edgeTo(e)) {
				return s.trace(state, edgeTo(e), edgeKind(e))
			}
			if s.seen[next] != s.round {
				s.seen[next], s.before[next], s.by[next] = s.round, state, edgeKind(e)
				s.queue = append(s.queue, next)
			}
		}
	}
	return nil
}

// follow is the state behind an edge, if the class allows the edge.
func (s *search) follow(state int32, e uint32) (next int32, ok bool) {
	kind := edgeKind(e)
	if !s.class.kinds.has(kind) {
		return 0, false
	}
	next = 2 * edgeTo(e)
	if s.class.oneRW {
		used := state & 1
		if kind == RW || kind == RWTime {
			if used == 1 {
				return 0, false
			}
			used = 1
		}
		next |= used
	}
	return next, true
}

// closes reports whether arriving at a node completes the cycle.
func (s *search) closes(source int32, start int64, at int32) bool {
	if s.spans == nil {
		return at == source
	}
	_, end := s.spans(at)
	return end < start
}

// trace is the way to state and over one more edge.
func (s *search) trace(state, last int32, kind EdgeKind) *path {
	p := &path{}
	if s.spans != nil {
		p.nodes = append(p.nodes, last)
	}
	p.edges = append(p.edges, kind)
	for {
		p.nodes = append(p.nodes, state/2)
		if state == s.queue[0] {
			break
		}
		p.edges = append(p.edges, s.by[state])
		state = s.before[state]
	}
	slices.Reverse(p.nodes)
	slices.Reverse(p.edges)
	if s.sub.outer != nil {
		for i, node := range p.nodes {
			p.nodes[i] = s.sub.outer[node]
		}
	}
	return p
}
