package figures

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/concordat-dev/concordat/internal/report/chart"
)

// exhibit is what is shown of an experiment.
type exhibit struct {
	Experiment Experiment
	Summary    *Summary
	Charts     []picture
	Tables     []table
	Notes      []string // of the paper
	Wrong      []string // audits
}

// picture is a chart with the name of its files.
type picture struct {
	Name  string
	chart chart.Chart
}

// table has a row for each line and a column for each X.
type table struct {
	Title string
	Head  []string
	Rows  [][]string
}

// newExhibit makes what is shown.
func newExhibit(e Experiment, s *Summary, p Paper) exhibit {
	paper := p.Tables[e.Paper]
	x := exhibit{Experiment: e, Summary: s, Notes: paper.Notes}
	if b := e.Breakdown; len(b.Rows) > 0 {
		x.Tables = append(x.Tables, b.table(e, s))
		if c := b.chart(e, s); len(c.Lines) > 0 {
			x.Charts = append(x.Charts, picture{e.Name, c})
		}
	}
	for _, panel := range s.panels() {
		cells := s.inPanel(panel)
		for _, show := range e.Shows {
			v := view{e, s, panel, cells, show}
			rows := paper.rows(show.Field, panel)
			if t := v.table(rows); len(t.Rows) > 0 {
				x.Tables = append(x.Tables, t)
			}
			if !paper.Draw {
				rows = nil
			}
			if c := v.chart(rows); show.Chart && len(c.Lines) > 0 {
				x.Charts = append(x.Charts, picture{v.name(), c})
			}
		}
	}
	for _, c := range s.Cells {
		if c.Wrong != "" {
			x.Wrong = append(x.Wrong, c.Name+": "+c.Wrong)
		}
	}
	return x
}

// distinct are the different values in the order in which they come.
func distinct[T any, V comparable](all []T, of func(T) V) (values []V) {
	for _, one := range all {
		if v := of(one); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// view is a number of the cells of a panel.
type view struct {
	experiment Experiment
	summary    *Summary
	panel      string
	cells      []Summed
	show       Show
}

// lines are the names of the lines: those of plain protocols first, whatever is measured first.
func (v view) lines() []string {
	names := distinct(v.cells, func(c Summed) string { return c.Line })
	slices.SortStableFunc(names, func(a, b string) int { return min(1, strings.Count(a, ",")) - min(1, strings.Count(b, ",")) })
	return names
}

// name is that of the chart's files.
func (v view) name() string {
	slug := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r == ' ', r == '-':
			return '-'
		}
		return -1
	}, strings.ToLower(v.panel))
	return strings.TrimSuffix(fmt.Sprintf("%s-%s-%s", v.experiment.Name, strings.ReplaceAll(string(v.show.Field), "_", "-"), slug), "-")
}

// title names the number and the panel.
func (v view) title() string {
	if v.panel == "" {
		return upper(fields[v.show.Field].words)
	}
	return upper(v.panel) + ": " + fields[v.show.Field].words
}

func upper(words string) string { return strings.ToUpper(words[:1]) + words[1:] }

// table makes the table; lines without the number are left out.
func (v view) table(paper []PaperRow) table {
	xs := distinct(v.cells, func(c Summed) float64 { return c.X })
	slices.Sort(xs)
	t := table{Title: v.title(), Head: []string{v.experiment.X.Label}}
	for _, x := range xs {
		t.Head = append(t.Head, v.experiment.X.place(x))
	}
	digits := fields[v.show.Field].digits
	for _, line := range v.lines() {
		t.add(line, xs, func(x float64) (string, bool) {
			i := slices.IndexFunc(v.cells, func(c Summed) bool { return c.Line == line && c.X == x })
			if i < 0 {
				return "", false
			}
			value, ok := v.cells[i].Value(v.show.Field)
			return value.Text(digits), ok
		})
	}
	for _, row := range paper {
		t.add("paper: "+row.Line, xs, func(x float64) (string, bool) {
			y, ok := row.at(x)
			return format(y, digits), ok
		})
	}
	return t
}

// place writes an X.
func (a Axis) place(x float64) string {
	if len(a.Names) > 0 {
		return a.Names[int(x)]
	}
	return format(math.Trunc(x), 0) + fraction(x)
}

// fraction is what is behind the point.
func fraction(x float64) string {
	text := fmt.Sprintf("%g", x)
	if _, digits, found := strings.Cut(text, "."); found {
		return "." + digits
	}
	return ""
}

// add adds a row, unless there is nothing in it.
func (t *table) add(name string, xs []float64, cell func(x float64) (string, bool)) {
	row, any := []string{name}, false
	for _, x := range xs {
		text, ok := cell(x)
		if !ok {
			text = "-"
		}
		any = any || ok
		row = append(row, text)
	}
	if any {
		t.Rows = append(t.Rows, row)
	}
}

// chart makes the chart; lines without a point are left out.
func (v view) chart(paper []PaperRow) chart.Chart {
	e := v.experiment
	c := chart.Chart{
		Title: upper(e.Title), Footer: v.summary.origin(),
		X: chart.Axis{Label: e.X.Label, Log: e.X.Log, Names: e.X.Names, Ticks: e.X.Ticks},
		Y: chart.Axis{Label: fields[v.show.Field].words, Log: v.show.Log},
	}
	if v.panel != "" {
		c.Title += " - " + v.panel
	}
	for i, name := range v.lines() {
		line := chart.Line{Name: name, Look: lookOf(name, i)}
		for _, cell := range v.cells {
			if value, ok := cell.Value(v.show.Field); ok && cell.Line == name {
				line.Points = append(line.Points, chart.Point{X: cell.X, Y: value.Median, Low: value.Low, High: value.High})
			}
		}
		slices.SortStableFunc(line.Points, func(a, b chart.Point) int { return int(sign(a.X - b.X)) })
		if len(line.Points) > 0 {
			c.Lines = append(c.Lines, line)
		}
	}
	if v.show.Bound != "" {
		c.Lines = append(c.Lines, v.bound())
	}
	for _, row := range paper {
		line := chart.Line{Name: "paper: " + row.Line, Look: lookOf(row.Line, 0)}
		line.Look.Pale = true
		for i := range row.X {
			line.Points = append(line.Points, chart.Point{X: row.X[i], Y: row.Y[i], Low: row.Y[i], High: row.Y[i]})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// bound is the line of what bounds the number: of all lines that are at a place, the one with the largest bound.
func (v view) bound() chart.Line {
	line := chart.Line{Name: fields[v.show.Bound].words, Look: chart.Look{Hue: 4, Mark: 4}}
	for _, x := range distinct(v.cells, func(c Summed) float64 { return c.X }) {
		most := math.Inf(-1)
		for _, c := range v.cells {
			if value, ok := c.Value(v.show.Bound); ok && c.X == x {
				most = max(most, value.Median)
			}
		}
		if !math.IsInf(most, -1) {
			line.Points = append(line.Points, chart.Point{X: x, Y: most, Low: most, High: most})
		}
	}
	return line
}

func sign(v float64) float64 {
	switch {
	case v < 0:
		return -1
	case v > 0:
		return 1
	}
	return 0
}

// lookOf is how a line is drawn: protocols alike everywhere, others by their place.
func lookOf(name string, place int) chart.Look {
	for i, protocol := range []string{"serializable", "saga", "plain", floorProtocol, limitProtocol} {
		rest, is := strings.CutPrefix(name, protocol)
		switch {
		case !is:
		case rest == "":
			return chart.Look{Hue: i, Mark: i}
		case strings.HasSuffix(rest, "2 workers"):
			return chart.Look{Hue: i, Mark: i}
		default:
			return chart.Look{Hue: i, Mark: i + 5} // another marker and other dashes
		}
	}
	return chart.Look{Hue: place, Mark: place}
}

// origin says where a summary comes from, in a line.
func (s *Summary) origin() string {
	return fmt.Sprintf("%s; commit %s; seed %d; %s; %s", s.Command, short(s.Commit), s.Seed, s.Go, s.CPU)
}

// short is a commit as people write it.
func short(commit string) string {
	if commit == "" {
		return "unknown"
	}
	id, dirty, changed := strings.Cut(commit, "+")
	id = id[:min(12, len(id))]
	if changed {
		return id + "+" + dirty
	}
	return id
}

// draw renders the picture as SVG.
func (p picture) draw() ([]byte, error) {
	var out bytes.Buffer
	err := p.chart.WriteTo(&out, "svg")
	return out.Bytes(), err
}
