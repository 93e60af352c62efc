package main

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/proof/topics"
)

// topicsCommand runs seeds of an engine between topics.
type topicsCommand struct {
	Seeds    string `help:"Seeds to run, such as 7 or 1-2000. Default: 1-200." placeholder:"FIRST-LAST"`
	Parallel int    `help:"Seeds to run at a time. Default: the number of processors."`
	ledgerFlag
}

// Run is called by kong.
func (c *topicsCommand) Run(p *program) error {
	seeds, err := sim.ParseSeeds(cmp.Or(c.Seeds, "1-200"))
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if c.Parallel < 0 || c.Parallel > maxParallel {
		return fmt.Errorf("%w: --parallel is %d, allowed are 1 to %d", cli.ErrUsage, c.Parallel, maxParallel)
	}
	if err := c.openLedger(p); err != nil {
		return err
	}
	bar := newBar(p.stderr, seeds.Count(), "seeds")
	start := time.Now()
	var mu sync.Mutex
	var sum topics.Counts
	run, violations := 0, 0
	seeds.Each(p.ctx, c.Parallel, func(seed uint64) bool {
		counts, err := topics.Run(seed)
		bar.step()
		mu.Lock()
		defer mu.Unlock()
		run++
		sum.Add(counts)
		if err != nil {
			violations++
			fmt.Fprintf(p.text, "\nseed %d: %v\nagain: %s\n", seed, err, again("topics", "--seeds", fmt.Sprint(seed)))
		}
		return true
	})
	bar.close()
	fmt.Fprintf(p.text, "%d seeds in %v: %d records, %d crashes, %d claims, %d lost answers, %d late commits, %d aborts, %d fenced commits, %d failed fetches\n",
		run, time.Since(start).Round(time.Millisecond), sum.Records, sum.Crashes, sum.Claims, sum.LostAnswers, sum.LateCommits, sum.Aborts, sum.Fenced, sum.FailedFetches)
	fmt.Fprintf(p.text, "violations: %d\n", violations)
	counts := sum.Map()
	counts["seeds"] = run
	if err := c.note("topics", time.Since(start), violations, counts); err != nil {
		return err
	}
	switch {
	case violations > 0:
		return fmt.Errorf("%d of %d seeds show a violation", violations, run)
	case p.ctx.Err() != nil:
		return cli.ErrInterrupted
	}
	return nil
}
