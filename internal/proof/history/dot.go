package history

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteDOT writes the anomalies as a graph for Graphviz, each in a box of its own.
func (r *Report) WriteDOT(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "digraph anomalies {\n  node [shape=box fontname=\"sans-serif\" fontsize=10];\n  edge [fontname=\"sans-serif\" fontsize=10];")
	for i := range r.Anomalies {
		a := &r.Anomalies[i]
		fmt.Fprintf(b, "  subgraph cluster_%d {\n    label=%s;\n", i+1, dotString(string(a.Kind)))
		for j := range a.Nodes {
			lines := append([]string{nodeName(j), a.Nodes[j].header()}, a.Nodes[j].Ops...)
			fmt.Fprintf(b, "    a%dt%d [label=%s];\n", i+1, j+1, dotString(strings.Join(lines, "\n")))
		}
		for j, e := range a.Edges {
			fmt.Fprintf(b, "    a%dt%d -> a%dt%d [label=%s color=%s];\n",
				i+1, j+1, i+1, (j+1)%len(a.Nodes)+1, dotString(e.label()), dotString(edgeColors[e.Kind]))
		}
		fmt.Fprintln(b, "  }")
	}
	fmt.Fprintln(b, "}")
	return b.Flush()
}

// dotString quotes a string of the DOT language.
func dotString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// edgeColors tell the kinds of edges apart in drawings.
var edgeColors = [...]string{
	WW: "#b3261e", WR: "#1d6fb8", RW: "#a15c00", RWTime: "#a15c00", Process: "#5f6368", RealTime: "#5f6368",
}
