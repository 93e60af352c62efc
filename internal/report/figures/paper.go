package figures

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed paper.json
var paperJSON []byte

// Paper is what the paper reports.
type Paper struct {
	Source string                `json:"source"`
	Setup  string                `json:"setup"`
	Tables map[string]PaperTable `json:"tables"`
}

// PaperTable are the paper's numbers that belong to one of our fields, and what it says in words.
type PaperTable struct {
	Field Field      `json:"field"`
	Draw  bool       `json:"draw"` // in our charts too
	Rows  []PaperRow `json:"rows"`
	Notes []string   `json:"notes"`
}

// PaperRow is a line of the paper, named as ours is.
type PaperRow struct {
	Panel string    `json:"panel"`
	Line  string    `json:"line"`
	X     []float64 `json:"x"`
	Y     []float64 `json:"y"`
}

// readPaper reads the data file.
func readPaper() Paper {
	var p Paper
	if err := json.Unmarshal(paperJSON, &p); err != nil {
		panic(fmt.Sprintf("figures: paper.json is well-formed: %v", err))
	}
	return p
}

// rows are the paper's lines for a field in a panel.
func (t PaperTable) rows(f Field, panel string) (rows []PaperRow) {
	if t.Field != f {
		return nil
	}
	for _, r := range t.Rows {
		if r.Panel == panel {
			rows = append(rows, r)
		}
	}
	return rows
}

func (r PaperRow) at(x float64) (float64, bool) {
	for i := range r.X {
		if r.X[i] == x {
			return r.Y[i], true
		}
	}
	return 0, false
}
