// Package page shows the reports of several runs side by side: a [Table] for the terminal and for the page, and [Write], which puts it on
// one self-contained HTML page, with charts of throughput and latency.
package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/concordat-dev/concordat/ycsb"
)

//go:embed page.html charts.html
var files embed.FS

var layout = template.Must(template.ParseFS(files, "page.html", "charts.html"))

// Write writes the page. All reports are of one configuration and differ in their protocol.
func Write(w io.Writer, reports []ycsb.Report, command string) error {
	if len(reports) == 0 {
		return fmt.Errorf("page: there is no report to show")
	}
	table := NewTable(reports)
	err := layout.Execute(w, map[string]any{
		"Head": table.Head, "Rows": table.Rows, "Wrong": append(wrongAudits(reports), Interrupted(reports)...), "First": reports[0],
		"Workload": Workload(reports[0]), "Command": quotable(command), "Throughput": throughput(reports), "Percentiles": percentiles(reports),
	})
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// quotable is HTML of plain text. Unlike the template it leaves quotes as they are, which need no escape here: a command can be copied
// from the source, too.
func quotable(s string) template.HTML {
	return template.HTML(strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s))
}

// Workload describes what was run in one line.
func Workload(r ycsb.Report) string {
	loop := fmt.Sprintf("closed loop of %s clients", Thousands(r.Clients))
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop, %s operations a second arrive, at most %s outstanding", PerSecond(r.Rate), Thousands(r.Clients))
		if r.Arrivals == string(ycsb.Poisson) {
			loop = strings.Replace(loop, "arrive", "arrive as a Poisson process", 1)
		}
	}
	parts := []string{r.Workload, loop}
	if r.Keys > 0 {
		parts = []string{fmt.Sprintf("%s keys, %s", Thousands(r.Keys), r.Distribution), loop, r.Mix.String()}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		parts = append(parts, name+" "+r.Parameters[name])
	}
	return strings.Join(append(parts, fmt.Sprintf("seed %d", r.Seed)), "; ")
}

// wrongAudits names the runs whose audit was wrong.
func wrongAudits(reports []ycsb.Report) []string {
	var wrong []string
	for _, r := range reports {
		wrong = append(wrong, WrongAudit(r)...)
	}
	return wrong
}

// Interrupted names the runs that were ended early.
func Interrupted(reports []ycsb.Report) (lines []string) {
	for _, r := range reports {
		if r.Interrupted {
			lines = append(lines, fmt.Sprintf("interrupted under %s after %g s", r.Protocol, r.DurationSeconds))
		}
	}
	return lines
}

// WrongAudit says by how much each audited figure changed that must not, and which conditions do not hold, or why the audit could not
// look or does not count; it is empty if the audit was right.
func WrongAudit(r ycsb.Report) (wrong []string) {
	if r.NotAudited != "" {
		return []string{fmt.Sprintf("NOT AUDITED under %s: %s", r.Protocol, r.NotAudited)}
	}
	for i, f := range r.Audit {
		if f.Before != f.After {
			wrong = append(wrong, changed(f.Name, r.Protocol, f.Before, f.After))
		} else if i == 0 && r.SumBefore != r.SumAfter {
			wrong = append(wrong, changed(f.Name, r.Protocol, r.SumBefore, r.SumAfter))
		}
	}
	if len(r.Audit) == 0 && r.SumBefore != r.SumAfter {
		wrong = append(wrong, changed(ycsb.SumOfBalances, r.Protocol, r.SumBefore, r.SumAfter))
	}
	for _, condition := range r.Wrong {
		wrong = append(wrong, fmt.Sprintf("WRONG under %s: %s", r.Protocol, condition))
	}
	return wrong
}

func changed(name, protocol string, before, after int64) string {
	if name == ycsb.SumOfBalances {
		name = "sum"
	}
	return fmt.Sprintf("WRONG %s under %s: %s before, %s after (%+d)", strings.ToUpper(name), protocol, Thousands(before), Thousands(after), after-before)
}

// PerSecond writes a rate: as a whole number, unless it is a small one.
func PerSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.4g", rate)
	}
	return Thousands(int64(rate))
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
