package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/report/figures"
	"github.com/concordat-dev/concordat/internal/scratch"
	"github.com/concordat-dev/concordat/ycsb"
)

// errSlower: a cell is slower than it was.
var errSlower = errors.New("slower than before")

// settlePairs reports flags that contradict --before, or have no meaning without it.
func (f *flags) settlePairs(given map[string]bool) error {
	if given["before"] && len(f.Before) == 0 {
		return cli.Usage(errors.New("before: it names no program"))
	}
	with, idle := "without --before", []string{"after", "pairs", "tolerance"}
	if len(f.Before) > 0 {
		with, idle = "with --before", []string{"out", "work", "fresh", "render", "list", "quote"}
	}
	for _, name := range idle {
		if given[name] {
			return cli.Usage(fmt.Errorf("%s: it has no meaning %s", name, with))
		}
	}
	if f.Pairs < ycsb.MinPairs {
		return cli.Usage(fmt.Errorf("pairs: %d is below %d", f.Pairs, ycsb.MinPairs))
	}
	if f.Tolerance == 0 {
		f.Tolerance = -1 // none; 0 is the library's default
	} else if f.Tolerance < 0 {
		return cli.Usage(fmt.Errorf("tolerance: %g is negative", f.Tolerance))
	}
	if err := f.comparing().Validate(); err != nil {
		return cli.Usage(err)
	}
	return nil
}

func (f flags) comparing() ycsb.Comparing { return ycsb.Comparing{Tolerance: f.Tolerance} }

// pair measures the plan in turns with the programs of before, and tells which cells are slower.
func (f flags) pair(ctx context.Context, plan figures.Plan, stdout, stderr io.Writer) (err error) {
	if len(f.After) == 0 {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		f.After = []string{self}
	}
	before, errBefore := programs("before", f.Before)
	after, errAfter := programs("after", f.After)
	if err := errors.Join(errBefore, errAfter); err != nil {
		return err
	}
	data, err := scratch.Dir("concordat-results-data-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	fmt.Fprintf(stderr, "%d pairs of each cell, about %v\n", f.Pairs, plan.PairsExpected(f.Pairs).Round(1e9))
	pairing := figures.Pairing{Before: before, After: after, Pairs: f.Pairs, Data: data, Seed: f.Seed, Progress: stderr}
	all, err := pairing.Run(ctx, plan, f.comparing())
	if err := errors.Join(err, figures.WritePaired(stdout, all)); err != nil {
		return err
	}
	slower := 0
	for _, r := range all {
		if r.Skipped == "" && r.Counts().Verdict == ycsb.Slower {
			slower++
		}
	}
	if slower > 0 {
		return fmt.Errorf("%d of %d cells are %w by more than %g %%", slower, len(all), errSlower, max(f.Tolerance, 0)*100)
	}
	return nil
}

// measurer measures once.
type measurer = func(context.Context, figures.Order) (figures.Measurement, error)

// programs are what measures with builds of this command.
func programs(flag string, paths []string) (all []measurer, err error) {
	for _, path := range paths {
		found, err := exec.LookPath(path)
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("%s: %w", flag, err))
		}
		all = append(all, figures.Children{Program: found, Args: []string{childArg}}.Measure)
	}
	return all, nil
}
