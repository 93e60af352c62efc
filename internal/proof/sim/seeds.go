package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Seeds is a range of seeds, both ends included.
type Seeds struct{ First, Last uint64 }

// MaxSeeds bounds the seeds of one run.
const MaxSeeds = 100_000_000

// ParseSeeds reads "7" or "1-2000".
func ParseSeeds(text string) (s Seeds, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	var errs [2]error
	s.First, errs[0] = strconv.ParseUint(first, 10, 64)
	s.Last, errs[1] = strconv.ParseUint(last, 10, 64)
	switch err := errors.Join(errs[:]...); {
	case err != nil:
		return s, fmt.Errorf("sim: seeds are a number or a range such as 1-2000, not %q: %w", text, err)
	case s.First > s.Last:
		return s, fmt.Errorf("sim: the seeds %d-%d are the wrong way round", s.First, s.Last)
	case s.Last-s.First >= MaxSeeds:
		return s, fmt.Errorf("sim: %d-%d are more than %d seeds", s.First, s.Last, MaxSeeds)
	}
	return s, nil
}

// Count is the number of seeds.
func (s Seeds) Count() int { return int(s.Last-s.First) + 1 }

// Each calls do for each seed, some at a time (0: GOMAXPROCS), and stops when do returns false or ctx ends. It returns when all calls
// have returned.
func (s Seeds) Each(ctx context.Context, parallel int, do func(seed uint64) bool) {
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	next := make(chan uint64)
	for range min(parallel, s.Count()) {
		group.Go(func() {
			for seed := range next {
				if !do(seed) {
					stop()
				}
			}
		})
	}
	for i := range uint64(s.Count()) {
		if ctx.Err() != nil {
			break
		}
		select {
		case next <- s.First + i:
		case <-ctx.Done():
		}
	}
	close(next)
	group.Wait()
}

// Batch says how many plans are run.
type Batch struct {
	Seeds    Seeds
	Orders   int     // a plan. Default: DefaultOrders
	Faults   []Fault // of which each seed switches some on
	Parallel int     // seeds at a time. Default: GOMAXPROCS
	// StopAtFirst ends the batch at the first violation. By default all seeds are run.
	StopAtFirst bool
	// ShrinkTries bounds the plans that are tried to make a failing one smaller; negative: none. Default: 400.
	ShrinkTries int
	// Progress, if set, is told of each seed that is done, on any goroutine.
	Progress func()
	// Trace, if set, takes the traces of all seeds: for one seed at a time.
	Trace func(line string)
	// Prepare is that of RunOptions.
	Prepare func(d *Driver)
}

// Failure is a seed that shows a violation.
type Failure struct {
	Seed   uint64
	Err    error
	Shrunk Plan // fails too
}

// Summary is what became of a batch.
type Summary struct {
	Seeds    int
	Counts   Counts
	Hash     uint64 // over the hashes of all seeds, in whatever order they were run
	Failures []Failure
}

// Run runs the batch until it is over or ctx ends: seeds that it cuts short do not count.
func (b Batch) Run(ctx context.Context) (Summary, error) {
	if b.Orders == 0 {
		b.Orders = DefaultOrders
	}
	if b.ShrinkTries == 0 {
		b.ShrinkTries = 400
	}
	if _, err := NewPlan(b.Seeds.First, b.Orders, b.Faults); err != nil {
		return Summary{}, err
	}
	var mu sync.Mutex
	var sum Summary
	b.Seeds.Each(ctx, b.Parallel, func(seed uint64) bool {
		plan, err := NewPlan(seed, b.Orders, b.Faults)
		if err != nil {
			panic(err) // it was good for the first seed
		}
		result := plan.Run(ctx, RunOptions{Trace: b.Trace, Prepare: b.Prepare})
		if errors.Is(result.Err, ErrEnded) {
			return false
		}
		failure := b.examine(ctx, plan, result)
		mu.Lock()
		defer mu.Unlock()
		sum.Seeds++
		sum.Counts.Add(result.Counts)
		sum.Hash += mix(seed, result.Hash)
		if failure != nil {
			sum.Failures = append(sum.Failures, *failure)
		}
		if b.Progress != nil {
			b.Progress()
		}
		return failure == nil || !b.StopAtFirst
	})
	slices.SortFunc(sum.Failures, func(x, y Failure) int { return int(int64(x.Seed - y.Seed)) })
	return sum, nil
}

// examine makes the plan of a run that failed smaller, until ctx ends.
func (b Batch) examine(ctx context.Context, plan Plan, result Result) *Failure {
	if result.Err == nil {
		return nil
	}
	f := &Failure{Seed: plan.Seed, Err: result.Err, Shrunk: plan}
	if b.ShrinkTries > 0 {
		f.Shrunk = plan.Shrink(func(p Plan) bool {
			err := p.Run(ctx, RunOptions{Prepare: b.Prepare}).Err
			return err != nil && !errors.Is(err, ErrEnded)
		}, b.ShrinkTries)
	}
	return f
}

// Check reports what a batch should have done and did not: a proof that tried nothing proves nothing.
func (b Batch) Check(s Summary) error {
	if s.Seeds == 0 || s.Counts.Answers == 0 {
		return errors.New("sim: nothing was run")
	}
	if s.Seeds < seedsToTellAll {
		return nil
	}
	for _, f := range b.Faults {
		for _, kind := range shows(f) {
			if s.Counts.Events[kind] == 0 {
				return fmt.Errorf("sim: in %d seeds there was no %q, though %q is on: nothing is proved of it", s.Seeds, kind, f)
			}
		}
	}
	return nil
}

// seedsToTellAll is from how many seeds on each fault must have happened.
const seedsToTellAll = 50

// shows are the events by which a fault shows.
func shows(f Fault) []EventKind {
	switch f {
	case FaultKill, FaultPower:
		return []EventKind{EvCrash, EvCrashAt}
	case FaultDisk:
		return []EventKind{EvFailAt}
	case FaultFull:
		return []EventKind{EvFull, EvRoom}
	case FaultSlow:
		return []EventKind{EvSlow}
	case FaultClock:
		return []EventKind{EvJump}
	case FaultGiveUp:
		return []EventKind{EvGiveUp}
	case FaultAgain:
		return []EventKind{EvAgain}
	case FaultCancel:
		return []EventKind{EvCancel}
	case FaultDecide:
		return []EventKind{EvDecide}
	case FaultClose:
		return []EventKind{EvClose}
	case FaultExpire:
		return []EventKind{EvAge, EvReuse}
	}
	return nil
}

func mix(seed, h uint64) uint64 {
	f := fnv.New64a()
	fmt.Fprintf(f, "%d %d", seed, h)
	return f.Sum64()
}
