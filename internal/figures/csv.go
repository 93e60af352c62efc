package figures

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// csvFields are the columns of numbers, each with its range.
func (e Experiment) csvFields() []Field {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), func(f Field) bool {
		shown := slices.ContainsFunc(e.Shows, func(s Show) bool { return s.Field == f })
		return slices.Contains(ownFields, f) && !shown
	})
}

// csv writes a row for each cell, below comments that say where it comes from.
func (x exhibit) csv() ([]byte, error) {
	s, csvFields := x.Sheet, x.Experiment.csvFields()
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s: %s\n", s.Experiment, s.origin())
	w := csv.NewWriter(&out)
	head := []string{"experiment", "cell", "panel", "line", "x", "protocol", "rounds"}
	for _, f := range csvFields {
		head = append(head, string(f), string(f)+"_low", string(f)+"_high")
	}
	rows := [][]string{head}
	for _, m := range s.Cells {
		c := m.Cell
		row := []string{s.Experiment, c.Name, c.Panel, c.Line, strconv.FormatFloat(c.X, 'g', -1, 64), c.Protocol, strconv.Itoa(len(m.Rounds))}
		for _, f := range csvFields {
			v, ok := m.Value(f)
			for _, number := range []float64{v.Median, v.Low, v.High} {
				text := ""
				if ok {
					text = strconv.FormatFloat(number, 'g', 8, 64)
				}
				row = append(row, text)
			}
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("figures: write the CSV of %s: %w", s.Experiment, err)
	}
	return out.Bytes(), nil
}
