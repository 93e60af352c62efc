package history

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// reachable is what can be reached from each node, by the definition.
func reachable(nodes int, edges [][2]int32) [][]bool {
	reach := make([][]bool, nodes)
	for i := range reach {
		reach[i] = make([]bool, nodes)
		reach[i][i] = true
	}
	for range nodes {
		for _, e := range edges {
			for i := range reach {
				reach[i][e[1]] = reach[i][e[1]] || reach[i][e[0]]
			}
		}
	}
	return reach
}

// TestStrongConnect compares components and late nodes with their definitions on random graphs.
func TestStrongConnect(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	cyclic, late := 0, 0
	for range 3000 {
		n := 2 + rng.IntN(9)
		var edges [][2]int32
		for range rng.IntN(2 * n) {
			if a, b := rng.Int32N(int32(n)), rng.Int32N(int32(n)); a != b {
				edges = append(edges, [2]int32{a, b})
			}
		}
		starts, ends := make([]int64, n), make([]int64, n)
		for i := range n {
			starts[i] = rng.Int64N(30)
			ends[i] = starts[i] + rng.Int64N(30)
		}
		g, _ := newGraph(n, func(emit func(from, to int32, kind EdgeKind, key int32)) {
			for _, e := range edges {
				emit(e[0], e[1], WW, 0)
			}
		})
		got := strongConnect(g, func(node int32) (int64, int64) { return starts[node], ends[node] })
		reach := reachable(n, edges)
		component := make([]int, n) // size of each node's
		for _, members := range got.cyclic {
			for _, m := range members {
				component[m] = len(members)
			}
			cyclic++
		}
		for i := range n {
			size, isLate := 0, false
			for j := range n {
				if reach[i][j] && reach[j][i] {
					size++
				}
				isLate = isLate || reach[i][j] && ends[j] < starts[i]
			}
			if size > 1 && component[i] != size || size == 1 && component[i] != 0 {
				t.Fatalf("node %d is in a component of %d, want %d; edges %v", i, component[i], size, edges)
			}
			if want := isLate && size == 1; slices.ContainsFunc(got.late, func(l lateNode) bool { return l.node == int32(i) }) != want {
				t.Fatalf("node %d is late: %v, want %v; edges %v", i, !want, want, edges)
			} else if want {
				late++
			}
		}
	}
	if cyclic < 500 || late < 500 {
		t.Errorf("only %d components and %d late nodes", cyclic, late)
	}
}

// TestDeepChain: a chain of many transactions needs no deep recursion.
func TestDeepChain(t *testing.T) {
	const n = 1_000_000
	g, counts := newGraph(n, func(emit func(from, to int32, kind EdgeKind, key int32)) {
		for i := range int32(n - 1) {
			emit(i, i+1, WR, 0)
		}
	})
	if counts[WR] != n-1 {
		t.Errorf("%d edges", counts[WR])
	}
	got := strongConnect(g, func(node int32) (int64, int64) { return int64(node), int64(node) })
	if len(got.cyclic)+len(got.late) != 0 {
		t.Errorf("%d components and %d late nodes", len(got.cyclic), len(got.late))
	}
}

// TestDrawings: each anomaly is drawn as well-formed SVG and DOT, with all its transactions and edges.
func TestDrawings(t *testing.T) {
	for _, test := range listAnomalies {
		r := Check(script(t, NewHeader(ListAppend), test.text))
		var svg, dot bytes.Buffer
		if err := errors.Join(r.WriteSVG(&svg), r.WriteDOT(&dot)); err != nil {
			t.Fatal(err)
		}
		nodes, edges := 0, 0
		for _, a := range r.Anomalies {
			nodes, edges = nodes+len(a.Nodes), edges+len(a.Edges)
		}
		if got := strings.Count(svg.String(), `rx="4"`); got != nodes {
			t.Errorf("%s: %d transactions are drawn, of %d", test.name, got, nodes)
		}
		if got := strings.Count(svg.String(), "marker-end"); got != edges {
			t.Errorf("%s: %d edges are drawn, of %d", test.name, got, edges)
		}
		if got := strings.Count(dot.String(), "->"); got != edges {
			t.Errorf("%s: %d edges in DOT, of %d", test.name, got, edges)
		}
		if strings.Contains(svg.String(), "NaN") {
			t.Errorf("%s: a place is no number", test.name)
		}
		for decoder := xml.NewDecoder(&svg); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
		}
	}
	var svg bytes.Buffer
	if err := (&Report{Workload: ListAppend}).WriteSVG(&svg); err != nil || !strings.Contains(svg.String(), "strictly serializable") {
		t.Errorf("without an anomaly: %s, %v", svg.String(), err)
	}
}
