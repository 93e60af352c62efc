package seen

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func filled(maxBytes, n int) (*Filter, []uint64) {
	f := New(maxBytes)
	f.Found()
	return f, fill(f, 1, n)
}

func fill(f *Filter, seed uint64, n int) []uint64 {
	rng := rand.New(rand.NewPCG(seed, 2))
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = rng.Uint64()
		f.Add(hashes[i])
	}
	return hashes
}

func falseAlarms(f *Filter, looks int) int {
	rng := rand.New(rand.NewPCG(3, 4))
	alarms := 0
	for range looks {
		if f.May(rng.Uint64()) {
			alarms++
		}
	}
	return alarms
}

func wantSeen(t *testing.T, f *Filter, hashes []uint64) {
	t.Helper()
	for _, h := range hashes {
		if !f.May(h) {
			t.Fatalf("%x was added and is called new", h)
		}
	}
}

func TestEverythingMayHaveBeenSeenUntilAllIsFound(t *testing.T) {
	f := New(1 << 20)
	f.Turn()
	f.Find(1)
	if !f.May(2) {
		t.Error("a filter that was not found says that something is new")
	}
	f.Found()
	if !f.May(1) || f.May(2) {
		t.Error("one was found, two was not")
	}
}

func TestNothingIsForgottenAndFewFalseAlarms(t *testing.T) {
	f, hashes := filled(64<<20, 1_000_000)
	wantSeen(t, f, hashes)
	if alarms := falseAlarms(f, 100_000); alarms > 500 {
		t.Errorf("%d false alarms in 100,000 looks", alarms)
	}
}

func TestMemoryStaysWithinItsBound(t *testing.T) {
	f, hashes := filled(1<<20, 2_000_000)
	if bytes := (*f.all.Load())[0].grown.Load().bytes; bytes > 1<<20 {
		t.Errorf("%d bytes", bytes)
	}
	wantSeen(t, f, hashes)
}

// TestDroppedGenerationsAreForgotten: those before are, and what was added later is not; also of the generation that was there first, which
// may be dropped before all of it was found.
func TestDroppedGenerationsAreForgotten(t *testing.T) {
	f := New(64 << 20)
	f.Turn()
	second := fill(f, 5, 1000)
	f.Find(1)
	f.Drop()
	f.Find(2)
	f.Found()
	if f.May(1) || f.May(2) {
		t.Error("what was found for a generation that is gone is known")
	}
	wantSeen(t, f, second)
	f.Turn()
	third := fill(f, 6, 1000)
	wantSeen(t, f, append(second, third...))
	f.Drop()
	wantSeen(t, f, third)
	gone := 0
	for _, h := range second {
		if !f.May(h) {
			gone++
		}
	}
	if gone < 990 {
		t.Errorf("only %d of 1,000 are forgotten", gone)
	}
}

func TestAddsBesideGrowthAndTurns(t *testing.T) {
	f, _ := filled(64<<20, 0)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(5, uint64(g)))
			for i := range 100_000 {
				if g == 0 && i%10_000 == 0 {
					f.Turn()
				}
				h := rng.Uint64()
				f.Add(h)
				if !f.May(h) {
					t.Errorf("%x was just added and is called new", h)
					return
				}
			}
		})
	}
	group.Wait()
}
