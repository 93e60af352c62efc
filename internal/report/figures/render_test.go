package figures

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// fullSummaries has a made-up summary for every experiment of the quick plan.
func fullSummaries() map[string]*Summary {
	summaries := make(map[string]*Summary)
	for _, e := range NewPlan(true).Experiments {
		s := sheetOf(e.Name)
		for i, c := range e.Cells {
			c.Rounds = 2
			s.Cells = append(s.Cells, Measured{Cell: c, Rounds: []Measurement{made(float64(1000 * (i + 1))), made(float64(1100 * (i + 1)))}})
		}
		summaries[e.Name] = s.Summary()
	}
	return summaries
}

// TestRender: every experiment has its tables and the charts that it asks for; the page needs no other file; and what is
// rendered is the same each time.
func TestRender(t *testing.T) {
	summaries := fullSummaries()
	files, err := Render(summaries)
	if err != nil {
		t.Fatal(err)
	}
	readme, page := string(files[readmeFile]), string(files[reportFile])
	for _, e := range NewPlan(true).Experiments {
		if !strings.Contains(readme, "## "+e.Title) || !strings.Contains(readme, e.Compared) || !strings.Contains(page, e.Title) {
			t.Errorf("%s is not told of", e.Name)
		}
	}
	for name, data := range files {
		base := filepath.Base(name)
		if strings.HasSuffix(name, ".svg") && (!strings.Contains(readme, "charts/"+base) || !strings.Contains(string(data), "<svg")) {
			t.Errorf("%s is not shown, or no SVG", name)
		}
	}
	for _, bad := range []string{"<script", "<link", "<img", "<?xml", "href=\"http"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"| paper: saga | 29,000 |", "1,050 (1,000 to 1,100)", "*The paper* is P. de Heus", "- `results; commit abcdef012345; seed 1; go1; 2 x CPU`"} {
		if !strings.Contains(readme, want) {
			t.Errorf("the README does not contain %q", want)
		}
	}
	again, err := Render(summaries)
	if err != nil || string(again[readmeFile]) != readme || string(again[reportFile]) != page {
		t.Errorf("rendered again it differs; %v", err)
	}
}

// TestRenderWrong: a wrong audit, a quick run, and cells that were not measured are told.
func TestRenderWrong(t *testing.T) {
	s := sheetOf("zipf", measuredAs("a", 1), Measured{Cell: simple("bad"), Rounds: []Measurement{wrong()}}, Measured{Cell: simple("never-run")})
	s.Quick = true
	files, err := Render(map[string]*Summary{"zipf": s.Summary()})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{readmeFile, reportFile} {
		for _, want := range []string{"WRONG AUDIT", "bad: the books do not balance", "Not measured: never-run.", "of a quick run"} {
			if !strings.Contains(string(files[name]), want) {
				t.Errorf("%s does not contain %q", name, want)
			}
		}
	}
	s.Experiment = "unheard-of"
	if _, err := Render(map[string]*Summary{"unheard-of": s.Summary()}); err == nil || !strings.Contains(err.Error(), "unheard-of") {
		t.Errorf("error %v", err)
	}
	if _, err := Render(nil); err == nil {
		t.Error("nothing was rendered")
	}
}

// TestPublishAndRenderDir: results replace those of their experiment, leave others, and what is not rendered any more goes.
func TestPublishAndRenderDir(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, chartsDir, "of-old.svg")
	err := errors.Join(writeFile(stale, nil),
		Publish([]*Sheet{sheetOf("zipf", measuredAs("a", 1)), sheetOf("parties", measuredAs("a", 1))}, dir),
		Publish([]*Sheet{sheetOf("zipf", measuredAs("a", 2000))}, dir), RenderDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(dir, readmeFile))
	if err != nil || !strings.Contains(string(readme), "2,000") || !strings.Contains(string(readme), "more parties") {
		t.Errorf("%s, %v", readme, err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old chart is there: %v", err)
	}
	if err := RenderDir(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no results") {
		t.Errorf("error %v", err)
	}
}

func TestValues(t *testing.T) {
	m := measuredAs("a", 300, 100, 200, 400)
	v, ok := m.Value(Rate)
	if !ok || v != (Value{Median: 250, Low: 100, High: 400, Rounds: 4}) || v.Text(0) != "250 (100 to 400)" {
		t.Errorf("%+v %v", v, ok)
	}
	if _, ok := m.Value(WaitP99); ok {
		t.Error("there is a p99 of waits, which nobody told")
	}
	if v, ok := m.Value(WaitMean); !ok || v.Text(3) != "2.000 (2.000 to 2.000)" {
		t.Errorf("%+v %v", v, ok)
	}
	if _, ok := (Measured{}).Value(Rate); ok {
		t.Error("a cell that was not measured has a rate")
	}
	for v, want := range map[float64]string{0: "0.00", 12.345: "12.35", 1234.5: "1,235", -3: "-3.00"} {
		if got := format(v, 2); got != want {
			t.Errorf("format(%g) = %q, want %q", v, got, want)
		}
	}
}

// TestPlaces: the heads of tables say where a column is, exactly.
func TestPlaces(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.05: "0.05", 0.99: "0.99", 1.2: "1.2", 10_000: "10,000"} {
		if got := (Axis{}).place(x); got != want {
			t.Errorf("%g is written %q, want %q", x, got, want)
		}
	}
	if got := (Axis{Names: []string{"a", "b"}}).place(1); got != "b" {
		t.Errorf("the second name is %q", got)
	}
}

// TestBound: a number that something bounds is drawn beside its bound, the largest at each place.
func TestBound(t *testing.T) {
	e, _ := NewPlan(false).Find("progress")
	s := sheetOf(e.Name)
	for i, c := range e.Cells {
		m := made(100)
		m.Beside = &Beside{TurnsPerS: 7, SealMS: 1, PromisedMS: float64(50 + i)}
		s.Cells = append(s.Cells, Measured{Cell: c, Rounds: []Measurement{m}})
	}
	x := newExhibit(e, s.Summary(), readPaper())
	i := slices.IndexFunc(x.Charts, func(p picture) bool { return p.Name == "progress-longest" })
	if i < 0 {
		t.Fatalf("charts %v", x.Charts)
	}
	lines := x.Charts[i].chart.Lines
	bound := lines[len(lines)-1]
	if len(lines) != 4 || bound.Name != "promised at most, ms" || len(bound.Points) != len(besides) || bound.Points[1].Y != 55 {
		t.Errorf("lines %+v", lines)
	}
}

// TestCSV: a summary comes back from its CSV as it was, has no columns that no cell has, and anything else is an error.
func TestCSV(t *testing.T) {
	for name, s := range fullSummaries() {
		s.Cells[0].Wrong, s.Cells[0].Line, s.Quick = "a, \"b\"; c", "x, y", true
		data, err := s.csv()
		if err != nil {
			t.Fatal(err)
		}
		back, err := readCSV(name, data)
		if err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%s: %v, it comes back different from\n%s", name, err, data)
		}
		if strings.Contains(string(data), "promised") || !strings.Contains(string(data), ",p99,p99_low,p99_high,") {
			t.Errorf("%s: columns of\n%s", name, data)
		}
	}
	whole := strings.Join([]string{"# schema: 1", "# seed: 1", "# quick: false", strings.Join(columns, ",") + ",p99,p99_low,p99_high", "zipf,a,,saga,1,saga,1,1,,2,2,2", ""}, "\n")
	if s, err := readCSV("zipf", []byte(whole)); err != nil || len(s.Cells) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	for old, now := range map[string]string{
		"schema: 1": "schema: 7", "# schema: 1\n": "", "seed: 1": "seed: x", "quick: false": "quick: perhaps", "cell,": "cells,", "p99,p99_low": "p98,p99_low",
		",p99_high": "", "zipf,a": "parties,a", ",1,1,": ",one,1,", ",2,2,2": ",2,2", "2,2,2": "2,2,two",
	} {
		if _, err := readCSV("zipf", []byte(strings.Replace(whole, old, now, 1))); !errors.Is(err, ErrSchema) {
			t.Errorf("%q in the place of %q: error %v", now, old, err)
		}
	}
}
