package figures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/page"
)

// ErrInterrupted: the context was cancelled. What was measured before is kept.
var ErrInterrupted = errors.New("figures: interrupted")

// Runner measures the cells of a plan, one at a time.
type Runner struct {
	// Dir is the directory of results; sheets are written there after each measurement. Sheets that are there are gone on with
	// if they are of the same commit, seed, machine and Go version: what they have of the plan is not measured again.
	Dir string
	// Data is where the engines' directories are made, and removed again. It must be on a disk.
	Data string
	// Seed of all measurements.
	Seed uint64
	// Command is what the sheets name as the command that made them.
	Command string
	// Environment is what the sheets name as where they were made.
	Environment ycsb.Environment
	// Fresh has everything measured again.
	Fresh bool
	// Progress takes a line for each measurement. Default: nobody.
	Progress io.Writer
	// Measure measures once. An error that wraps ycsb.ErrAudit comes with the measurement and does not end the run.
	Measure func(context.Context, Order) (Measurement, error)
}

// Run measures the plan and returns its sheets in the plan's order, also along with an error: one of [Runner.Measure]'s, which ends
// the run, or ErrInterrupted. Sheets without any measurement are left out. Rounds of an experiment are made one after the other, all
// cells in each, so that what changes over time on the machine changes for all of them.
func (r *Runner) Run(ctx context.Context, p Plan) ([]*Sheet, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if r.Progress == nil {
		r.Progress = io.Discard
	}
	var sheets []*Sheet
	for _, e := range p.Experiments {
		s, err := r.begin(e, p.Quick)
		if err != nil {
			return sheets, err
		}
		sheets = append(sheets, s)
	}
	clock := newEstimate(p, sheets)
	var failed error
	for i, e := range p.Experiments {
		if failed = r.experiment(ctx, e, sheets[i], clock); failed != nil {
			break
		}
	}
	return slices.DeleteFunc(sheets, func(s *Sheet) bool { return s.measured() == 0 }), failed
}

// begin returns the sheet that is there for the experiment, cut down to what the plan wants, or an empty one.
func (r *Runner) begin(e Experiment, quick bool) (*Sheet, error) {
	fresh := &Sheet{
		Schema: SheetSchema, Experiment: e.Name, Command: r.Command, Commit: r.Environment.Commit, Go: r.Environment.Go,
		CPU: r.Environment.CPU, Seed: r.Seed, Quick: quick,
	}
	for _, c := range e.Cells {
		fresh.Cells = append(fresh.Cells, Measured{Cell: c})
	}
	if r.Fresh || !known(r.Environment.Commit) {
		return fresh, nil
	}
	old, err := ReadSheet(SheetPath(r.Dir, e.Name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, nil
	case err != nil:
		return nil, fmt.Errorf("%w (or measure afresh)", err)
	case old.Commit != fresh.Commit || old.Go != fresh.Go || old.CPU != fresh.CPU || old.Seed != fresh.Seed || old.Quick != quick:
		return fresh, nil
	}
	for i := range fresh.Cells {
		cell := &fresh.Cells[i]
		if m := old.find(cell.Cell.Name); m != nil && reflect.DeepEqual(m.Cell, cell.Cell) && len(m.Wrong()) == 0 {
			cell.Rounds = m.Rounds
		}
	}
	return fresh, nil
}

// known reports whether a commit says which program it was.
func known(commit string) bool {
	return commit != "" && commit != ycsb.UnknownCommit && !strings.HasSuffix(commit, "+dirty")
}

func (s *Sheet) measured() (n int) {
	for _, m := range s.Cells {
		n += len(m.Rounds)
	}
	return n
}

// experiment measures what the sheet does not have.
func (r *Runner) experiment(ctx context.Context, e Experiment, s *Sheet, clock *estimate) error {
	rounds := 0
	for _, c := range e.Cells {
		rounds = max(rounds, c.Rounds)
	}
	for round := range rounds {
		for i := range s.Cells {
			m := &s.Cells[i]
			if round >= m.Cell.Rounds || len(m.Rounds) > round {
				continue
			}
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			if err := r.measure(ctx, s, m, clock); err != nil {
				return fmt.Errorf("%s, cell %s: %w", e.Name, m.Cell.Name, err)
			}
		}
	}
	return nil
}

// measure measures a cell once more, and writes the sheet.
func (r *Runner) measure(ctx context.Context, s *Sheet, m *Measured, clock *estimate) error {
	order := Order{Cell: m.Cell, Seed: r.Seed + uint64(len(m.Rounds)), Rate: 0}
	if m.Cell.LoadOf != "" {
		v, ok := s.find(m.Cell.LoadOf).Value(Rate)
		if !ok || v.Median <= 0 {
			return fmt.Errorf("%s, whose rate it needs, has none", m.Cell.LoadOf)
		}
		order.Rate = v.Median * m.Cell.LoadShare
	}
	fmt.Fprintf(r.Progress, "%s %-12s %-32s ", clock.place(), s.Experiment, m.Cell.Name)
	began := time.Now()
	got, err := measureBelow(ctx, r.Data, order, r.Measure)
	if ctx.Err() != nil || got.Report.Interrupted {
		fmt.Fprintln(r.Progress, "interrupted")
		return ErrInterrupted
	}
	if err != nil && !errors.Is(err, ycsb.ErrAudit) {
		fmt.Fprintln(r.Progress, "failed")
		return err
	}
	m.Rounds = append(m.Rounds, got)
	clock.done(m.Cell, time.Since(began))
	perSecond, _ := rate(got)
	fmt.Fprintf(r.Progress, "%9s/s  p99 %8.2f ms  %s\n", page.Thousands(int64(perSecond)), got.Report.LatencyMS["all"].P99, clock.left())
	if err != nil {
		fmt.Fprintf(r.Progress, "WRONG AUDIT: %v\n", err)
	}
	return s.Write(SheetPath(r.Dir, s.Experiment))
}

// measureBelow carries out an order in a directory of its own below another, which is gone afterwards.
func measureBelow(ctx context.Context, dir string, o Order, measure func(context.Context, Order) (Measurement, error)) (Measurement, error) {
	parent, err := os.MkdirTemp(dir, "concordat-figure-")
	if err != nil {
		return Measurement{}, err
	}
	o.Dir = filepath.Join(parent, "data")
	m, err := measure(ctx, o)
	return m, errors.Join(err, os.RemoveAll(parent))
}

// estimate tells how long a plan still takes.
type estimate struct {
	all, number           int
	planned               time.Duration // of what is not measured yet, as the cells expect it
	measuredAs, measuring time.Duration // of what was, as expected and as it was
}

func newEstimate(p Plan, sheets []*Sheet) *estimate {
	e := &estimate{all: p.Rounds()}
	for _, s := range sheets {
		for _, m := range s.Cells {
			e.number += len(m.Rounds)
			e.planned += time.Duration(max(0, m.Cell.Rounds-len(m.Rounds))) * m.Cell.expected()
		}
	}
	return e
}

// place is the number of the next measurement among all.
func (e *estimate) place() string { return fmt.Sprintf("[%3d/%d]", e.number+1, e.all) }

func (e *estimate) done(c Cell, took time.Duration) {
	e.number++
	e.planned -= c.expected()
	e.measuredAs += c.expected()
	e.measuring += took
}

// left is how long the rest takes if cells go on taking longer or shorter than expected as they have.
func (e *estimate) left() string {
	rest := time.Duration(float64(max(0, e.planned)) * float64(e.measuring) / float64(max(1, e.measuredAs)))
	return fmt.Sprintf("%v left", rest.Round(time.Second))
}

// Wrong tells all wrong audits of the sheets, nil if there are none: an error that wraps ycsb.ErrAudit.
func Wrong(sheets []*Sheet) error {
	var errs []error
	for _, s := range sheets {
		for _, m := range s.Cells {
			for _, wrong := range m.Wrong() {
				errs = append(errs, fmt.Errorf("%w: %s, cell %s: %s", ycsb.ErrAudit, s.Experiment, m.Cell.Name, wrong))
			}
		}
	}
	return errors.Join(errs...)
}
