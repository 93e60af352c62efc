package seen

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func filled(maxBytes, n int) (*Filter, []uint64) {
	f := New(maxBytes)
	f.Begin()
	f.End()
	rng := rand.New(rand.NewPCG(1, 2))
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = rng.Uint64()
		f.Add(hashes[i])
	}
	return f, hashes
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

func TestEverythingMayHaveBeenSeenBeforeTheFirstMaking(t *testing.T) {
	f := New(1 << 20)
	if !f.May(1) || f.Ready() {
		t.Error("an unmade filter says that something is new")
	}
}

func TestNothingIsForgottenAndFewFalseAlarms(t *testing.T) {
	f, hashes := filled(64<<20, 1_000_000)
	for _, h := range hashes {
		if !f.May(h) {
			t.Fatalf("%x was added and is called new", h)
		}
	}
	if alarms := falseAlarms(f, 100_000); alarms > 500 {
		t.Errorf("%d false alarms in 100,000 looks", alarms)
	}
}

func TestMemoryStaysWithinItsBound(t *testing.T) {
	f, hashes := filled(1<<20, 2_000_000)
	if bytes := f.current.Load().bytes; bytes > 1<<20 {
		t.Errorf("%d bytes", bytes)
	}
	for _, h := range hashes {
		if !f.May(h) {
			t.Fatalf("%x was added and is called new", h)
		}
	}
}

func TestMakingAnewForgetsWhatIsGone(t *testing.T) {
	f, hashes := filled(64<<20, 100_000)
	f.Begin()
	for _, h := range hashes[:1000] {
		f.Keep(h)
	}
	f.Add(42)
	f.End()
	for _, h := range append(hashes[:1000:1000], 42) {
		if !f.May(h) {
			t.Fatalf("%x is still there and is called new", h)
		}
	}
	gone := 0
	for _, h := range hashes[1000:] {
		if !f.May(h) {
			gone++
		}
	}
	if gone < 95_000 {
		t.Errorf("only %d of 99,000 are forgotten", gone)
	}
}

func TestAddsBesideGrowthAndMakingAnew(t *testing.T) {
	f, _ := filled(64<<20, 0)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(5, uint64(g)))
			for range 100_000 {
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
