package deadlock

import (
	"slices"
	"testing"

	"github.com/concordat-dev/concordat/locks"
)

// bank runs transfers to their end: each takes two locks, one after the other,
// in either order, and releases both. Victims start anew, keeping their age.
type bank struct {
	*world
	done     []bool
	attempts []int
	todo     []int // transfers that can go on
	victims  int
}

func newBank(n, nLocks int) *bank {
	return &bank{
		world: newWorld(transactions(n), nLocks),
		done:  make([]bool, n), attempts: make([]int, n), todo: shuffled(n, 1),
	}
}

// run goes on until nobody can, breaks the deadlocks by pick, and so on.
func (b *bank) run(t *testing.T, pick func(w *world) []locks.Owner) {
	for {
		for len(b.todo) > 0 {
			i := b.todo[0]
			b.todo = b.todo[1:]
			b.step(i)
		}
		if !slices.Contains(b.done, false) {
			return
		}
		found := pick(b.world)
		if len(found) == 0 {
			t.Fatal("nobody can go on, and no victim")
		}
		b.victims += len(found)
		for _, v := range found {
			b.leave(b.find(v))
		}
		for _, v := range found {
			b.attempts[b.find(v)]++
			b.todo = append(b.todo, b.find(v))
		}
	}
}

func (b *bank) step(i int) {
	takes := []int{i % len(b.locks), second(i, len(b.locks))}
	if i%2 == 1 {
		slices.Reverse(takes)
	}
	for _, n := range takes {
		if c := &b.claims[i][n]; c.Held() == locks.None {
			if b.ask(i, n, locks.Exclusive); !c.Waiting() {
				b.todo = append(b.todo, i) // the others first
			}
			return
		}
	}
	b.done[i] = true
	b.leave(i)
}

func (b *bank) leave(i int) {
	for n := range b.locks {
		for _, c := range b.locks[n].Release(&b.claims[i][n], nil) {
			b.todo = append(b.todo, c.Ref)
		}
	}
}

// anyCycle picks the youngest on any cycle, direct or not: the rule that is told
// to be too expensive at Graph.
func anyCycle(w *world) (found []locks.Owner) {
	x := w.explicit()
	for v := x.n - 1; v >= 0; v-- {
		if x.onCycle(v) {
			found = append(found, w.owners[v])
			x.edges[v] = nil
		}
	}
	return found
}

func breakDirect(w *world) []locks.Owner {
	var g Graph
	w.addTo(&g)
	return victims(g.Break())
}

// Every transaction ends, none after too many attempts, and the rule for direct
// cycles needs far fewer victims than the one for any cycle.
func TestTransfersEnd(t *testing.T) {
	direct, all := newBank(128, 10), newBank(128, 10)
	direct.run(t, breakDirect)
	all.run(t, anyCycle)
	t.Logf("victims: direct %d (at most %d of one transfer), any cycle %d (%d)",
		direct.victims, slices.Max(direct.attempts), all.victims, slices.Max(all.attempts))
	if direct.victims*2 > all.victims {
		t.Errorf("%d victims, %d by the rule for any cycle", direct.victims, all.victims)
	}
	if slices.Max(direct.attempts) > 128 {
		t.Errorf("a transfer was a victim %d times", slices.Max(direct.attempts))
	}
}
