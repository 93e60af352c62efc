package deadlock

import (
	"fmt"
	"slices"
	"testing"

	"github.com/concordat-dev/concordat/locks"
)

// shuffled returns 0 to n-1 in an order that is the same each time.
func shuffled(n, seed int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	state := uint64(seed)*2862933555777941757 + 3037000493
	for i := n - 1; i > 0; i-- {
		state = state*6364136223846793005 + 1442695040888963407
		j := int(state>>33) % (i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// transfers are n transactions over few locks, each of which takes one and then
// another: most wait for their first, the holders for each other.
func transfers(n, nLocks int) *world {
	w := newWorld(transactions(n), nLocks)
	order := shuffled(n, 1)
	for _, i := range order {
		w.ask(i, i%nLocks, locks.Exclusive)
	}
	for _, i := range order {
		if !w.claims[i][i%nLocks].Waiting() {
			w.ask(i, second(i, nLocks), locks.Exclusive)
		}
	}
	return w
}

func second(i, nLocks int) int { return (i%nLocks + 1 + i/nLocks%(nLocks-1)) % nLocks }

// parallel are n transactions each of which asks for two locks at once, and
// arrives at each lock in another order.
func parallel(n, nLocks int) *world {
	w := newWorld(transactions(n), nLocks)
	for lock := range nLocks {
		for _, i := range shuffled(n, lock+2) {
			if i%nLocks == lock || second(i, nLocks) == lock {
				w.ask(i, lock, locks.Exclusive)
			}
		}
	}
	return w
}

// hotKey has n waiters on lock 0, which also hold lock 1 together. If deadlocked,
// the holder of lock 0 waits for the last of them, at lock 2.
func hotKey(n int, mode locks.Mode, deadlocked bool) *world {
	w := newWorld(transactions(n+1), 3)
	w.ask(0, 0, locks.Exclusive)
	w.ask(n, 2, locks.Exclusive)
	for i := range n {
		w.ask(i+1, 1, locks.Shared)
	}
	for _, i := range shuffled(n-1, 1) {
		w.ask(i+1, 0, mode)
	}
	w.ask(n, 0, locks.Exclusive)
	if deadlocked {
		w.ask(0, 2, locks.Exclusive)
	}
	return w
}

// opposed has n transactions that wait for two locks in opposite orders: each
// two of them are a deadlock.
func opposed(n int) *world {
	w := newWorld(transactions(n+1), 2)
	w.ask(n, 0, locks.Exclusive)
	w.ask(n, 1, locks.Exclusive)
	order := shuffled(n, 1)
	for _, i := range order {
		w.ask(i, 0, locks.Exclusive)
	}
	slices.Reverse(order)
	for _, i := range order {
		w.ask(i, 1, locks.Exclusive)
	}
	return w
}

// 10,000 waiters on one key cost ten times what 1,000 cost.
func TestManyWaitersAreLinear(t *testing.T) {
	for _, tc := range []struct {
		name    string
		build   func(n int) *world
		victims func(n int) int
	}{
		{"exclusive", func(n int) *world { return hotKey(n, locks.Exclusive, false) }, func(int) int { return 0 }},
		{"shared", func(n int) *world { return hotKey(n, locks.Shared, false) }, func(int) int { return 0 }},
		{"exclusive, in a deadlock of two", func(n int) *world { return hotKey(n, locks.Exclusive, true) }, func(int) int { return 1 }},
		{"shared, in a deadlock of two", func(n int) *world { return hotKey(n, locks.Shared, true) }, func(int) int { return 1 }},
		{"each two a deadlock", opposed, func(n int) int { return n - 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, n := range []int{1_000, 10_000} {
				var g Graph
				tc.build(n).addTo(&g)
				if got, want := len(g.Break()), tc.victims(n); got != want {
					t.Fatalf("%d waiters: %d victims, want %d", n, got, want)
				}
				t.Logf("%d waiters: %.1f steps each", n, float64(g.steps)/float64(n))
				if g.steps > 20*n {
					t.Errorf("%d waiters took %d steps", n, g.steps)
				}
			}
		})
	}
}

// A deadlock among the few holders costs nobody else his place in the queue.
func TestTransfersHaveFewVictims(t *testing.T) {
	var g Graph
	w := transfers(512, 10)
	w.addTo(&g)
	cycles := g.Break()
	if len(cycles) == 0 || len(cycles) > 9 {
		t.Fatalf("%d victims among 10 holders", len(cycles))
	}
	for _, c := range cycles {
		checkCycle(t, w, c)
		w.abort(w.find(c.Victim))
	}
	if w.explicit().cyclic() {
		t.Fatal("a cycle is left")
	}
}

// Parallel calls of hundreds of transactions in all orders need hundreds of
// victims, and each one is justified.
func TestParallelStorm(t *testing.T) {
	var g Graph
	w := parallel(200, 10)
	w.addTo(&g)
	cycles := g.Break()
	t.Logf("%d victims of 200", len(cycles))
	for _, c := range cycles {
		checkCycle(t, w, c)
		w.abort(w.find(c.Victim))
	}
	if w.explicit().cyclic() {
		t.Fatal("a cycle is left")
	}
}

func TestBreakAllocatesNothingWhenWarm(t *testing.T) {
	var g Graph
	w := parallel(100, 10)
	again := func() {
		g.Reset()
		w.addTo(&g)
		g.Break()
	}
	again()
	if allocs := testing.AllocsPerRun(10, again); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkBreak(b *testing.B) {
	for _, bc := range []struct {
		name string
		w    *world
	}{
		{"transfers-512-over-10", transfers(512, 10)},
		{"parallel-512-over-10", parallel(512, 10)},
		{"hot-key-10000", hotKey(10_000, locks.Exclusive, false)},
		{"hot-key-10000-deadlocked", hotKey(10_000, locks.Exclusive, true)},
		{"opposed-10000", opposed(10_000)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var g Graph
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				g.Reset()
				bc.w.addTo(&g)
				n = len(g.Break())
			}
			b.ReportMetric(float64(n), "victims")
			b.ReportMetric(float64(g.steps), "steps")
		})
	}
}

func ExampleCycle() {
	var lockA, lockB locks.Lock[string]
	old, young := locks.Owner{ID: 1}, locks.Owner{ID: 2}
	oldA, oldB := locks.Claim[string]{Owner: old}, locks.Claim[string]{Owner: old}
	youngA, youngB := locks.Claim[string]{Owner: young}, locks.Claim[string]{Owner: young}
	lockA.Acquire(&oldA, locks.Exclusive, locks.Detect, false, nil)
	lockB.Acquire(&youngB, locks.Shared, locks.Detect, false, nil)
	lockB.Acquire(&oldB, locks.Exclusive, locks.Detect, false, nil)
	lockA.Acquire(&youngA, locks.Shared, locks.Detect, false, nil)

	var g Graph
	AddLock(&g, 100, &lockA)
	AddLock(&g, 200, &lockB)
	for _, c := range g.Break() {
		fmt.Println(c)
	}
	// Output:
	// victim 2/0, the youngest of 2
	//   2/0 wants resource 100 shared, waits for 1/0, which holds exclusive
	//   1/0 wants resource 200 exclusive, waits for 2/0, which holds shared
}
