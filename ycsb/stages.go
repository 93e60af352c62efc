package ycsb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxSweepers bounds the goroutines of a sweep.
const maxSweepers = 512

// load makes the data.
func load(ctx context.Context, d Driving, w Workload) error {
	stage := newStage("load")
	defer every(d.OnProgress, stage.look)()
	if err := patiently(d.Patience, "load", stage.answers, stage.incomplete, func() error { return w.Load(ctx, stage.progress) }); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ErrStore) {
			return ErrInterrupted
		}
		return fmt.Errorf("ycsb: load: %w", err)
	}
	return nil
}

// audit looks at the data. Nothing else may be under way. It is not cancelled: a run that was interrupted is audited too.
func audit(d Driving, w Workload) (Audit, error) {
	stage := newStage("audit")
	defer every(d.OnProgress, stage.look)()
	seen := make(chan Audit, 1)
	err := patiently(d.Patience, "audit", stage.answers, always, func() error {
		a, err := w.Audit(context.Background(), stage.progress)
		seen <- a
		return err
	})
	if err != nil {
		return Audit{}, fmt.Errorf("ycsb: the audit could not read: %w", err)
	}
	return <-seen, nil
}

// stage is a part of the run that ends when all its steps are done.
type stage struct {
	name        string
	began       time.Time
	done, total atomic.Int64
}

func newStage(name string) *stage { return &stage{name: name, began: time.Now()} }

// progress is what a workload calls; what it says last may come before what it says first, so the count never falls.
func (s *stage) progress(done, total int) {
	s.total.Store(int64(total))
	for seen := s.done.Load(); int64(done) > seen && !s.done.CompareAndSwap(seen, int64(done)); seen = s.done.Load() {
	}
}

// answers is how many steps are done.
func (s *stage) answers() uint64 { return uint64(s.done.Load()) }

// incomplete reports whether steps are left; what comes after them is not the store's work.
func (s *stage) incomplete() bool { return s.total.Load() == 0 || s.done.Load() < s.total.Load() }

func (s *stage) look() Progress {
	done, total := s.done.Load(), s.total.Load()
	p := Progress{Stage: s.name, Count: uint64(done), Total: uint64(total), Spent: time.Since(s.began)}
	if total > 0 {
		p.Done = min(1, float64(done)/float64(total))
	}
	return p
}

// Sweep calls visit once for each number from 0 to n-1, for up to 512 at a time, until one fails or the context is cancelled.
// It calls progress after each. Workloads load and audit with it.
func Sweep(ctx context.Context, n int, progress func(done, total int), visit func(ctx context.Context, i int) error) error {
	var next, done atomic.Int64
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sweepers sync.WaitGroup
	for range min(n, maxSweepers) {
		sweepers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := visit(ctx, i); err != nil {
					cancel(fmt.Errorf("number %d: %w", i, err))
				}
				progress(int(done.Add(1)), n)
			}
		})
	}
	sweepers.Wait()
	return context.Cause(ctx)
}

// reportProgress reports the mix's progress until the returned function is called.
func (r *mixRun) reportProgress() (stop func()) {
	return every(r.driving.OnProgress, func() Progress {
		now := time.Now()
		p := Progress{Stage: "warm-up", Spent: now.Sub(r.start)}
		part := r.from.Sub(r.start)
		p.Count = r.answers()
		if !now.Before(r.from) {
			p.Stage, p.Spent, part = "run", now.Sub(r.from), r.to.Sub(r.from)
			p.P99 = r.measured.recentP99(p.Spent)
			if r.driving.Operations > 0 {
				p.Done = float64(p.Count) / float64(r.driving.Operations)
			}
		}
		p.Done = min(1, max(p.Done, p.Spent.Seconds()/max(part.Seconds(), 1e-9)))
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
