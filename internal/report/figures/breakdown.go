package figures

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/report/chart"
)

// column names a cell in the head of a breakdown, between is what stands between its parts.
func (e Experiment) column(c Summed, between string) string {
	return fmt.Sprintf("%s,%s%s %s", c.Line, between, e.X.place(c.X), e.X.Label)
}

// table makes the table; rows without a number are left out.
func (b Breakdown) table(e Experiment, s *Summary) table {
	t := table{Title: upper(b.Label), Head: []string{""}}
	for _, c := range s.Cells {
		t.Head = append(t.Head, e.column(c, " "))
	}
	for _, f := range b.Rows {
		row, any := []string{fields[f].words}, false
		for _, c := range s.Cells {
			v, ok := c.Value(f)
			text := "-"
			if ok {
				text = v.Text(fields[f].digits)
			}
			if subject := subjects[f]; ok && subject != nil {
				text = subject(c) + ": " + text
			}
			any = any || ok
			row = append(row, text)
		}
		if any {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// chart makes a bar for each cell, of its medians; parts that no cell has are left out.
func (b Breakdown) chart(e Experiment, s *Summary) chart.Chart {
	c := chart.Chart{Title: upper(e.Title), Footer: s.origin(), X: chart.Axis{Label: ""}, Y: chart.Axis{Label: b.Label}, Stacked: true}
	for _, cell := range s.Cells {
		c.X.Names = append(c.X.Names, e.column(cell, "\n"))
	}
	for i, f := range b.Parts {
		line := chart.Line{Name: fields[f].words, Look: chart.Look{Hue: i, Mark: i, Pale: i >= chart.Hues}}
		for x, cell := range s.Cells {
			if v, ok := cell.Value(f); ok {
				line.Points = append(line.Points, chart.Point{X: float64(x), Y: v.Median, Low: v.Median, High: v.Median})
			}
		}
		if len(line.Points) > 0 {
			c.Lines = append(c.Lines, line)
		}
	}
	return c
}
