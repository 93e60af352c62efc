package page

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
)

func sample() []ycsb.Report {
	var reports []ycsb.Report
	for i, protocol := range []string{"plain", "saga", "serializable", "floor", "limit"} {
		n := float64(i + 1)
		reports = append(reports, ycsb.Report{
			Protocol: protocol, Keys: 5000, Clients: 512, Mix: ycsb.Mix{Transfer: 1}, Distribution: "uniform", Seed: 1,
			Policy: "detect", Workers: 2, Committed: 1234567, CommittedPerS: 30_000 * n, SumBefore: 50_000_000, SumAfter: 50_000_000,
			LatencyMS:    map[string]ycsb.Latency{"all": {P50: 8 / n, P95: 12 / n, P99: 18 / n, P999: 30 / n, Max: 44}},
			WrittenPerOp: new(12_345.6),
			Go:           "go1.26", CPU: "2 x Some Processor",
		})
	}
	return reports
}

// TestPage: the page needs nothing else, shows every protocol, and names a wrong sum.
func TestPage(t *testing.T) {
	reports := sample()
	reports[0].SumAfter -= 7
	var out bytes.Buffer
	reports[1].NotAudited, reports[2].Interrupted = "no space left on device", true
	if err := Write(&out, reports, "concordat ycsb compare -P 'my <file>'"); err != nil {
		t.Fatal(err)
	}
	html := out.String()
	for _, want := range []string{"serializable", "WRONG SUM under plain", "50,000,000", "(-7)", "milliseconds", "thousands a second", "0.75", "of limit", "0.60", "12,346",
		"NOT AUDITED under saga: no space left", "interrupted under serializable", "-P 'my &lt;file&gt;'"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	for _, bad := range []string{"<script", "<link", "<img", "ZgotmplZ", "NaN"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if n := strings.Count(html, "<svg"); n != 2 {
		t.Errorf("the page has %d charts, want 2", n)
	}
}

// TestCharts: bars are as high as the throughput, and points as high as the logarithm of the latency, by the marks of their axes.
func TestCharts(t *testing.T) {
	reports := sample()
	bars := throughput(reports)
	if got, want := labels(bars.Y), "0 50 100 150"; got != want {
		t.Errorf("marks %q, want %q", got, want)
	}
	zero, fifty := bars.Y.Ticks[0].At, bars.Y.Ticks[1].At
	for i, b := range bars.Bars {
		if got := (zero - b.Y) / (zero - fifty) * 50_000; math.Abs(got-reports[i].CommittedPerS) > 1 || b.Y+b.Height != zero {
			t.Errorf("the bar of %s shows %.1f a second", reports[i].Protocol, got)
		}
		if b.X < bars.Plot.Left || b.X+b.Width > bars.Plot.Right || b.Y < bars.Plot.Top || i > 0 && b.X < bars.Bars[i-1].X+b.Width {
			t.Errorf("the bar of %s is outside the chart or covers another: %+v", reports[i].Protocol, b)
		}
	}
	lines := percentiles(reports)
	if got, want := labels(lines.Y), "1 2 5 10 20 50 100"; got != want {
		t.Errorf("marks %q, want %q", got, want)
	}
	one, ten := lines.Y.Ticks[0].At, lines.Y.Ticks[3].At
	for i, l := range lines.Lines {
		latency := reports[i].LatencyMS["all"]
		for j, want := range []float64{latency.P50, latency.P95, latency.P99, latency.P999, latency.Max} {
			if got := math.Pow(10, (one-l.Points[j].Y)/(one-ten)); math.Abs(got-want) > 1e-9 || l.Points[j].X != lines.X.Ticks[j].At {
				t.Errorf("the line of %s shows %.3f ms at %s, want %.3f", l.Name, got, lines.X.Ticks[j].Label, want)
			}
		}
		if l.Look != bars.Bars[i].Look {
			t.Errorf("%s looks different in the two charts", l.Name)
		}
	}
}

func labels(a axis) string {
	var all []string
	for _, tick := range a.Ticks {
		all = append(all, tick.Label)
	}
	return strings.Join(all, " ")
}

// TestSteps: an axis has a few round marks, whatever is its range.
func TestSteps(t *testing.T) {
	for top := 0.1; top < 1e5; top *= 1.07 {
		values := steps(top)
		if n := len(values); n < 3 || n > 7 || values[0] != 0 || values[n-1] > top || values[n-1] < top/2 {
			t.Errorf("up to %g: %v", top, values)
		}
		for _, v := range values {
			if len(fmt.Sprintf("%g", v)) > 5 {
				t.Errorf("up to %g: %v", top, values)
			}
		}
	}
}

// TestNothingCommitted: a run without a single operation still has a page.
func TestNothingCommitted(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, []ycsb.Report{{Protocol: "saga"}}, ""); err != nil || strings.Contains(out.String(), "NaN") {
		t.Fatal(err, out.String())
	}
	if err := Write(new(bytes.Buffer), nil, ""); err == nil {
		t.Fatal("a page of no reports was written")
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 100000: "100,000"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	reports := sample()
	reports[3].WrittenPerOp = nil
	if err := NewTable(reports).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for line, want := range map[int]string{
		3: "serializable 90,000 0.60 0.75 1.50 2.67 4.00 6.00 10.00 44.00 12,346 0 0 0 0 right",
		4: "floor 120,000 0.80 1.00 2.00 2.00 3.00 4.50 7.50 44.00 - 0 0 0 0 right",
	} {
		if got := strings.Join(strings.Fields(lines[line]), " "); got != want {
			t.Errorf("row %q, want %q", got, want)
		}
	}
	if head := strings.Fields(lines[0]); strings.Join(head[:8], " ") != "protocol committed/s of limit of floor of saga" {
		t.Errorf("head %q", lines[0])
	}
	out.Reset()
	if err := NewTable(reports[:1]).WriteText(&out); err != nil || !strings.Contains(out.String(), "plain       30,000         -         -        -") {
		t.Errorf("without yardsticks:\n%s", out.String())
	}
	if reports[2].Of != nil {
		t.Error("the table has changed the reports")
	}
}
