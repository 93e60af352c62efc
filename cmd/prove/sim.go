package main

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/sim"
)

// simCommand runs seeds.
type simCommand struct {
	Seeds       string `xor:"seeds" help:"Seeds to run, such as 7 or 1-2000. Default: 1-200." placeholder:"FIRST-LAST"`
	Seed        string `xor:"seeds" help:"The one seed to run: short for --seeds N-N."`
	Steps       int    `default:"60" help:"Requests that are planned for a seed, 1 to 100,000, with everything else in between."`
	Faults      string `default:"all" help:"Faults, of which each seed switches some on: all, none, or a list such as power,disk,clock."`
	Parallel    int    `help:"Seeds to run at a time. Default: the number of processors."`
	StopAtFirst bool   `help:"Stop at the first seed that fails."`
	NoShrink    bool   `help:"Do not look for a smaller run that fails too."`
	Verbose     bool   `short:"v" help:"Print one line for each event. For one seed."`
	ledgerFlag
}

// batch checks the flags.
func (c *simCommand) batch() (sim.Batch, error) {
	text := cmp.Or(c.Seed, c.Seeds, "1-200")
	b := sim.Batch{Orders: c.Steps, Parallel: c.Parallel, StopAtFirst: c.StopAtFirst}
	var err error
	if b.Seeds, err = sim.ParseSeeds(text); err != nil {
		return b, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if b.Faults, err = sim.ParseFaults(c.Faults); err != nil {
		return b, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	switch {
	case c.Steps < 1 || c.Steps > sim.MaxOrders:
		return b, fmt.Errorf("%w: --steps is %d, allowed are 1 to %d", cli.ErrUsage, c.Steps, sim.MaxOrders)
	case c.Parallel < 0 || c.Parallel > maxParallel:
		return b, fmt.Errorf("%w: --parallel is %d, allowed are 1 to %d", cli.ErrUsage, c.Parallel, maxParallel)
	case c.Verbose && b.Seeds.Count() != 1:
		return b, fmt.Errorf("%w: -v is for one seed: add --seed N", cli.ErrUsage)
	}
	if c.NoShrink {
		b.ShrinkTries = -1
	}
	return b, nil
}

const maxParallel = 1024

// Run is called by kong.
func (c *simCommand) Run(p *program) error {
	b, err := c.batch()
	if err != nil {
		return err
	}
	if err := c.openLedger(p); err != nil {
		return err
	}
	bar := newBar(p.stderr, b.Seeds.Count(), "seeds")
	b.Progress = bar.step
	if c.Verbose {
		b.Trace = func(line string) { fmt.Fprintln(p.text, line) }
	}
	start := time.Now()
	sum, err := b.Run(p.ctx)
	bar.close()
	if err != nil {
		return err
	}
	printSim(p, sum, time.Since(start))
	for i := range sum.Failures {
		c.printFailure(p, &sum.Failures[i])
	}
	if err := c.note("sim", time.Since(start), len(sum.Failures), map[string]int{
		"seeds": sum.Seeds, "requests": sum.Counts.Requests, "starts": sum.Counts.Starts, "disk_operations": sum.Counts.DiskOps,
		"deadlocks": sum.Counts.Deadlocks, "simulated_seconds": int(sum.Counts.Passed.Seconds()),
	}); err != nil {
		return err
	}
	switch {
	case len(sum.Failures) > 0:
		return fmt.Errorf("%d of %d seeds show a violation", len(sum.Failures), sum.Seeds)
	case p.ctx.Err() != nil:
		return cli.ErrInterrupted
	}
	return b.Check(sum)
}

// printSim says what was done.
func printSim(p *program, sum sim.Summary, spent time.Duration) {
	n := sum.Counts
	fmt.Fprintf(p.text, "%d seeds in %v on %d processors, trace hash %016x\n", sum.Seeds, spent.Round(time.Millisecond), runtime.GOMAXPROCS(0), sum.Hash)
	fmt.Fprintf(p.text, "requests %d, answered %d, refused for want of space %d\n", n.Requests, n.Answers, n.Refused)
	fmt.Fprintf(p.text, "engine opened %d times, ended by failing disks %d times, %d operations of the disk\n", n.Starts, n.FailStops, n.DiskOps)
	fmt.Fprintf(p.text, "outcomes expired %d, ids used again %d\n", n.Expired, n.Reused)
	fmt.Fprintf(p.text, "records of ingresses delivered %d, stock taken %d times\n", n.Fed, n.Stocks)
	fmt.Fprintf(p.text, "messages carried %d, deadlocks broken %d, attempts repeated %d\n", n.Carried, n.Deadlocks, n.Retries)
	fmt.Fprintf(p.text, "deadlock oracle: %d rests with waiters, %d cycles, the longest of %d, %d victims\n", n.Oracle.Rests, n.Oracle.Cycles, n.Oracle.Longest, n.Oracle.Victims)
	var parts []string
	for _, kind := range sim.Kinds(n.Events) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, n.Events[kind]))
	}
	fmt.Fprintf(p.text, "events: %s\n", strings.Join(parts, ", "))
	fmt.Fprintf(p.text, "simulated %v, %.1f simulated seconds per second\n", n.Passed.Round(time.Second), n.Passed.Seconds()/math.Max(spent.Seconds(), 1e-9))
	fmt.Fprintf(p.text, "violations: %d\n", len(sum.Failures))
}

// printFailure says what failed, how to see it again, and the smaller plan.
func (c *simCommand) printFailure(p *program, f *sim.Failure) {
	command := again("sim", "--seed", fmt.Sprint(f.Seed), "--steps", fmt.Sprint(c.Steps), "--faults", c.Faults, "-v")
	fmt.Fprintf(p.text, "\nseed %d: %v\nagain: %s\n", f.Seed, f.Err, command)
	if c.NoShrink {
		return
	}
	fmt.Fprintf(p.text, "it also fails with %d events, and the faults %v:\n", len(f.Shrunk.Events), f.Shrunk.Faults)
	for _, e := range f.Shrunk.Events {
		fmt.Fprintf(p.text, "  %v\n", e)
	}
}
