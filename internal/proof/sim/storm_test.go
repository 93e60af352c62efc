package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/locks"
)

var allPolicies = []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait}

// beginAll are choices by which requests that come together all begin before any goes on.
func beginAll(n int) int { return n - 1 }

// storm opens an engine with a world of so many tills.
func storm(t *testing.T, policy locks.Policy, tills, workers int) *Driver {
	t.Helper()
	d := NewDriver(uint64(tills))
	d.World.Tills = tills
	d.ledger = newLedger(d.World)
	d.Options.Policy, d.Options.Workers, d.Options.CacheBytes = policy, workers, 1<<24
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(d.Wrong(), d.Engine.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, o := range d.World.SetUp() {
		d.Give(o)
	}
	if err := d.Settle(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestStormOfCycles gives as many transactions as there are tills, each locking one and then the next, so that all of them can
// stand in one circle; several times. All of them commit, and the oracle finds nothing wrong with the victims.
func TestStormOfCycles(t *testing.T) {
	longest := 0
	for _, policy := range allPolicies {
		var counted OracleCounts
		for _, n := range []int{2, 3, 4, 7, 10, 20, 50} {
			if racedetector.On && n > 10 {
				continue
			}
			d := storm(t, policy, n, 1+n%2)
			for round := range max(4, 20/n) {
				for i := range n {
					d.Give(Order{Kind: "touch", ID: fmt.Sprintf("w:%d-%d", round, i), Asked: true, From: d.World.Till(i), To: d.World.Till((i + 1) % n)})
				}
				for d.stepped.Step(beginAll) {
				}
				d.collect()
				if err := d.Settle(); err != nil {
					t.Fatal(err)
				}
			}
			for id, out := range d.Outcomes {
				if !isOK(out) {
					t.Errorf("%v, cycle of %d: %s: %s", policy, n, id, out)
				}
			}
			if len(d.Outcomes) != len(d.Orders) {
				t.Errorf("%v, cycle of %d: %d of %d have ended", policy, n, len(d.Outcomes), len(d.Orders))
			}
			counted.add(d.oracle.counted)
			longest = max(longest, d.oracle.counted.Longest)
		}
		t.Logf("%v: %+v", policy, counted)
		if policy == locks.Detect && counted.Cycles < 20 {
			t.Error("too few cycles")
		}
	}
	if want := 50; longest < want && !racedetector.On {
		t.Errorf("the longest cycle had %d transactions, want %d", longest, want)
	}
}

// TestManyWaitersOnOneKey lets 10,000 transactions wait for one till. What the engine handles grows linearly with them.
func TestManyWaitersOnOneKey(t *testing.T) {
	counts := map[int]int{}
	for _, n := range []int{1000, 10_000} {
		if racedetector.On {
			n /= 10
		}
		d := NewDriver(1)
		d.Options.Workers, d.Options.Policy, d.Options.CacheBytes = 1, locks.Detect, 1<<26
		messages := 0
		d.Options.Events.MessageHandled = func(engine.MessageInfo) { messages++ }
		if err := d.Open(); err != nil {
			t.Fatal(err)
		}
		for _, o := range d.World.SetUp() {
			d.Give(o)
		}
		if err := d.Settle(); err != nil {
			t.Fatal(err)
		}
		messages = 0
		for i := range n {
			from, to := 0, 1
			if i == 1 { // is deadlocked with the first, which holds what the others wait for
				from, to = 1, 0
			}
			d.Give(Order{Kind: "touch", ID: fmt.Sprintf("w:%d", i), From: d.World.Till(from), To: d.World.Till(to)})
		}
		for d.stepped.Step(beginAll) { // without a look at 10,000 clients after each
		}
		if err := errors.Join(d.Settle(), d.Wrong(), d.Engine.Close()); err != nil {
			t.Fatal(err)
		}
		if d.collect(); len(d.Outcomes) != len(d.Orders) {
			t.Errorf("%d of %d have ended", len(d.Outcomes), len(d.Orders))
		}
		counts[n] = messages
		if d.oracle.counted.MostWaits < n-2 || d.oracle.counted.Victims == 0 {
			t.Errorf("at most %d waited, %d were victims", d.oracle.counted.MostWaits, d.oracle.counted.Victims)
		}
		t.Logf("%d waiters: %d messages, %+v", n, messages, d.oracle.counted)
	}
	var perWaiter []int
	for n, messages := range counts {
		perWaiter = append(perWaiter, messages/n)
	}
	if least, most := slices.Min(perWaiter), slices.Max(perWaiter); most > 2*least {
		t.Errorf("%d to %d messages a waiter: not linear", least, most)
	}
}

func owner(id uint64) locks.Owner { return locks.Owner{ID: id, Attempt: 1} }

// tangle makes a tangle of locks, each written as its holders, "|", and its waiters, such as "1 2 | 3! 4", where "!" marks exclusive
// claims. An owner that holds and waits at the same lock upgrades.
func tangle(victims []uint64, lines ...string) seams.Tangle {
	var t seams.Tangle
	for _, v := range victims {
		t.Victims = append(t.Victims, owner(v))
	}
	for _, line := range lines {
		var l seams.TangledLock
		level := 0
		for _, word := range strings.Fields(line) {
			if word == "|" {
				level = 1
				continue
			}
			name, exclusive := strings.CutSuffix(word, "!")
			c := seams.TangledClaim{Level: level, Mode: locks.Shared}
			if _, err := fmt.Sscan(name, &c.Owner.ID); err != nil {
				panic(err)
			}
			c.Owner.Attempt = 1
			if exclusive {
				c.Mode = locks.Exclusive
			}
			last := len(l.Claims) - 1
			if level > 1 && (exclusive || l.Claims[last].Mode == locks.Exclusive) || level == 1 {
				level++
			}
			if c.Level > 0 {
				c.Level = level - 1
			}
			l.Claims = append(l.Claims, c)
		}
		t.Locks = append(t.Locks, l)
	}
	return t
}

// TestOracle: the oracle finds what is wrong with a choice of victims, and nothing where nothing is.
func TestOracle(t *testing.T) {
	circle := []string{"1! | 2!", "2! | 1!"}
	for _, c := range []struct {
		name   string
		policy locks.Policy
		rests  []seams.Tangle
		want   string
	}{
		{"a cycle and its victim", locks.Detect, []seams.Tangle{tangle([]uint64{2}, circle...)}, ""},
		{"a queue", locks.Detect, []seams.Tangle{tangle(nil, "1! | 2! 3 4 5!")}, ""},
		{"a cycle that nobody breaks", locks.Detect, []seams.Tangle{tangle(nil, circle...)}, "none of the cycle"},
		{"a bystander as victim", locks.Detect, []seams.Tangle{tangle([]uint64{2, 3}, "1! | 2! 3!", "2! | 1!")}, "on no cycle"},
		{"a victim without a cycle", locks.Detect, []seams.Tangle{tangle([]uint64{3}, "1! | 3!")}, "on no cycle"},
		{"two upgrades", locks.Detect, []seams.Tangle{tangle([]uint64{2}, "1 2 | 1! 2!")}, ""},
		{"two upgrades that nobody breaks", locks.Detect, []seams.Tangle{tangle(nil, "1 2 | 1! 2!")}, "none of the cycle"},
		{"one of two cycles is left", locks.Detect, []seams.Tangle{tangle([]uint64{2}, "1! | 2!", "2! | 1!", "3! | 4!", "4! | 3!")}, "none of the cycle"},
		{"a figure of eight, broken in one half", locks.Detect, []seams.Tangle{tangle([]uint64{2}, "1! | 2! 3!", "2! | 1!", "3! | 1!")}, "still is the cycle"},
		{"behind a reader in a queue", locks.Detect, []seams.Tangle{tangle([]uint64{3}, "1 | 2! 3", "3! | 1!")}, ""},
		{"readers that are joined by a victim's going", locks.Detect, []seams.Tangle{tangle([]uint64{2}, "1 | 2! 3", "2! | 1!", "3! | 4!")}, ""},
		{"it outlives its detection", locks.Detect, []seams.Tangle{tangle([]uint64{2}, circle...), tangle([]uint64{2}, circle...)}, "outlived"},
		{"a cycle under wait-die", locks.WaitDie, []seams.Tangle{tangle([]uint64{2}, circle...)}, "under wait-die"},
	} {
		o := newOracle(c.policy)
		var err error
		for _, rest := range c.rests {
			err = errors.Join(err, o.look(rest))
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestOracleIsLinear: 10,000 waiters on one lock are judged in no time.
func TestOracleIsLinear(t *testing.T) {
	var l seams.TangledLock
	l.Claims = append(l.Claims, seams.TangledClaim{Owner: owner(1), Mode: locks.Exclusive})
	for i := range 10_000 {
		l.Claims = append(l.Claims, seams.TangledClaim{Level: i + 1, Owner: owner(uint64(i + 2)), Mode: locks.Exclusive})
	}
	g := waitGraph(seams.Tangle{Locks: []seams.TangledLock{l}}, nil)
	edges := 0
	for _, to := range g.edges {
		edges += len(to)
	}
	if edges > 40_000 {
		t.Errorf("%d edges", edges)
	}
	if err := newOracle(locks.Detect).look(seams.Tangle{Locks: []seams.TangledLock{l}}); err != nil {
		t.Error(err)
	}
}
