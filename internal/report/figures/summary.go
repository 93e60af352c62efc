package figures

import (
	"slices"
	"strconv"
	"strings"
)

// Summary is what the tables and pictures of an experiment are made of: of each cell the numbers, each with its range. It is kept as
// CSV, which the repository has, where the raw sheets are too large for it.
type Summary struct {
	Experiment string
	Command    string
	Commit     string
	Go         string
	CPU        string
	Seed       uint64
	Quick      bool
	Cells      []Summed
}

// Summed is a cell with its numbers.
type Summed struct {
	Name, Panel, Line string
	X                 float64
	Protocol          string
	Rounds, Planned   int    // that were measured, and that were to be
	Wrong             string // what the audits found; "" if nothing was wrong
	values            map[Field]Value
}

// Summary sums up the sheet.
func (s *Sheet) Summary() *Summary {
	sum := &Summary{
		Experiment: s.Experiment, Command: s.Command, Commit: s.Commit, Go: s.Go, CPU: s.CPU, Seed: s.Seed, Quick: s.Quick,
	}
	for _, m := range s.Cells {
		c := Summed{
			Name: m.Cell.Name, Panel: m.Cell.Panel, Line: m.Cell.Line, X: m.Cell.X, Protocol: m.Cell.Protocol,
			Rounds: len(m.Rounds), Planned: m.Cell.Rounds, Wrong: strings.Join(m.Wrong(), "; "), values: make(map[Field]Value),
		}
		for f := range fields {
			if v, ok := m.Value(f); ok {
				c.values[f] = v.rounded()
			}
		}
		sum.Cells = append(sum.Cells, c)
	}
	return sum
}

// rounded has so many digits as the CSV has, so that a summary is what its CSV says.
func (v Value) rounded() Value {
	for _, number := range []*float64{&v.Median, &v.Low, &v.High} {
		*number, _ = strconv.ParseFloat(significant(*number), 64)
	}
	return v
}

// significant writes a number with the digits that are kept.
func significant(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }

// Value returns a number of the cell; false if no round has it.
func (c Summed) Value(f Field) (Value, bool) {
	v, ok := c.values[f]
	return v, ok
}

// find returns the cell with this name, or nil.
func (s *Summary) find(name string) *Summed {
	i := slices.IndexFunc(s.Cells, func(c Summed) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Cells[i]
}

// Complete reports whether all rounds of all cells were measured.
func (s *Summary) Complete() bool {
	return !slices.ContainsFunc(s.Cells, func(c Summed) bool { return c.Rounds < c.Planned })
}

func (s *Summary) measured() bool {
	return slices.ContainsFunc(s.Cells, func(c Summed) bool { return c.Rounds > 0 })
}

func (s *Summary) panels() []string {
	return distinct(s.Cells, func(c Summed) string { return c.Panel })
}

func (s *Summary) inPanel(panel string) (cells []Summed) {
	for _, c := range s.Cells {
		if c.Panel == panel {
			cells = append(cells, c)
		}
	}
	return cells
}

// missing tells which cells were not measured.
func (s *Summary) missing() string {
	var cells []string
	for _, c := range s.Cells {
		if c.Rounds == 0 {
			cells = append(cells, c.Name)
		}
	}
	return strings.Join(cells, ", ")
}
