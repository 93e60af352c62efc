// Package page shows the reports of several runs side by side: a [Table] for the terminal and for the page, [Throughput] and
// [Percentiles] as charts, and [Write], which puts all of them on one self-contained HTML page.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/concordat-dev/concordat/ycsb"
)

//go:embed page.html
var files embed.FS

var layout = template.Must(template.ParseFS(files, "page.html"))

// Write writes the page. All reports are of one configuration and differ in their protocol.
func Write(w io.Writer, reports []ycsb.Report, command string) error {
	if len(reports) == 0 {
		return fmt.Errorf("page: there is no report to show")
	}
	throughput, err := svg(Throughput(reports))
	if err != nil {
		return err
	}
	percentiles, err := svg(Percentiles(reports))
	if err != nil {
		return err
	}
	table := NewTable(reports)
	err = layout.Execute(w, map[string]any{
		"Head": table.Head, "Rows": table.Rows, "Wrong": wrongSums(reports), "First": reports[0],
		"Workload": Workload(reports[0]), "Command": command, "Throughput": throughput, "Percentiles": percentiles,
	})
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// svg renders a chart for inclusion in HTML, where the XML declaration has no place.
func svg(c Chart, err error) (template.HTML, error) {
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := c.WriteTo(&out, "svg"); err != nil {
		return "", err
	}
	text := out.String()
	start := strings.Index(text, "<svg")
	if start < 0 {
		return "", fmt.Errorf("page: the chart is no SVG")
	}
	return template.HTML(text[start:]), nil
}

// Workload describes what was run in one line.
func Workload(r ycsb.Report) string {
	loop := fmt.Sprintf("closed loop of %s clients", Thousands(r.Clients))
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop, %s operations a second arrive, at most %s outstanding", Thousands(int(r.Rate)), Thousands(r.Clients))
	}
	return fmt.Sprintf("%s keys, %s; %s; %s; seed %d", Thousands(r.Keys), r.Distribution, loop, r.Mix, r.Seed)
}

// wrongSums names the runs in which money appeared or vanished.
func wrongSums(reports []ycsb.Report) []string {
	var wrong []string
	for _, r := range reports {
		if !r.Balanced() {
			wrong = append(wrong, WrongSum(r))
		}
	}
	return wrong
}

// WrongSum says how much money appeared or vanished.
func WrongSum(r ycsb.Report) string {
	return fmt.Sprintf("WRONG SUM under %s: %s before, %s after (%+d)", r.Protocol,
		Thousands(r.SumBefore), Thousands(r.SumAfter), r.SumAfter-r.SumBefore)
}

// Thousands writes a number with commas.
func Thousands[N int | int64 | uint64](n N) string {
	text := fmt.Sprint(n)
	sign := ""
	if text[0] == '-' {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}
