package figures

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Experiment is a question with the cells that answer it, and how the answer is shown.
type Experiment struct {
	// Name is the name of its files.
	Name string
	// Title is a heading.
	Title string
	// About says what is measured, in a paragraph for people.
	About string
	// Cells in the order in which they are measured and shown.
	Cells []Cell
	// X is the axis of the cells' X.
	X Axis
	// Shows are the numbers that are shown: a table for each, and charts where Chart is set.
	Shows []Show
	// Breakdown shows numbers that add up. Default: none.
	Breakdown Breakdown
	// Paper names the table of the paper to show beside ours, and Compared says why they can or cannot be compared.
	Paper, Compared string
}

// Axis is an axis of a chart.
type Axis struct {
	Label string // with its unit
	Log   bool
	// Names are shown instead of the numbers, in order: the axis then has a place for each.
	Names []string
	// Ticks are the only places that are marked, if there are any.
	Ticks []float64
}

// Show is a number of the cells that is shown.
type Show struct {
	Field Field
	// Chart has it drawn too.
	Chart bool
	// Log has the chart's axis logarithmic.
	Log bool
	// Bound is a field that bounds this one; it is drawn beside it. Default: none.
	Bound Field
}

// Breakdown is a table with a row for each number and a column for each cell, and a chart with a bar for each cell, made of parts.
type Breakdown struct {
	// Label says what is broken down, with its unit.
	Label string
	// Parts are the numbers that add up, the lowest part of a bar first.
	Parts []Field
	// Rows are the numbers of the table.
	Rows []Field
}

// Plan is what is measured.
type Plan struct {
	Experiments []Experiment
	Quick       bool
}

// NewPlan returns the plan of all experiments. The quick one asks the same questions of fewer cells for a shorter time; every
// cell of it has the name of one of the full plan.
func NewPlan(quick bool) Plan {
	p := planner{quick: quick}
	return Plan{Quick: quick, Experiments: []Experiment{
		p.transfers(), p.kafka(), p.latency(), p.floor(), p.overhead(), p.deadlocks(), p.rollbacks(), p.scaling(),
		p.policies(), p.hotKey(), p.zipf(), p.parties(), p.memory(), p.locks(), p.progress(), p.stages(),
		p.applications(),
	}}
}

// Only returns the plan of the experiments with these names, all if there are none. Upper and lower case are the same. A name that
// there is not is an error.
func (p Plan) Only(names []string) (Plan, error) {
	if len(names) == 0 {
		return p, nil
	}
	var chosen, known []string
	kept := p
	kept.Experiments = nil
	for _, e := range p.Experiments {
		known = append(known, e.Name)
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, e.Name) }) {
			kept.Experiments = append(kept.Experiments, e)
			chosen = append(chosen, e.Name)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(one string) bool { return strings.EqualFold(name, one) }) {
			return p, fmt.Errorf("there is no experiment %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return kept, nil
}

// Find returns the experiment with this name.
func (p Plan) Find(name string) (Experiment, bool) {
	i := slices.IndexFunc(p.Experiments, func(e Experiment) bool { return e.Name == name })
	if i < 0 {
		return Experiment{}, false
	}
	return p.Experiments[i], true
}

// Validate reports everything that is wrong with the plan.
func (p Plan) Validate() error {
	var errs []error
	names := make(map[string]bool)
	for _, e := range p.Experiments {
		if names[e.Name] {
			errs = append(errs, fmt.Errorf("there are two experiments %s", e.Name))
		}
		names[e.Name] = true
		if err := e.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("experiment %s: %w", e.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Validate reports cells that are wrong, have the name of another, or depend on one that does not come before them.
func (e Experiment) Validate() error {
	var errs []error
	before := make(map[string]bool)
	places := make(map[string]string)
	for _, c := range e.Cells {
		errs = append(errs, c.Validate())
		if before[c.Name] {
			errs = append(errs, fmt.Errorf("there are two cells %s", c.Name))
		}
		if c.LoadOf != "" && !before[c.LoadOf] {
			errs = append(errs, fmt.Errorf("cell %s needs the rate of %s, which does not come before it", c.Name, c.LoadOf))
		}
		before[c.Name] = true
		place := fmt.Sprint(c.Panel, "|", c.Line, "|", c.X)
		if other, taken := places[place]; taken {
			errs = append(errs, fmt.Errorf("cells %s and %s are at the same place", other, c.Name))
		}
		places[place] = c.Name
	}
	shown := slices.Concat(e.Breakdown.Parts, e.Breakdown.Rows)
	for _, s := range e.Shows {
		shown = append(shown, s.Field, cmp.Or(s.Bound, s.Field))
	}
	for _, f := range shown {
		if _, known := fields[f]; !known {
			errs = append(errs, fmt.Errorf("there is no field %s", f))
		}
	}
	return errors.Join(errs...)
}

// Rounds is how many measurements the plan has.
func (p Plan) Rounds() (n int) {
	for _, e := range p.Experiments {
		for _, c := range e.Cells {
			n += c.Rounds
		}
	}
	return n
}

// Expected is about how long the plan takes.
func (p Plan) Expected() (total time.Duration) {
	for _, e := range p.Experiments {
		for _, c := range e.Cells {
			total += time.Duration(c.Rounds) * c.expected()
		}
	}
	return total
}

// planner makes experiments, long ones or quick ones.
type planner struct{ quick bool }

// of returns all values, or of a quick plan those at the ends and in the middle.
func of[T any](p planner, all ...T) []T {
	if !p.quick || len(all) <= 3 {
		return all
	}
	return []T{all[0], all[len(all)/2], all[len(all)-1]}
}

// timed fills in how long and how often a cell is measured; an important one three times.
func (p planner) timed(c Cell, important bool) Cell {
	c.Rounds, c.WarmupSeconds, c.DurationSeconds = 1, 1, 4
	if p.quick {
		c.WarmupSeconds, c.DurationSeconds = 0.2, 1
	} else if important {
		c.Rounds = 3
	}
	return c
}
