package page

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/concordat-dev/concordat/ycsb"
)

// Table is the reports as text, a row for each.
type Table struct {
	Head []string
	Rows [][]string
}

// NewTable makes the table of reports: throughput, its ratio to the protocol floor and to saga where they are among them,
// latency, and what went wrong.
func NewTable(reports []ycsb.Report) Table {
	t := Table{Head: []string{"protocol", "committed/s", "of floor", "of saga",
		"p50 ms", "p95 ms", "p99 ms", "p99.9 ms", "max ms", "failed", "unknown", "retries", "deadlocks", "sum"}}
	rate := make(map[string]float64)
	for _, r := range reports {
		rate[r.Protocol] = r.CommittedPerS
	}
	for _, r := range reports {
		all := r.LatencyMS["all"]
		row := []string{r.Protocol, Thousands(int64(math.Round(r.CommittedPerS))),
			ratio(r.CommittedPerS, rate["floor"]), ratio(r.CommittedPerS, rate["saga"])}
		for _, ms := range []float64{all.P50, all.P95, all.P99, all.P999, all.Max} {
			row = append(row, fmt.Sprintf("%.2f", ms))
		}
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

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// WriteText writes the table in columns.
func (t Table) WriteText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	return tw.Flush()
}
