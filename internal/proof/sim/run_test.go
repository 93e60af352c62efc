package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/table"
)

// short is a number of seeds, fewer under the race detector.
func short(n int) int {
	if racedetector.On {
		return max(2, n/10)
	}
	return n
}

func mustPlan(t *testing.T, seed uint64, orders int, faults ...Fault) Plan {
	t.Helper()
	p, err := NewPlan(seed, orders, faults)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSeeds runs seeds with all faults. Nothing is wrong, and everything that was to go wrong did.
func TestSeeds(t *testing.T) {
	b := Batch{Seeds: Seeds{1, uint64(short(150))}, Faults: AllFaults()}
	sum, err := b.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d seeds: %+v", sum.Seeds, sum.Counts)
	for _, f := range sum.Failures {
		t.Errorf("seed %d: %v\nit also fails with %d events: %v", f.Seed, f.Err, len(f.Shrunk.Events), f.Shrunk.Events)
	}
	if sum.Seeds != b.Seeds.Count() {
		t.Errorf("%d seeds were run, not %d", sum.Seeds, b.Seeds.Count())
	}
	if racedetector.On {
		return
	}
	if err := b.Check(sum); err != nil {
		t.Error(err)
	}
	if c := sum.Counts; c.FailStops < 25 || c.Deadlocks < 10 || c.Carried < 1000 || c.Refused < 50 || c.Starts < 500 || c.Oracle.Cycles < 10 || c.Fed < 1000 || c.Expired < 3000 || c.Reused < 1000 {
		t.Error("too little happened")
	}
}

// TestCountsAtRest: whatever has happened, whenever an engine has nothing to do each count is what there is to count.
func TestCountsAtRest(t *testing.T) {
	b := Batch{Seeds: Seeds{1, uint64(short(20))}, Faults: AllFaults(), StopAtFirst: true, ShrinkTries: -1, Parallel: 1}
	sum, err := b.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sum.Failures {
		t.Errorf("seed %d: %v", f.Seed, f.Err)
	}
	if want := 20 * sum.Seeds; sum.Counts.Stocks < want {
		t.Errorf("the engines were at rest %d times in %d seeds, that proves little", sum.Counts.Stocks, sum.Seeds)
	}
}

// TestEachFaultAlone: no fault hides behind another, and each works without the others.
func TestEachFaultAlone(t *testing.T) {
	for _, f := range AllFaults() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			b := Batch{Seeds: Seeds{1000, 1000 + uint64(short(10))}, Faults: []Fault{f}, Parallel: 1}
			sum, err := b.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range sum.Failures {
				t.Errorf("seed %d: %v", f.Seed, f.Err)
			}
		})
	}
}

// TestLongRun: runs may be long, in which logs are closed, also on a disk that fails.
func TestLongRun(t *testing.T) {
	for _, seed := range []uint64{2, 13} {
		result := mustPlan(t, seed, short(1200), FaultDisk).Run(t.Context(), RunOptions{})
		if result.Err != nil {
			t.Errorf("seed %d: %v", seed, result.Err)
		}
		if result.Counts.Failures == 0 && !racedetector.On {
			t.Errorf("seed %d: the disk did not fail", seed)
		}
	}
}

// TestSameSeedSameTrace: line for line, also of the operations of the disk; and another seed has another trace.
func TestSameSeedSameTrace(t *testing.T) {
	hashes := map[uint64]uint64{}
	for seed := range uint64(short(20)) {
		p := mustPlan(t, seed, 60, AllFaults()...)
		var traces [2][]string
		var results [2]Result
		for i := range traces {
			results[i] = p.Run(t.Context(), RunOptions{Trace: func(line string) { traces[i] = append(traces[i], line) }})
		}
		for i, line := range traces[0] {
			if i >= len(traces[1]) || traces[1][i] != line {
				t.Fatalf("seed %d: line %d is %q in one run only", seed, i, line)
			}
		}
		if results[0].Hash != results[1].Hash {
			t.Errorf("seed %d: the same lines have two hashes", seed)
		}
		if other, ok := hashes[results[0].Hash]; ok {
			t.Errorf("seeds %d and %d have the same hash", seed, other)
		}
		hashes[results[0].Hash] = seed
	}
}

// TestParallelIsTheSame: the hash of a batch does not depend on how many seeds are run at a time.
func TestParallelIsTheSame(t *testing.T) {
	var hashes []uint64
	for _, parallel := range []int{1, 4} {
		sum, err := Batch{Seeds: Seeds{50, 50 + uint64(short(20))}, Faults: AllFaults(), Parallel: parallel}.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, sum.Hash)
	}
	if hashes[0] != hashes[1] {
		t.Errorf("one at a time the hash is %x, four at a time %x", hashes[0], hashes[1])
	}
}

// plants are bugs that are planted into the engine's world from the outside. Each must be found by simulated runs and by sweeps.
var plants = map[string]func(d *Driver){
	"acknowledged without being written": func(d *Driver) {
		n := 0
		d.SealBy = func(_ uint64, batch *table.Batch, write func() error) error {
			if n++; n%7 == 0 {
				return nil
			}
			return write()
		}
	},
	"a disk that does not sync": func(d *Driver) { d.Disk.DropSyncs = true },
	"acknowledged before it is written": func(d *Driver) {
		var late []func() error
		d.SealBy = func(_ uint64, _ *table.Batch, write func() error) error {
			late = append(late, write)
			if len(late) < 3 {
				return nil
			}
			var errs []error
			for _, write := range late {
				errs = append(errs, write())
			}
			late = nil
			return errors.Join(errs...)
		}
	},
}

func TestRunsFindPlants(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			b := Batch{Seeds: Seeds{1, 200}, Faults: AllFaults(), StopAtFirst: true, ShrinkTries: 60, Prepare: plant}
			sum, err := b.Run(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if len(sum.Failures) == 0 {
				t.Fatalf("%d seeds did not find it", sum.Seeds)
			}
			f := sum.Failures[0]
			t.Logf("seed %d: %.300v", f.Seed, f.Err)
			full := mustPlan(t, f.Seed, DefaultOrders, AllFaults()...)
			if len(f.Shrunk.Events) >= len(full.Events) {
				t.Errorf("the plan has %d events and was not shrunk", len(full.Events))
			}
			if f.Shrunk.Run(t.Context(), RunOptions{Prepare: plant}).Err == nil {
				t.Error("the shrunk plan does not fail")
			}
			if err := f.Shrunk.Run(t.Context(), RunOptions{}).Err; err != nil {
				t.Errorf("the shrunk plan fails also without the plant: %v", err)
			}
		})
	}
}

func TestSweepsFindPlants(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			s := Sweep{Seed: 1, Orders: 5, Prepare: plant}
			n, err := s.Run(t.Context())
			if err == nil {
				t.Fatalf("%d points did not find it", n.Points)
			}
			t.Logf("after %d points: %.300v", n.Points, err)
		})
	}
}

// TestSweep sweeps a few seeds.
func TestSweep(t *testing.T) {
	var c SweepCounts
	for seed := range uint64(short(20)) / 10 {
		s := Sweep{Seed: seed + 3, Orders: 12}
		if racedetector.On {
			s.MaxPoints = 300
		}
		n, err := s.Run(t.Context())
		if err != nil {
			t.Errorf("seed %d: %v", seed+3, err)
		}
		c.Add(n)
	}
	t.Logf("%+v", c)
	if racedetector.On {
		return
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if c.Points < 2000 || c.Nested < 1000 || c.Failures < 20 || c.Refused < 50 || c.Ops[OpSync] < 100 || c.Ops[OpWrite] < 100 ||
		c.Recoveries.Expired < 1000 || c.Recoveries.Reused < 1000 {
		t.Error("too few points")
	}
}

func TestSweepStopsAfterEnough(t *testing.T) {
	n, err := (&Sweep{Seed: 1, MaxPoints: 20}).Run(t.Context())
	if err != nil || n.Points < 20 || n.Points > 30 {
		t.Errorf("%d points, %v; about 20 were asked for", n.Points, err)
	}
	if err := n.Check(); err == nil {
		t.Error("20 points are taken for a proof")
	}
	if _, err := (&Sweep{Depth: 4}).Run(t.Context()); err == nil {
		t.Error("a depth of 4 is taken")
	}
}

// TestEnded: a sweep, a seed and the search for a smaller plan end with their context, soon and without a finding.
func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	points := 0
	s := Sweep{Seed: 1, Progress: func() {
		if points++; points == 5 {
			cancel()
		}
	}}
	if n, err := s.Run(ctx); !errors.Is(err, ErrEnded) || n.Points < 5 || n.Points > 100 {
		t.Errorf("%d points, %v", n.Points, err)
	}
	events := 0
	ended := RunOptions{Trace: func(string) { events++ }}
	if r := mustPlan(t, 1, 1000, AllFaults()...).Run(ctx, ended); !errors.Is(r.Err, ErrEnded) || events > 500 {
		t.Errorf("a plan: %v after %d lines", r.Err, events)
	}
	b := Batch{Seeds: Seeds{1, 3}}
	if sum, err := b.Run(ctx); err != nil || sum.Seeds != 0 || len(sum.Failures) > 0 {
		t.Errorf("a batch: %+v, %v", sum, err)
	}
	plan := mustPlan(t, 1, DefaultOrders, AllFaults()...)
	if f := b.examine(ctx, plan, Result{Err: errRows}); len(f.Shrunk.Events) != len(plan.Events) {
		t.Errorf("it was made smaller: %d events of %d", len(f.Shrunk.Events), len(plan.Events))
	}
}

// TestStopHidesNothing that is found at the very point where a sweep stops.
func TestStopHidesNothing(t *testing.T) {
	for _, stop := range []error{errEnough, ErrEnded} {
		if err := wrongFirst(stop, nil, errRows); !errors.Is(err, errRows) || errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
		if err := wrongFirst(nil, stop); !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
	}
	if err := wrongFirst(nil, nil); err != nil {
		t.Error(err)
	}
}

func TestNothingProvesNothing(t *testing.T) {
	b := Batch{Seeds: Seeds{1, 60}, Faults: []Fault{FaultCancel}}
	if b.Check(Summary{}) == nil {
		t.Error("no run is taken for a proof")
	}
	err := b.Check(Summary{Seeds: 60, Counts: Counts{Answers: 5}})
	if err == nil || !strings.Contains(err.Error(), "cancel") {
		t.Errorf("a fault that never came: %v", err)
	}
}

func TestShrink(t *testing.T) {
	p := Plan{}
	for n := range 100 {
		p.Events = append(p.Events, Event{Kind: EvSteps, N: n})
	}
	has := func(p Plan, n int) bool { return slices.ContainsFunc(p.Events, func(e Event) bool { return e.N == n }) }
	tries := 0
	small := p.Shrink(func(p Plan) bool { tries++; return has(p, 17) && has(p, 81) }, 1000)
	if len(small.Events) != 2 || !has(small, 17) || !has(small, 81) {
		t.Errorf("shrunk to %v", small.Events)
	}
	if tries > 200 {
		t.Errorf("%d tries", tries)
	}
	tries = 0
	p.Shrink(func(Plan) bool { tries++; return false }, 13)
	if tries != 13 {
		t.Errorf("%d tries, allowed were 13", tries)
	}
}

func TestBadInput(t *testing.T) {
	for text, want := range map[string]string{
		"9-3": "wrong way round", "x": "not \"x\"", "1-": "not", "-5": "not", "": "not", "0-99999999999": "more than",
	} {
		if _, err := ParseSeeds(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("seeds %q: %v", text, err)
		}
	}
	if s, err := ParseSeeds("7"); err != nil || s != (Seeds{7, 7}) || s.Count() != 1 {
		t.Errorf("seeds 7: %v, %v", s, err)
	}
	if _, err := ParseFaults("kill,fire"); err == nil || !strings.Contains(err.Error(), "fire") {
		t.Errorf("fault fire: %v", err)
	}
	for list, want := range map[string]int{"all": len(AllFaults()), "none": 0, "kill, disk": 2} {
		if got, err := ParseFaults(list); err != nil || len(got) != want {
			t.Errorf("faults %q: %v, %v", list, got, err)
		}
	}
	for _, orders := range []int{0, -1, MaxOrders + 1} {
		if _, err := NewPlan(1, orders, nil); err == nil {
			t.Errorf("%d orders are taken", orders)
		}
	}
}
