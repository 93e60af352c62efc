package figures

import (
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/ycsb/mill"
)

func TestPlans(t *testing.T) {
	full, quick := NewPlan(false), NewPlan(true)
	for _, p := range []Plan{full, quick} {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		for _, e := range p.Experiments {
			if e.About == "" || e.Compared == "" || len(e.Shows) == 0 || e.X.Label == "" {
				t.Errorf("%s does not say all that people need", e.Name)
			}
		}
	}
	if d := full.Expected(); d < 20*time.Minute || d > 45*time.Minute {
		t.Errorf("everything takes %v", d)
	}
	if d := quick.Expected(); d > 5*time.Minute {
		t.Errorf("the quick plan takes %v", d)
	}
	for _, e := range quick.Experiments {
		whole, found := full.Find(e.Name)
		if !found {
			t.Fatalf("there is no full experiment %s", e.Name)
		}
		names := make(map[string]bool)
		for _, c := range whole.Cells {
			names[c.Name] = true
		}
		for _, c := range e.Cells {
			if !names[c.Name] {
				t.Errorf("%s of the quick plan has a cell %s of its own", e.Name, c.Name)
			}
		}
	}
}

func TestOnly(t *testing.T) {
	p, err := NewPlan(false).Only([]string{"zipf", "latency"})
	if err != nil || len(p.Experiments) != 2 || p.Experiments[0].Name != "latency" {
		t.Errorf("%v, %v", p.Experiments, err)
	}
	if all, err := NewPlan(false).Only(nil); err != nil || len(all.Experiments) != len(NewPlan(false).Experiments) {
		t.Errorf("no name is all of them, not %d, %v", len(all.Experiments), err)
	}
	if _, err := NewPlan(false).Only([]string{"zipfs"}); err == nil || !strings.Contains(err.Error(), `"zipfs"`) || !strings.Contains(err.Error(), "zipf,") {
		t.Errorf("error %v should name what there is", err)
	}
}

// TestPaperFitsThePlan: every table of the paper is of an experiment, whose cells it can stand beside.
func TestPaperFitsThePlan(t *testing.T) {
	p := readPaper()
	for name, table := range p.Tables {
		e, found := NewPlan(false).Find(name)
		if !found || e.Paper != name {
			t.Errorf("no experiment shows the paper's %s", name)
		}
		for _, row := range table.Rows {
			if len(row.X) != len(row.Y) {
				t.Errorf("%s, %s: %d places and %d numbers", name, row.Line, len(row.X), len(row.Y))
			}
			for _, x := range row.X {
				if !hasPlace(e, row.Panel, row.Line, x) {
					t.Errorf("%s: nothing of ours is at %s, %s, %g", name, row.Panel, row.Line, x)
				}
			}
		}
	}
	for _, e := range NewPlan(false).Experiments {
		if _, there := p.Tables[e.Paper]; e.Paper != "" && !there {
			t.Errorf("%s wants the paper's %s, which is not there", e.Name, e.Paper)
		}
	}
}

func hasPlace(e Experiment, panel, line string, x float64) bool {
	for _, c := range e.Cells {
		if c.Panel == panel && c.Line == line && c.X == x {
			return true
		}
	}
	return false
}

func TestBadCells(t *testing.T) {
	for want, change := range map[string]func(*Cell){
		"spaces":            func(c *Cell) { c.Name = "a b" },
		"no line":           func(c *Cell) { c.Line = "" },
		"no workload":       func(c *Cell) { c.Workload = "tpch" },
		"0 rounds":          func(c *Cell) { c.Rounds = 0 },
		"build tag":         func(c *Cell) { c.Build = "race" },
		"GOMAXPROCS":        func(c *Cell) { c.Procs = -1 },
		"belong together":   func(c *Cell) { c.LoadOf = "x" },
		"a search":          func(c *Cell) { c.Search = true },
		"between 0 and 2":   func(c *Cell) { c.LoadOf, c.LoadShare = "x", 3 },
		"duration":          func(c *Cell) { c.DurationSeconds = 0 },
		"no plain protocol": func(c *Cell) { c.Workload, c.Protocol = tpccWorkload, "plain" },
		"no floor":          func(c *Cell) { c.Workload, c.Protocol = hotelWorkload, floorProtocol },
		"no limit":          func(c *Cell) { c.Workload, c.Protocol = tpccWorkload, limitProtocol },
		"2pc":               func(c *Cell) { c.Protocol = "2pc" },
		"maybe":             func(c *Cell) { c.Policy = "maybe" },
		"nothing goes on":   func(c *Cell) { c.Beside = mill.Work{Chains: 1, By: mill.Send} },
		"0 chains":          func(c *Cell) { c.Workload, c.Beside = millWorkload, mill.Work{Cost: 1} },
		"parties":           func(c *Cell) { c.Parties = 17 },
		"stages are those":  func(c *Cell) { c.Stages, c.Protocol = true, floorProtocol },
	} {
		c := simple("cell")
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
	if err := simple("cell").Validate(); err != nil {
		t.Error(err)
	}
}

func TestBadExperiments(t *testing.T) {
	late := simple("late")
	late.LoadOf, late.LoadShare = "base", 0.5
	for want, e := range map[string]Experiment{
		"two cells a":      {Cells: []Cell{simple("a"), simple("a")}},
		"same place":       {Cells: []Cell{simple("a"), simple("b")}},
		"not come before":  {Cells: []Cell{late, simple("base")}},
		"no field bananas": {Shows: []Show{{Field: "bananas"}}},
		"no field apples":  {Shows: []Show{{Field: Rate, Bound: "apples"}}},
		"no field pears":   {Breakdown: Breakdown{Parts: []Field{"pears"}}},
		"no field plums":   {Breakdown: Breakdown{Rows: []Field{Rate, "plums"}}},
	} {
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
	twice := Plan{Experiments: []Experiment{{Name: "x"}, {Name: "x"}}}
	if err := twice.Validate(); err == nil {
		t.Error("two experiments of one name are a plan")
	}
}
