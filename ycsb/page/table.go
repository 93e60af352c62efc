package page

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/concordat-dev/concordat/ycsb"
)

// Table is the reports as text, a row for each.
type Table struct {
	Head []string
	Rows [][]string
}

// NewTable makes the table of reports: throughput, its ratios to those of the yardsticks that are among them, latency, what was written
// to disks for a committed operation, and what went wrong.
func NewTable(reports []ycsb.Report) Table {
	reports = slices.Clone(reports)
	ycsb.Relate(reports)
	t := Table{Head: []string{"protocol", "committed/s"}}
	for _, yardstick := range ycsb.Yardsticks() {
		t.Head = append(t.Head, "of "+yardstick)
	}
	t.Head = append(t.Head, "p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms", "bytes written",
		"failed", "unknown", "retries", "deadlocks", "sum")
	for _, r := range reports {
		all := r.LatencyMS["all"]
		row := []string{r.Protocol, Thousands(int64(math.Round(r.CommittedPerS)))}
		for _, yardstick := range ycsb.Yardsticks() {
			row = append(row, ratio(r.Of, yardstick))
		}
		for _, ms := range []float64{all.P50, all.P95, all.P99, all.P999, all.Max} {
			row = append(row, fmt.Sprintf("%.2f", ms))
		}
		row = append(row, Written(r))
		for _, n := range []uint64{r.Failed, r.Unknown, r.Retries, r.Deadlocks} {
			row = append(row, Thousands(n))
		}
		sum := "right"
		switch {
		case r.NotAudited != "":
			sum = "NOT AUDITED"
		case !r.Balanced():
			sum = "WRONG"
		}
		t.Rows = append(t.Rows, append(row, sum))
	}
	return t
}

func ratio(of map[string]float64, yardstick string) string {
	r, ok := of[yardstick]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.2f", r)
}

// Written is how many bytes were written to disks for a committed operation; "-" if that is not known, or none was committed.
func Written(r ycsb.Report) string {
	if r.WrittenPerOp == nil {
		return "-"
	}
	return Thousands(int64(math.Round(*r.WrittenPerOp)))
}

// WriteText writes the table in columns.
func (t Table) WriteText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	return tw.Flush()
}
