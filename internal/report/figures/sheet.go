package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/concordat-dev/concordat/ycsb"
)

// SheetSchema is the version of the form of a [Sheet]. It changes with ycsb.Schema, whose reports are in it.
const SheetSchema = 100*ycsb.Schema + 1

// ErrSchema: a file is no sheet of this program's version.
var ErrSchema = errors.New("figures: not a sheet of this version")

// Sheet is what was measured of an experiment, as it is kept.
type Sheet struct {
	Schema     int        `json:"figures_schema"`
	Experiment string     `json:"experiment"`
	Command    string     `json:"command"`
	Commit     string     `json:"commit"`
	Go         string     `json:"go"`
	CPU        string     `json:"cpu"`
	Seed       uint64     `json:"seed"`
	Quick      bool       `json:"quick,omitempty"`
	Cells      []Measured `json:"cells"`
}

// Measured is a cell with what was measured in its rounds, the first first.
type Measured struct {
	Cell   Cell          `json:"cell"`
	Rounds []Measurement `json:"rounds"`
}

// Wrong is what the audits of all rounds found.
func (m Measured) Wrong() (wrong []string) {
	for _, round := range m.Rounds {
		wrong = append(wrong, round.Wrong()...)
	}
	return wrong
}

// find returns the cell with this name, or nil.
func (s *Sheet) find(name string) *Measured {
	i := slices.IndexFunc(s.Cells, func(m Measured) bool { return m.Cell.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Cells[i]
}

// ReadSheet reads a sheet. Anything that is none, or is of another [SheetSchema], is [ErrSchema]; a missing file is fs.ErrNotExist.
func ReadSheet(path string) (*Sheet, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var version struct {
		Schema *int `json:"figures_schema"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrSchema, err)
	}
	if version.Schema == nil {
		return nil, fmt.Errorf("%s: %w: it has no figures_schema", path, ErrSchema)
	}
	if *version.Schema != SheetSchema {
		return nil, fmt.Errorf("%s: %w: it has schema %d, not %d; measure again or use the program that wrote it", path, ErrSchema, *version.Schema, SheetSchema)
	}
	var s Sheet
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrSchema, err)
	}
	return &s, nil
}

// Write writes the sheet, in place of what was there only once all is written.
func (s *Sheet) Write(path string) error {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("figures: encode the sheet of %s: %w", s.Experiment, err)
	}
	return writeFile(path, append(data, '\n'))
}

// writeFile puts a file in its place in one go. What could not be written as a whole, on a full disk, leaves nothing.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replace(path, data, 0o644)
}

// replace is writeFile of a file whose directory is there.
func replace(path string, data []byte, mode fs.FileMode) error {
	temporary := path + ".new"
	err := os.WriteFile(temporary, data, mode)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// SheetPath is where the sheet of an experiment is in a directory of results.
func SheetPath(dir, experiment string) string { return filepath.Join(dir, rawDir, experiment+".json") }
