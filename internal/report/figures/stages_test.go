package figures

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/report/chart"
	"github.com/concordat-dev/concordat/internal/stages"
)

// staged is a sheet of the experiment on stages, with a round of 1,000 transfers for each cell: the workers take 5 µs, the conductor 2,
// the sealer 3, of which the log writer has 1.
func staged(t *testing.T) *Sheet {
	t.Helper()
	e, found := NewPlan(true).Find("stages")
	if !found {
		t.Fatal("there is no experiment on stages")
	}
	s := sheetOf(e.Name)
	for _, c := range e.Cells {
		m := made(1000)
		m.Stages = &stages.Split{
			CPU: map[stages.Stage]time.Duration{
				stages.Workers: 5 * time.Millisecond, stages.Conductor: 2 * time.Millisecond, stages.Sealer: 3 * time.Millisecond,
				stages.LogWriter: time.Millisecond,
			},
			Elapsed: 10 * time.Millisecond, Processors: 2,
		}
		s.Cells = append(s.Cells, Measured{Cell: c, Rounds: []Measurement{m}})
	}
	return s
}

// TestBreakdown: the table has a row for each stage and what follows from them, the chart a bar for each cell, and what is part of another
// stage is in no bar.
func TestBreakdown(t *testing.T) {
	e, _ := NewPlan(false).Find("stages")
	x := newExhibit(e, staged(t).Summary(), readPaper())
	if len(x.Tables) != 2 || len(x.Charts) != 1 || x.Charts[0].Name != "stages" {
		t.Fatalf("%+v, %d charts", x.Tables, len(x.Charts))
	}
	want := []string{"", "saga, 10 keys", "saga, 5,000 keys", "serializable, 10 keys", "serializable, 5,000 keys"}
	if !slices.Equal(x.Tables[0].Head, want) {
		t.Errorf("head %q", x.Tables[0].Head)
	}
	rows := make(map[string]string)
	for _, row := range x.Tables[0].Rows {
		rows[row[0]] = row[4]
	}
	for name, want := range map[string]string{
		"workers": "5.00", "conductor (serial)": "2.00", "sealer (serial)": "3.00", "of it log writer": "1.00", "apply (serial)": "0.00",
		"all":                  "10.00",
		"longest serial stage": "sealer: 3.00", "bound of the longest serial stage, a second": "333,333",
		"conductor and sealer, which take turns": "5.00", "bound of conductor and sealer, a second": "200,000",
		"processors used, percent": "50", "transfers committed": "1,000",
	} {
		if rows[name] != want {
			t.Errorf("%s is %q, want %q", name, rows[name], want)
		}
	}
	c := x.Charts[0].chart
	workers := slices.IndexFunc(c.Lines, func(l chart.Line) bool { return l.Name == "workers" })
	if !c.Stacked || len(c.X.Names) != 4 || len(c.Lines) != len(stages.Whole()) || workers < 0 || c.Lines[workers].Points[3].Y != 5 {
		t.Errorf("chart %+v", c)
	}
	if _, err := x.Charts[0].draw(); err != nil {
		t.Error(err)
	}
}

// TestBreakdownOfNothing: cells that were not measured have no bar and no number.
func TestBreakdownOfNothing(t *testing.T) {
	e, _ := NewPlan(false).Find("stages")
	s := staged(t)
	for i := range s.Cells {
		s.Cells[i].Rounds = nil
	}
	if x := newExhibit(e, s.Summary(), readPaper()); len(x.Charts) != 0 || len(x.Tables[0].Rows) != 0 {
		t.Errorf("%+v, %d charts", x.Tables, len(x.Charts))
	}
}

// TestMeasureStages: a cell that asks for it tells where the processor time of its measured part went, and others do not.
func TestMeasureStages(t *testing.T) {
	for _, asked := range []bool{true, false} {
		c := simple("staged")
		c.Stages, c.DurationSeconds = asked, 1
		m, err := Measure(t.Context(), Order{Cell: c, Dir: filepath.Join(t.TempDir(), "data")}, slog.Default())
		if err != nil || asked != (m.Stages != nil) {
			t.Fatalf("%+v, %v", m.Stages, err)
		}
		for _, f := range []Field{CPUTotal, cpu(stages.Workers), CPUUsed} {
			if v, ok := (Measured{Rounds: []Measurement{m}}).Value(f); ok != asked || asked && f != cpu(stages.Workers) && v.Median <= 0 {
				t.Errorf("%s is %+v, %v", f, v, ok)
			}
		}
	}
}
