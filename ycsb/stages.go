package ycsb

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxSweepers bounds the goroutines that load and audit.
const maxSweepers = 512

// load makes the rows: stage 1.
func load(ctx context.Context, config Config, target Target) error {
	if err := sweep(ctx, config, "load", func(ctx context.Context, key int) error { return target.Load(ctx, key) }); err != nil {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		return fmt.Errorf("ycsb: load the rows: %w", err)
	}
	return nil
}

// audit sums all balances. Nothing else may be under way. It is not cancelled: a run that was interrupted is audited too.
func audit(config Config, target Target) (int64, error) {
	var sum atomic.Int64
	err := sweep(context.Background(), config, "audit", func(ctx context.Context, key int) error {
		balance, err := target.Balance(ctx, key)
		sum.Add(balance)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ycsb: audit the balances: %w", err)
	}
	return sum.Load(), nil
}

// sweep calls visit once for each key, for several at a time, until one fails or the context is cancelled.
func sweep(ctx context.Context, config Config, stage string, visit func(context.Context, int) error) error {
	var next, done atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	stopReports := every(config.OnProgress, func() Progress {
		n := done.Load()
		share := float64(n) / float64(config.Keys)
		return Progress{Stage: stage, Done: share, Count: uint64(n), Total: uint64(config.Keys), Spent: time.Since(began)}
	})
	defer stopReports()
	var sweepers sync.WaitGroup
	for range min(config.Keys, maxSweepers) {
		sweepers.Go(func() {
			for key := int(next.Add(1)) - 1; key < config.Keys && ctx.Err() == nil; key = int(next.Add(1)) - 1 {
				if err := visit(ctx, key); err != nil {
					cancel(fmt.Errorf("key %d: %w", key, err))
				}
				done.Add(1)
			}
		})
	}
	sweepers.Wait()
	return context.Cause(ctx)
}

// reportProgress reports the mix's progress until the returned function is called.
func (r *mixRun) reportProgress() (stop func()) {
	return every(r.config.OnProgress, func() Progress {
		now := time.Now()
		p := Progress{Stage: "warm-up", Spent: now.Sub(r.start)}
		part := r.from.Sub(r.start)
		if !now.Before(r.from) {
			p.Stage, p.Spent, part = "run", now.Sub(r.from), r.to.Sub(r.from)
		}
		p.Done = min(1, p.Spent.Seconds()/max(part.Seconds(), 1e-9))
		for _, c := range r.clients {
			p.Count += c.done.Load()
		}
		return p
	})
}

// every calls report with what look returns, about five times a second and once more at the end.
func every(report func(Progress), look func() Progress) (stop func()) {
	if report == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reporter sync.WaitGroup
	reporter.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				report(look())
			case <-ctx.Done():
				report(look())
				return
			}
		}
	})
	return func() {
		cancel()
		reporter.Wait()
	}
}
