package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/report/figures"
	"github.com/concordat-dev/concordat/internal/scratch"
	"github.com/concordat-dev/concordat/ycsb"
)

// measure measures the plan in the working directory, and publishes the results if nothing was wrong.
func (f flags) measure(ctx context.Context, plan figures.Plan, stdout, stderr io.Writer) error {
	environment := ycsb.ThisEnvironment()
	work := f.workDir(environment)
	if err := errors.Join(f.refuse(environment), f.check(work)); err != nil {
		return err
	}
	unlock, err := cli.LockDir(work)
	if errors.Is(err, cli.ErrLocked) {
		return cli.Usage(fmt.Errorf("work: %w: two that measure disturb each other; wait, or end it", err))
	} else if err != nil {
		return fmt.Errorf("work: %w", err)
	}
	return errors.Join(f.measureIn(ctx, work, plan, environment, stdout, stderr), unlock())
}

// measureIn measures in a working directory that nobody else uses.
func (f flags) measureIn(ctx context.Context, work string, plan figures.Plan, environment ycsb.Environment, stdout, stderr io.Writer) error {
	sheets, err := f.sheets(ctx, plan, work, environment, stderr)
	err = errors.Join(err, figures.Wrong(sheets))
	if err == nil {
		err = figures.Publish(sheets, f.Out)
	}
	switch {
	case err == nil:
		return f.render(stdout)
	case len(sheets) == 0:
		_ = os.Remove(work) // it is empty, or of an earlier run and stays
		return err
	}
	err = errors.Join(err, figures.Publish(sheets, work), figures.RenderDir(work))
	fmt.Fprintf(stderr, "what was measured is in %s; it is gone on with by\n    %s\n", work, f.again(plan))
	return err
}

// sheets measures the plan, in directories that are gone when it returns.
func (f flags) sheets(ctx context.Context, plan figures.Plan, work string, environment ycsb.Environment, stderr io.Writer) (sheets []*figures.Sheet, err error) {
	data, err := scratch.Dir("concordat-results-data-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	tagged, err := figures.BuildTagged(ctx, plan, program, data)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "%d measurements, about %v, in %s\n", plan.Rounds(), plan.Expected().Round(1e9), work)
	shared := figures.ShareBroker(figures.Children{Program: self, Args: []string{childArg}, Tagged: tagged}.Measure)
	defer func() { err = errors.Join(err, shared.Close()) }()
	runner := figures.Runner{
		Dir: work, Data: data, Seed: f.Seed, Command: f.command(plan), Environment: environment, Fresh: f.Fresh, Progress: stderr,
		Measure: shared.Measure,
	}
	return runner.Run(ctx, plan)
}
