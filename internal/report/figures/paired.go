package figures

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
)

// Pairing measures the cells of a plan by two programs in turns: before and after a change. Each program may be there in several builds,
// which take turns too: where the linker puts code is worth one or two percent, so builds with other layouts (-ldflags=-randlayout=N)
// tell a change from its place.
type Pairing struct {
	Before, After []func(context.Context, Order) (Measurement, error)
	// Pairs of measurements of each cell, at least ycsb.MinPairs.
	Pairs int
	// Data is where the engines' directories are made, and removed again. It must be on a disk.
	Data string
	// Seed of all measurements.
	Seed uint64
	// Progress takes a line for each pair. Default: nobody.
	Progress io.Writer
}

// CellRatios compare a cell after a change with the same before it.
type CellRatios struct {
	Experiment, Cell string
	Open             bool // its loop is an open one: what counts is the latency
	// Ratios are the throughput's, and p50 and p99 of all operations; empty if it was not measured.
	Ratios []ycsb.Ratio
	// Skipped is why it was not measured.
	Skipped string
}

// ofAll are the figures of a cell that are compared.
var ofAll = []string{"throughput", "p50 all", "p99 all"}

// Run measures and compares. Searches, and cells that need a build of their own, are left out, as are cells that a program does not
// know. Errors: those of comparing says (see ycsb.Compare), wrong audits, [ErrInterrupted].
func (p *Pairing) Run(ctx context.Context, plan Plan, comparing ycsb.Comparing) ([]CellRatios, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	if p.Pairs < ycsb.MinPairs {
		return nil, fmt.Errorf("figures: %d pairs are not enough for an interval: at least %d", p.Pairs, ycsb.MinPairs)
	}
	p.Progress = cmp.Or(p.Progress, io.Discard)
	var all []CellRatios
	for _, e := range plan.Experiments {
		rates := map[string]float64{} // by cell, before
		for _, c := range e.Cells {
			r, err := p.cell(ctx, e.Name, c, rates, comparing)
			if err != nil {
				return all, fmt.Errorf("%s, cell %s: %w", e.Name, c.Name, err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// cell measures and compares a cell.
func (p *Pairing) cell(ctx context.Context, experiment string, c Cell, rates map[string]float64, comparing ycsb.Comparing) (CellRatios, error) {
	r := CellRatios{Experiment: experiment, Cell: c.Name, Open: c.LoadOf != ""}
	order := Order{Cell: c, Rate: rates[c.LoadOf] * c.LoadShare}
	switch {
	case c.Search:
		r.Skipped = "a search"
	case c.Build != "":
		r.Skipped = "it needs a build of its own"
	case c.LoadOf != "" && order.Rate == 0:
		r.Skipped = c.LoadOf + " was not measured"
	}
	var before, after []ycsb.Report
	for i := 0; i < p.Pairs && r.Skipped == ""; i++ {
		order.Seed = p.Seed + uint64(i)
		pair, err := p.pair(ctx, i, order)
		switch {
		case errors.Is(err, ErrInterrupted) || errors.Is(err, ycsb.ErrAudit):
			return r, err
		case err != nil && i == 0:
			r.Skipped = err.Error()
		case err != nil:
			return r, err
		default:
			before, after = append(before, pair[0].Report), append(after, pair[1].Report)
			fmt.Fprintf(p.Progress, "%-12s %-32s %2d/%d  %.3f\n", experiment, c.Name, i+1, p.Pairs, max(after[i].CommittedPerS, 1)/max(before[i].CommittedPerS, 1))
		}
	}
	if r.Skipped != "" {
		return r, nil
	}
	rates[c.Name] = before[0].CommittedPerS
	ratios, err := ycsb.Compare(before, after, comparing)
	r.Ratios = slices.DeleteFunc(ratios, func(r ycsb.Ratio) bool { return !slices.Contains(ofAll, r.Figure) })
	return r, err
}

// pair measures once before and once after; which comes first changes from pair to pair.
func (p *Pairing) pair(ctx context.Context, number int, order Order) (pair [2]Measurement, err error) {
	sides := [2][]func(context.Context, Order) (Measurement, error){p.Before, p.After}
	for turn := range sides {
		side := (turn + number) % len(sides)
		measure := sides[side][number%len(sides[side])]
		if pair[side], err = p.measure(ctx, measure, order); err != nil {
			return pair, err
		}
	}
	return pair, nil
}

func (p *Pairing) measure(ctx context.Context, measure func(context.Context, Order) (Measurement, error), order Order) (Measurement, error) {
	m, err := measureBelow(ctx, p.Data, order, measure)
	if ctx.Err() != nil || m.Report.Interrupted {
		return m, ErrInterrupted
	}
	return m, err
}

// PairsExpected is how long so many pairs of the plan's cells take.
func (p Plan) PairsExpected(pairs int) (sum time.Duration) {
	for _, e := range p.Experiments {
		for _, c := range e.Cells {
			if !c.Search && c.Build == "" {
				sum += time.Duration(2*pairs) * c.expected()
			}
		}
	}
	return sum
}

// WritePaired writes a table of ratios: after to before, with the interval of the figure that counts, see [CellRatios.Counts].
func WritePaired(w io.Writer, all []CellRatios) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "experiment\tcell\tthroughput\tp50\tp99\tfrom\tto\t")
	for _, r := range all {
		if r.Skipped != "" {
			fmt.Fprintf(tw, "%s\t%s\tnot measured: %s\n", r.Experiment, r.Cell, firstLine(r.Skipped))
			continue
		}
		counts := r.Counts()
		fmt.Fprintf(tw, "%s\t%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%s\n", r.Experiment, r.Cell, r.Ratios[0].Ratio, r.Ratios[1].Ratio, r.Ratios[2].Ratio,
			counts.Low, counts.High, counts.Verdict)
	}
	return tw.Flush()
}

// Counts is the ratio by which a cell is judged: p99 in an open loop, otherwise the throughput; p50 where nothing is to be committed.
func (r CellRatios) Counts() ycsb.Ratio {
	switch {
	case r.Open:
		return r.Ratios[2]
	case r.Ratios[0].A < 1:
		return r.Ratios[1]
	}
	return r.Ratios[0]
}

func firstLine(text string) string {
	const most = 60
	if i := slices.Index([]byte(text), '\n'); i >= 0 {
		text = text[:i]
	}
	return text[:min(len(text), most)]
}
