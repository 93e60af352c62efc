package figures

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// summarySchema is the version of the form of a [Summary] as CSV: comments that say where it comes from, then a row for each cell.
const summarySchema = 1

// columns are those of a row before its numbers.
var columns = []string{"experiment", "cell", "panel", "line", "x", "protocol", "rounds", "planned", "wrong"}

// numbers are the columns of a number: the median and the ends of its range.
func (f Field) numbers() []string {
	return []string{string(f), string(f) + "_low", string(f) + "_high"}
}

// csv writes the summary. It has columns for the numbers that any cell has.
func (s *Summary) csv() ([]byte, error) {
	var out bytes.Buffer
	for _, line := range [][2]string{
		{"schema", strconv.Itoa(summarySchema)}, {"command", s.Command}, {"commit", s.Commit}, {"go", s.Go}, {"cpu", s.CPU},
		{"seed", strconv.FormatUint(s.Seed, 10)}, {"quick", strconv.FormatBool(s.Quick)},
	} {
		fmt.Fprintf(&out, "# %s: %s\n", line[0], line[1])
	}
	shown := slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), func(f Field) bool {
		return !slices.ContainsFunc(s.Cells, func(c Summed) bool { _, ok := c.values[f]; return ok })
	})
	head := slices.Clone(columns)
	for _, f := range shown {
		head = append(head, f.numbers()...)
	}
	rows := [][]string{head}
	for _, c := range s.Cells {
		row := []string{
			s.Experiment, c.Name, c.Panel, c.Line, strconv.FormatFloat(c.X, 'g', -1, 64), c.Protocol,
			strconv.Itoa(c.Rounds), strconv.Itoa(c.Planned), c.Wrong,
		}
		for _, f := range shown {
			v, ok := c.values[f]
			for _, number := range []float64{v.Median, v.Low, v.High} {
				text := ""
				if ok {
					text = significant(number)
				}
				row = append(row, text)
			}
		}
		rows = append(rows, row)
	}
	w := csv.NewWriter(&out)
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("figures: write the CSV of %s: %w", s.Experiment, err)
	}
	return out.Bytes(), nil
}

// readCSV reads what csv has written. Anything else is [ErrSchema].
func readCSV(experiment string, data []byte) (*Summary, error) {
	s, err := readComments(data)
	if err != nil {
		return nil, err
	}
	s.Experiment = experiment
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	rows, err := r.ReadAll()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	case len(rows) == 0 || len(rows[0]) < len(columns) || !slices.Equal(rows[0][:len(columns)], columns):
		return nil, fmt.Errorf("%w: its columns are not those of a summary", ErrSchema)
	}
	for _, row := range rows[1:] {
		if row[0] != experiment {
			return nil, fmt.Errorf("%w: it is of %s, not of %s", ErrSchema, row[0], experiment)
		}
		c, err := readRow(rows[0], row)
		if err != nil {
			return nil, fmt.Errorf("%w: cell %s: %w", ErrSchema, row[1], err)
		}
		s.Cells = append(s.Cells, c)
	}
	return s, nil
}

// readComments reads where a summary comes from.
func readComments(data []byte) (*Summary, error) {
	about := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		text, isComment := strings.CutPrefix(line, "# ")
		if !isComment {
			break
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(text, "\n"), ": ")
		about[key] = value
	}
	if schema := about["schema"]; schema != strconv.Itoa(summarySchema) {
		return nil, fmt.Errorf("%w: it has schema %q, not %d; measure again or use the program that wrote it", ErrSchema, schema, summarySchema)
	}
	seed, seedErr := strconv.ParseUint(about["seed"], 10, 64)
	quick, quickErr := strconv.ParseBool(about["quick"])
	if err := errors.Join(seedErr, quickErr); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return &Summary{Command: about["command"], Commit: about["commit"], Go: about["go"], CPU: about["cpu"], Seed: seed, Quick: quick}, nil
}

func readRow(head, row []string) (c Summed, err error) {
	read := func(text string) float64 {
		number, parseErr := strconv.ParseFloat(text, 64)
		err = errors.Join(err, parseErr)
		return number
	}
	c = Summed{
		Name: row[1], Panel: row[2], Line: row[3], X: read(row[4]), Protocol: row[5],
		Rounds: int(read(row[6])), Planned: int(read(row[7])), Wrong: row[8], values: make(map[Field]Value),
	}
	for i := len(columns); i < len(head); i += 3 {
		f := Field(head[i])
		if _, known := fields[f]; !known || i+3 > len(head) || !slices.Equal(head[i:i+3], f.numbers()) {
			return c, fmt.Errorf("column %q is not known", head[i])
		}
		if row[i] != "" {
			c.values[f] = Value{Median: read(row[i]), Low: read(row[i+1]), High: read(row[i+2]), Rounds: c.Rounds}
		}
	}
	return c, err
}

// csvPath is where the summary of an experiment is in a directory of results.
func csvPath(dir, experiment string) string { return filepath.Join(dir, csvDir, experiment+".csv") }

// ReadSummaries reads all summaries of a directory of results, by the names of their experiments. A directory without any is an error.
func ReadSummaries(dir string) (map[string]*Summary, error) {
	entries, err := os.ReadDir(filepath.Join(dir, csvDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	summaries := make(map[string]*Summary)
	var errs []error
	for _, entry := range entries {
		name, isCSV := strings.CutSuffix(entry.Name(), ".csv")
		if !isCSV {
			continue
		}
		data, err := os.ReadFile(csvPath(dir, name))
		if err == nil {
			summaries[name], err = readCSV(name, data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", csvPath(dir, name), err))
		}
	}
	if len(summaries) == 0 && len(errs) == 0 {
		return nil, fmt.Errorf("figures: there are no results in %s", filepath.Join(dir, csvDir))
	}
	return summaries, errors.Join(errs...)
}
