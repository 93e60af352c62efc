package topics

import (
	"testing"

	"github.com/concordat-dev/concordat/internal/racedetector"
)

// TestSeeds: over crashes of the engine at any step, fetches that fail, lost answers, transactions that commit late, are aborted for their age or by
// a claim, and zombies of earlier openings that go on writing, each record takes effect once, and a consumer that reads what is committed
// sees each event, answer and dead letter once and in the order of its key.
func TestSeeds(t *testing.T) {
	var sum Counts
	for seed := range racedetector.Fewer(uint64(40), 8) {
		counts, err := Run(seed)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		sum.Add(counts)
	}
	for what, n := range sum.Map() {
		if n < racedetector.Fewer(10, 1) {
			t.Errorf("there were %d %s, that proves little", n, what)
		}
	}
}

// TestSeedsRepeat: a seed is all that decides about a run.
func TestSeedsRepeat(t *testing.T) {
	first, err := Run(7)
	again, errAgain := Run(7)
	if err != nil || errAgain != nil || first != again {
		t.Errorf("%+v, %v; again %+v, %v", first, err, again, errAgain)
	}
}
