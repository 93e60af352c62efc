package history

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText writes the report for people: what was checked, and each anomaly with one line for each transaction and edge.
func (r *Report) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s: %d transactions (%d failed, %d unknown), %d operations, %d keys\n",
		r.Workload, r.Transactions, r.Failed, r.Unknown, r.Operations, r.Keys)
	if r.Nodes > 0 {
		fmt.Fprintf(b, "edges: %d ww, %d wr, %d rw, %d rw by time, %d process\n",
			r.Edges[WW], r.Edges[WR], r.Edges[RW], r.Edges[RWTime], r.Edges[Process])
	}
	if n := r.Linearizable + r.Undecided; n > 0 {
		fmt.Fprintf(b, "single operations: %d keys are linearizable, %d were too hard to decide\n", r.Linearizable, r.Undecided)
	}
	if r.Workload == Sagas {
		fmt.Fprintf(b, "sagas: %d, with %d steps and %d compensations\n", r.Sagas, r.Steps-r.Undos, r.Undos)
	}
	fmt.Fprintf(b, "checked in %.3f s, %.0f records/s\n", r.Elapsed.Seconds(), float64(r.Transactions+r.Steps)/r.Elapsed.Seconds())
	for i := range r.Anomalies {
		fmt.Fprintf(b, "\n%d. ", i+1)
		r.Anomalies[i].write(b)
	}
	if r.More > 0 {
		fmt.Fprintf(b, "\nand at least %d more\n", r.More)
	}
	fmt.Fprintln(b, r.Verdict())
	return b.Flush()
}

// Verdict is the result in a few words.
func (r *Report) Verdict() string {
	switch {
	case !r.OK():
		return fmt.Sprintf("VIOLATED: %s", r.summary())
	case r.Workload == Sagas:
		return "every saga was done or undone as a whole"
	case r.Workload == ListAppend:
		return "strictly serializable"
	case r.Linearizable > 0 && r.Undecided == 0:
		return "linearizable"
	}
	return "no violation of strict serializability found"
}

// summary counts the anomalies by kind.
func (r *Report) summary() string {
	counts := map[Kind]int{}
	var parts []string
	for _, a := range r.Anomalies {
		counts[a.Kind]++
	}
	for _, a := range r.Anomalies {
		if n := counts[a.Kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d × %s", n, a.Kind))
			counts[a.Kind] = 0
		}
	}
	if r.More > 0 {
		parts = append(parts, fmt.Sprintf("%d not examined", r.More))
	}
	return strings.Join(parts, ", ")
}

func (a *Anomaly) write(b *bufio.Writer) {
	fmt.Fprintf(b, "%s\n   %s\n", a.Kind, a.What)
	for i := range a.Nodes {
		fmt.Fprintf(b, "   %s: %s\n", nodeName(i), a.Nodes[i].text())
	}
	for i := range a.Edges {
		fmt.Fprintf(b, "   %s\n", a.edgeText(i))
	}
}

// nodeName names the transactions of an anomaly: T1, T2, ...
func nodeName(i int) string { return fmt.Sprintf("T%d", i+1) }

func (n *Node) text() string {
	return fmt.Sprintf("%s: %s", n.header(), strings.Join(n.Ops, ", "))
}

// header says who and when.
func (n *Node) header() string {
	end := "?"
	if n.End != forever {
		end = time.Duration(n.End).String()
	}
	text := fmt.Sprintf("line %d, process %d, %s to %s", n.Line, n.Process, time.Duration(n.Start), end)
	if n.Status != OK {
		text += ", " + n.Status.String()
	}
	return text
}

// edgeText says why one transaction must come before the next one of the cycle.
func (a *Anomaly) edgeText(i int) string {
	from, to := nodeName(i), nodeName((i+1)%len(a.Nodes))
	e := a.Edges[i]
	switch e.Kind {
	case WW:
		return fmt.Sprintf("%s -> %s (ww %s): %s wrote the version of %s that follows %s's", from, to, e.Key, to, e.Key, from)
	case WR:
		return fmt.Sprintf("%s -> %s (wr %s): %s read the version of %s that %s wrote", from, to, e.Key, to, e.Key, from)
	case RW:
		return fmt.Sprintf("%s -> %s (rw %s): %s read a version of %s that %s's follows", from, to, e.Key, from, e.Key, to)
	case RWTime:
		return fmt.Sprintf("%s -> %s (rw %s by time): %s read a version of %s whose writer had ended before %s, which wrote another, began",
			from, to, e.Key, from, e.Key, to)
	case Process:
		return fmt.Sprintf("%s -> %s (process): the same process did %s after %s", from, to, to, from)
	}
	return fmt.Sprintf("%s -> %s (real time): %s had ended %s before %s began", from, to, from,
		time.Duration(a.Nodes[(i+1)%len(a.Nodes)].Start-a.Nodes[i].End), to)
}

// label is what an edge is called in a drawing.
func (e Edge) label() string { return strings.TrimSpace(e.Kind.String() + " " + e.Key) }
