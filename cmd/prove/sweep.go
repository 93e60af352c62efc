package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/sim"
)

// sweepCommand crashes everywhere.
type sweepCommand struct {
	Seeds       string `default:"1-10" help:"Seeds to sweep, such as 7 or 1-200." placeholder:"FIRST-LAST"`
	Orders      int    `default:"20" help:"Requests that are made of a seed's world, 1 to 1,000."`
	Points      int    `help:"Stop after about so many points. Default: when all seeds are swept."`
	Depth       int    `default:"3" help:"How deep crashes are nested in recoveries, 1 to 3."`
	Parallel    int    `help:"Seeds to sweep at a time. Default: the number of processors."`
	StopAtFirst bool   `help:"Stop at the first seed that fails."`
	ledgerFlag
}

func (c *sweepCommand) seeds() (sim.Seeds, error) {
	seeds, err := sim.ParseSeeds(c.Seeds)
	switch {
	case err != nil:
	case c.Orders < 1 || c.Orders > 1000:
		err = fmt.Errorf("--orders is %d, allowed are 1 to 1000", c.Orders)
	case c.Depth < 1 || c.Depth > sim.MaxDepth:
		err = fmt.Errorf("--depth is %d, allowed are 1 to %d", c.Depth, sim.MaxDepth)
	case c.Points < 0:
		err = fmt.Errorf("--points is %d", c.Points)
	case c.Parallel < 0 || c.Parallel > maxParallel:
		err = fmt.Errorf("--parallel is %d, allowed are 1 to %d", c.Parallel, maxParallel)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return seeds, err
}

// sweepFailure is a seed that shows a violation.
type sweepFailure struct {
	seed uint64
	err  error
}

// Run is called by kong.
func (c *sweepCommand) Run(p *program) error {
	seeds, err := c.seeds()
	if err != nil {
		return err
	}
	if err := c.openLedger(p); err != nil {
		return err
	}
	bar := newBar(p.stderr, -1, "points")
	var mu sync.Mutex
	var counts sim.SweepCounts
	var failures []sweepFailure
	swept := 0
	start := time.Now()
	seeds.Each(p.ctx, c.Parallel, func(seed uint64) bool {
		s := sim.Sweep{Seed: seed, Orders: c.Orders, Depth: c.Depth, MaxPoints: c.Points, Progress: bar.step}
		n, err := s.Run(p.ctx)
		mu.Lock()
		defer mu.Unlock()
		counts.Add(n)
		if errors.Is(err, sim.ErrEnded) {
			return false
		}
		if swept++; err != nil {
			failures = append(failures, sweepFailure{seed, err})
		}
		return (err == nil || !c.StopAtFirst) && (c.Points == 0 || counts.Points < c.Points)
	})
	bar.close()
	printSweep(p, swept, &counts, time.Since(start))
	for _, f := range failures {
		fmt.Fprintf(p.text, "\nseed %d: %v\nagain: go run ./cmd/prove sweep --seeds %d --orders %d --depth %d\n", f.seed, f.err, f.seed, c.Orders, c.Depth)
	}
	if err := c.note("sweep", time.Since(start), len(failures), map[string]int{
		"seeds": swept, "points": counts.Points, "crashes": counts.Crashes, "nested": counts.Nested, "failed_operations": counts.Failures,
		"damaged_files": counts.Refused + counts.Served + counts.LostTails,
	}); err != nil {
		return err
	}
	switch {
	case len(failures) > 0:
		return fmt.Errorf("%d of %d seeds show a violation", len(failures), swept)
	case p.ctx.Err() != nil:
		return cli.ErrInterrupted
	case (c.Points > 0 || c.Depth < sim.MaxDepth) && counts.Crashes > 0:
		return nil // not everything was to be tried
	}
	return counts.Check()
}

// printSweep says what was done.
func printSweep(p *program, swept int, n *sim.SweepCounts, spent time.Duration) {
	fmt.Fprintf(p.text, "%d seeds, %d points in %v: %.1f points a second\n", swept, n.Points, spent.Round(time.Millisecond), float64(n.Points)/spent.Seconds())
	fmt.Fprintf(p.text, "crashes %d, of them %d in a recovery; outcomes known at a crash %d, not known %d\n", n.Crashes, n.Nested, n.Recoveries.Answered, n.Recoveries.Open)
	fmt.Fprintf(p.text, "outcomes expired %d, ids used again %d\n", n.Recoveries.Expired, n.Recoveries.Reused)
	fmt.Fprintf(p.text, "crashes at operations of the disk: %s\n", list(n.Ops))
	fmt.Fprintf(p.text, "stops at steps of the protocols, not yet durable: %s\n", list(n.Steps))
	fmt.Fprintf(p.text, "stops at steps of the protocols, just durable: %s\n", list(n.Durable))
	fmt.Fprintf(p.text, "failed writes and syncs %d, of them %d ended the process\n", n.Failures, n.FailStops)
	fmt.Fprintf(p.text, "damaged files: %s; refused %d, served in full %d, log tails lost as a whole %d\n", list(n.Damages), n.Refused, n.Served, n.LostTails)
	fmt.Fprintf(p.text, "deadlock oracle: %d rests with waiters, %d cycles, %d victims\n", n.Recoveries.Oracle.Rests, n.Recoveries.Oracle.Cycles, n.Recoveries.Oracle.Victims)
}

// list is a count of each kind.
func list[K ~string](counts map[K]int) string {
	var parts []string
	for _, kind := range sim.Kinds(counts) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(parts, ", ")
}
