package history

import (
	"slices"
	"time"
)

// MostAnomalies bounds the anomalies of a report, and mostOfKind those of one kind that need no cycle. What is beyond is counted.
const (
	MostAnomalies = 100
	mostOfKind    = 8
)

// Report is what [Check] found.
type Report struct {
	Workload            Workload
	Transactions        int // all, of which the next two are not OK
	Failed, Unknown     int
	Operations, Keys    int
	Edges               [numEdgeKinds]int64 // by kind; orders in real time take no edges, see graph
	Nodes               int                 // transactions in the graph
	Sagas, Steps, Undos int
	Linearizable        int // keys for which an order of single operations was found
	Undecided           int // keys for which none was found in time
	Anomalies           []Anomaly
	More                int // anomalies, or knots of them, that are not among Anomalies
	Elapsed             time.Duration
}

// OK reports whether nothing is wrong with the history.
func (r *Report) OK() bool { return len(r.Anomalies) == 0 && r.More == 0 }

// Check looks for everything in the history that a strictly serializable system never shows.
//
// Of a list-append history the verdict is exact: without an anomaly there is an order of its transactions, true to real time, that
// explains all that was read. Of register and bank histories an anomaly is always a violation, but some violations are not found:
// the order of a register's values is known only where a transaction read one and wrote another, or where real time tells, and
// that of transfers not at all. If each transaction of a register history is a single operation, an order is looked for besides,
// and the verdict is exact, as it is for counters, except for keys that are too hard: see Report.Undecided. Transactions whose outcome is unknown count as having happened if a value of theirs was read, at
// any time after their start.
//
// It takes time and memory in proportion to the history, about a microsecond a transaction, and at most 20 seconds more for the
// search for orders of single operations.
func Check(h *History) *Report {
	began := time.Now()
	r := &Report{
		Workload: h.Header.Workload, Transactions: len(h.txs), Operations: len(h.ops), Keys: len(h.keys), Steps: len(h.steps),
	}
	for i := range h.txs {
		switch h.txs[i].status {
		case Failed:
			r.Failed++
		case Unknown:
			r.Unknown++
		}
	}
	found := &findings{h: h, report: r, counts: map[Kind]int{}}
	switch h.Header.Workload {
	case ListAppend:
		l := newLists(h, found)
		found.cycles(l.edges)
	case Register:
		g := newRegisters(h, found)
		found.cycles(g.edges)
		checkLinear(h, found)
	case Counter:
		checkLinear(h, found)
	case Bank:
		checkBank(h, found)
	case Sagas:
		checkSagas(h, found)
	}
	r.Elapsed = time.Since(began)
	return r
}

// findings collects the anomalies of a report.
type findings struct {
	h      *History
	report *Report
	counts map[Kind]int // anomalies without a cycle
}

// add adds an anomaly of these transactions on these keys, unless there are enough.
func (f *findings) add(kind Kind, what string, keys []int32, txs ...int32) {
	if f.counts[kind]++; f.counts[kind] > mostOfKind || len(f.report.Anomalies) >= MostAnomalies {
		f.report.More++
		return
	}
	f.report.Anomalies = append(f.report.Anomalies, Anomaly{Kind: kind, What: what, Nodes: f.h.describe(txs, keys)})
}

// cycles makes the graph and adds the cycles in it.
func (f *findings) cycles(edges edgeSource) {
	g, counts := newGraph(len(f.h.txs), edges)
	f.report.Edges, f.report.Nodes = counts, g.nodes()
	spans := func(tx int32) (start, end int64) { return f.h.txs[tx].start, f.h.txs[tx].end }
	found := findCycles(g, spans, MostAnomalies-len(f.report.Anomalies))
	f.report.More += found.more
	if len(found.cycles) == 0 {
		return
	}
	reasons := reasonsOf(found.cycles, edges)
	for _, c := range found.cycles {
		f.addCycle(c, reasons)
	}
}

func (f *findings) addCycle(c cycle, reasons map[pair][]int32) {
	shown := make([]Edge, len(c.nodes))
	var keys []int32
	candidates := make([][]int32, len(c.nodes))
	for i := range c.nodes {
		candidates[i] = reasons[c.pair(i)]
	}
	kind, chosen := specific(c, candidates)
	for i, key := range chosen {
		shown[i].Kind = c.edges[i]
		if key >= 0 {
			shown[i].Key = f.h.keys[key]
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	f.report.Anomalies = append(f.report.Anomalies, Anomaly{
		Kind: kind, What: meanings[kind], Nodes: f.h.describe(c.nodes, slices.Compact(keys)), Edges: shown,
	})
}

// pair is an edge without its key.
type pair struct {
	from, to int32
	kind     EdgeKind
}

func (c *cycle) pair(i int) pair {
	return pair{c.nodes[i], c.nodes[(i+1)%len(c.nodes)], c.edges[i]}
}

// mostReasons bounds the keys that are kept for one edge.
const mostReasons = 8

// reasonsOf are the keys of the edges in cycles.
func reasonsOf(cycles []cycle, edges edgeSource) map[pair][]int32 {
	reasons, leaves := map[pair][]int32{}, map[int32]bool{}
	for _, c := range cycles {
		for i := range c.nodes {
			reasons[c.pair(i)] = nil
			leaves[c.nodes[i]] = true
		}
	}
	edges(func(from, to int32, kind EdgeKind, key int32) {
		if !leaves[from] {
			return
		}
		p := pair{from, to, kind}
		if keys, wanted := reasons[p]; wanted && len(keys) < mostReasons {
			reasons[p] = append(keys, key)
		}
	})
	return reasons
}

// specific finds the most specific name of a cycle, and chooses a key for each of its edges accordingly, -1 for orders in time.
func specific(c cycle, candidates [][]int32) (Kind, []int32) {
	chosen := make([]int32, len(candidates))
	for i, keys := range candidates {
		chosen[i] = -1
		if len(keys) > 0 {
			chosen[i] = keys[0]
		}
	}
	if len(c.nodes) != 2 || c.kind != GSingle && c.kind != G2 {
		return c.kind, chosen
	}
	same := !slices.Contains(c.edges, WR)
	for _, first := range candidates[0] {
		for _, second := range candidates[1] {
			if (first == second) != same {
				continue
			}
			if !same {
				return FracturedRead, []int32{first, second}
			}
			return LostUpdate, []int32{first, second}
		}
	}
	return c.kind, chosen
}

// meanings say in a sentence what each cycle is.
var meanings = map[Kind]string{
	G0:            "Transactions replaced each other's writes in a circle.",
	G1c:           "Information went in a circle: each transaction is based on the one before it.",
	GSingle:       "A transaction missed a write although what it read or replaced was based on that write.",
	LostUpdate:    "A transaction replaced a value without regard to a write that it had not seen.",
	FracturedRead: "A transaction saw one write of another and missed a second write of the same one.",
	G2:            "Transactions each missed what the next one wrote: in no order would all of them have read that.",
	G0RealTime:    "A later write lies below one that had begun after its end.",
	G1cRealTime:   "A transaction is based on one that began after its end.",
	StaleRead:     "A transaction missed a write that had ended before it began.",
	G2RealTime:    "Transactions missed each other's writes in a way that real time forbids.",
}
