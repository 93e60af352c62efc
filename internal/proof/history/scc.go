package history

import "math"

// components is what one walk over a graph finds.
type components struct {
	// cyclic are the strongly connected components of more than one node.
	cyclic [][]int32
	// late are transactions that are in none of them and began after the end of another that must come behind them. Those that
	// must come behind other late ones are before these.
	late []lateNode
}

// lateNode is a transaction that began too late, and the earliest end of those that must come behind it.
type lateNode struct {
	node     int32
	earliest int64
}

// span is when a transaction began and ended.
type span func(node int32) (start, end int64)

// strongConnect finds the strongly connected components by Tarjan's algorithm (SIAM J. Comput. 1972), with a stack of its own
// instead of recursion: a chain of a million transactions is an ordinary history. A component is complete when all that it leads to
// are complete, so the same walk learns of each transaction the earliest end among all that must come behind it, and one that
// began after that is late. spans may be nil: then nothing is late.
func strongConnect(g *graph, spans span) components {
	n := g.nodes()
	w := walk{g: g, spans: spans, number: make([]int32, n), low: make([]int32, n)}
	if spans != nil {
		w.earliest = make([]int64, n)
	}
	for v := range int32(n) {
		if w.number[v] == 0 {
			w.from(v)
		}
	}
	return w.found
}

// walk is a walk of strongConnect. number is the order of arrival, from 1, and complete for a node whose component is.
type walk struct {
	g           *graph
	spans       span
	number, low []int32
	earliest    []int64
	frames      []frame
	open        []int32 // arrived at, not complete
	arrived     int32
	found       components
}

// frame is a node on the way from the root, and which of its edges is next.
type frame struct {
	node int32
	next uint32
}

const complete = math.MaxInt32

func (w *walk) arrive(v int32) {
	w.arrived++
	w.number[v], w.low[v] = w.arrived, w.arrived
	w.open = append(w.open, v)
	w.frames = append(w.frames, frame{v, w.g.at[v]})
	if w.spans != nil {
		_, w.earliest[v] = w.spans(v)
	}
}

func (w *walk) from(root int32) {
	w.arrive(root)
	for len(w.frames) > 0 {
		f := &w.frames[len(w.frames)-1]
		v := f.node
		if f.next < w.g.at[v+1] {
			to := edgeTo(w.g.to[f.next])
			f.next++
			if w.number[to] == 0 {
				w.arrive(to)
			} else {
				w.learn(v, to)
			}
			continue
		}
		w.frames = w.frames[:len(w.frames)-1]
		if w.low[v] == w.number[v] {
			w.finish(v)
		}
		if len(w.frames) > 0 {
			w.learn(w.frames[len(w.frames)-1].node, v)
		}
	}
}

// learn takes over what is known at the far end of an edge.
func (w *walk) learn(v, to int32) {
	if w.number[to] != complete {
		w.low[v] = min(w.low[v], w.low[to])
	}
	if w.spans != nil {
		w.earliest[v] = min(w.earliest[v], w.earliest[to])
	}
}

// finish completes the component whose first node is v.
func (w *walk) finish(v int32) {
	first := len(w.open) - 1
	for w.open[first] != v {
		first--
	}
	members := w.open[first:]
	w.open = w.open[:first]
	for _, m := range members {
		w.number[m] = complete
	}
	if len(members) > 1 {
		w.found.cyclic = append(w.found.cyclic, append([]int32(nil), members...))
	}
	if w.spans == nil {
		return
	}
	earliest := w.earliest[v]
	for _, m := range members {
		earliest = min(earliest, w.earliest[m])
	}
	for _, m := range members {
		w.earliest[m] = earliest
	}
	if start, _ := w.spans(v); len(members) == 1 && start > earliest {
		w.found.late = append(w.found.late, lateNode{v, earliest})
	}
}
