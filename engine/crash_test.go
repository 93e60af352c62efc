package engine_test

import (
	"flag"
	"fmt"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/racedetector"
)

// More runs: go test ./engine -run TestCrash -crash.runs 10000. One again: -run TestCrash -crash.seed N.
var (
	crashRuns = flag.Int("crash.runs", racedetector.Fewer(20, 5), "seeds that TestCrash runs, each with several crashes")
	crashSeed = flag.Uint64("crash.seed", 0, "the one seed that TestCrash runs")
	crashFrom = flag.Uint64("crash.from", 1, "the first seed that TestCrash runs")
)

// crashCount says what the runs of TestCrash did.
type crashCount struct {
	mu sync.Mutex
	sim.RecoveryCounts
	ops, tables, reused int
}

// TestCrash lets the power fail at random moments of a stepped run of all protocols: between steps, before and after a seal, and
// at operations of the file system, with none, some and most of what was not synced kept. On what is left it opens an engine
// (and lets the power fail while it does, up to three deep), compares its rows with those that were sealed, runs it until it is at
// rest, asks all requests again, and audits.
func TestCrash(t *testing.T) {
	var count crashCount
	seeds := []uint64{*crashSeed}
	if *crashSeed == 0 {
		seeds = seeds[:0]
		for i := range *crashRuns {
			seeds = append(seeds, *crashFrom+uint64(i))
		}
	}
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				crashRun(t, seed, &count)
				if t.Failed() {
					t.Logf("again: go test ./engine -run 'TestCrash$' -crash.seed %d", seed)
				}
			})
		}
	})
	t.Logf("%d seeds: %+v; %d file system operations, %d tables, %d logs recycled", len(seeds), count.RecoveryCounts, count.ops, count.tables, count.reused)
	if len(seeds) >= 20 && (count.Points < 5*len(seeds) || count.Nested < len(seeds) || count.Open < 10*len(seeds) ||
		count.Carried < 100 || count.Decided < 40 || count.Fired < 100 || count.Expired < 1000 || count.Reused < 200) {
		t.Error("the test tests too little")
	}
}

func crashRun(t *testing.T, seed uint64, count *crashCount) {
	d := sim.NewDriver(seed)
	take := d.Watch(seed)
	snapshot, tables := d.Disk.OnOp, 0
	d.Disk.OnOp = func(op sim.Op) error {
		count.mu.Lock() // the store has goroutines of its own
		if op.Kind == sim.OpCreate && op.File() == "table" {
			tables++
		}
		count.mu.Unlock()
		return snapshot(op)
	}
	must(t, d.Open())
	must(t, d.Run(120))
	must(t, d.Wrong())
	r := sim.NewRecovery(seed)
	r.Extra = 40
	for _, shot := range take() {
		if err := r.Run(shot, 1); err != nil {
			t.Errorf("seed %d, %v", seed, err)
			break
		}
	}
	count.mu.Lock()
	count.Add(r.Counts)
	count.Carried += int(d.Engine.Stats().Carried)
	count.tables += tables
	for kind, n := range d.Disk.Ops() {
		count.ops += n
		if kind == sim.OpReuse {
			count.reused += n
		}
	}
	count.mu.Unlock()
	must(t, d.Settle())
	must(t, d.Engine.Close())
}
