package main

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/fuzz"
)

type fuzzCommand struct {
	Each     string   `default:"10s" help:"How long each target is fuzzed: a duration, or a number of executions such as 1000x."`
	Packages []string `arg:"" optional:"" default:"./..." help:"The packages whose targets are fuzzed, as the go tool names them. Default: all of the module."`
	Go       string   `default:"go" help:"The go tool."`
	ledgerFlag
}

// executionsBudget is a number of executions, as go test writes it.
var executionsBudget = regexp.MustCompile(`^[1-9][0-9]{0,17}x$`)

// Run is called by kong.
func (c *fuzzCommand) Run(p *program) error {
	if d, err := time.ParseDuration(c.Each); (err != nil || d <= 0) && !executionsBudget.MatchString(c.Each) {
		return fmt.Errorf("%w: fuzz: --each %q is neither a duration above 0 nor a number of executions such as 1000x", cli.ErrUsage, c.Each)
	}
	if err := c.openLedger(p); err != nil {
		return err
	}
	tool := fuzz.Go{Tool: c.Go}
	targets, err := tool.Targets(p.ctx, c.Packages...)
	if p.ctx.Err() != nil {
		return cli.ErrInterrupted
	}
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return c.fuzz(p, tool, targets)
}

// fuzz fuzzes the targets, one after the other, and notes what came of those that were. No interrupt hides a violation.
func (c *fuzzCommand) fuzz(p *program, tool fuzz.Go, targets []fuzz.Target) (err error) {
	began, done, total, failed := time.Now(), 0, 0, 0
	bar := newBar(p.stderr, len(targets), "targets")
	for _, target := range targets {
		r := tool.Run(p.ctx, target, c.Each)
		interrupted := p.ctx.Err() != nil
		if interrupted {
			fmt.Fprintf(p.text, "interrupted in %s\n", r)
			err = cli.ErrInterrupted
		} else {
			done++
			total += r.Executions
			fmt.Fprintf(p.text, "%-28s %11d executions in %v\n", r, r.Executions, r.Took.Round(100*time.Millisecond))
		}
		if r.Failed && (!interrupted || r.FoundInput()) {
			failed++
			fmt.Fprintf(p.text, "VIOLATED: %s\n%s", r, r.Output)
		}
		if interrupted {
			break
		}
		bar.step()
	}
	bar.close()
	fmt.Fprintf(p.text, "%d of %d targets, %d executions, %d targets failed\n", done, len(targets), total, failed)
	if done > 0 || failed > 0 {
		err = errors.Join(err, c.note("fuzz", time.Since(began), failed, map[string]int{"executions": total, "targets": done}))
	}
	if failed > 0 {
		err = errors.Join(cli.ErrTold, err)
	}
	return err
}
