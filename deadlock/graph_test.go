package deadlock

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/locks"
)

// build makes a world from a script of steps such as "2a+" (owner 2 asks for
// lock a exclusively) and "2a" (shared). "p3a" is a single call with ID 3.
func build(t *testing.T, script string) *world {
	t.Helper()
	type step struct {
		owner locks.Owner
		lock  int
		mode  locks.Mode
	}
	var owners []locks.Owner
	var steps []step
	for _, s := range strings.Fields(script) {
		st := step{mode: locks.Shared}
		body, single := strings.CutPrefix(s, "p")
		if rest, ok := strings.CutSuffix(body, "+"); ok {
			body, st.mode = rest, locks.Exclusive
		}
		st.lock = int(body[len(body)-1] - 'a')
		if _, err := fmt.Sscanf(body[:len(body)-1], "%d", &st.owner.ID); err != nil {
			t.Fatalf("step %q: %v", s, err)
		}
		st.owner.Single = single
		if !slices.Contains(owners, st.owner) {
			owners = append(owners, st.owner)
		}
		steps = append(steps, st)
	}
	w := newWorld(owners, 26)
	for _, st := range steps {
		w.ask(w.find(st.owner), st.lock, st.mode)
	}
	return w
}

// brief renders cycles as "3>1>2>3": the victim, what it waits for, and so on.
func brief(cycles []Cycle) string {
	var all []string
	for _, c := range cycles {
		s := fmt.Sprint(c.Victim.ID)
		for _, e := range c.Edges {
			s += fmt.Sprintf(">%d", e.Blocker.ID)
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestCycles(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"nothing", "", ""},
		{"waiting is no deadlock", "1a+ 2a+ 3a+ 2b+ 3c+", ""},
		{"two", "1a+ 2b+ 1b+ 2a+", "2>1>2"},
		{"the youngest, not the last to ask", "2a+ 1b+ 2b+ 1a+", "2>1>2"},
		{"three", "1a+ 2b+ 3c+ 1b+ 2c+ 3a+", "3>1>2>3"},
		{"two cycles apart", "1a+ 2b+ 3c+ 4d+ 1b+ 2a+ 3d+ 4c+", "4>3>4 2>1>2"},
		{"two cycles share one member, which is the youngest", "3a+ 1b+ 2c+ 1a+ 2a+ 3b+ 3c+", "3>1>3"},
		{"two cycles share one member, which is the oldest", "1a+ 2b+ 3c+ 2a+ 3a+ 1b+ 1c+", "3>1>3 2>1>2"},
		{"two upgrades", "1a 2a 1a+ 2a+", "2>1>2"},
		{"three upgrades", "1a 2a 3a 1a+ 3a+ 2a+", "3>1>3 2>1>2"},
		{"one upgrade is none", "1a 2a 1a+ 3a+", ""},
		{"one upgrade of the only one to wait for", "1a 2a 2a+ 3a 1b+ 4b+", ""},
		{"upgrade in a larger cycle", "1a 2a 3b+ 1a+ 2b+ 3a+", "3>2>3"},
		{"cycle through shared holders", "1a 2a 3b+ 3a+ 2b", "3>2>3"},
		{"shared run is no cycle", "1a+ 2a 3a 2b+ 3b+", ""},
		{"those in between are spared", "1a+ 2b+ 9a+ 8a+ 2a+ 7b+ 1b+", "2>1>2"},
		{"a single in between is transparent", "1a+ 2b+ p9a+ 2a+ 1b+", "2>1>2"},
		{"two parallel waiters in two orders", "9a+ 9b+ 1a+ 2a+ 2b+ 1b+", "2>1>2"},
		{"parallel: a second edge of one waiter is kept", "1a+ 2b+ 3c+ 1b+ 1c+ 3a+", "3>1>3"},
		{"parallel: both edges are cycles", "3a+ 1b+ 2c+ 3b+ 3c+ 1a+ 2a+", "3>1>3"},
		{"parallel: the shorter one is told", "4a+ 1b+ 2c+ 3d+ 4b+ 4c+ 1d+ 3a+ 2a+", "4>2>4"},
		{"the victim's going lets a shared waiter in next to its blocker", "1a 9d+ 9a+ 2a 2c+ 1c+ 1d+", "9>1>9"},
		{"the victim's going joins two shared runs", "5a+ 9d+ 1a 9a+ 2a 2c+ 1c+ 1d+", "9>1>9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := build(t, tc.script)
			var g Graph
			w.addTo(&g)
			cycles := g.Break()
			if got := brief(cycles); got != tc.want {
				t.Errorf("%q: got %q, want %q", tc.script, got, tc.want)
			}
			for _, c := range cycles {
				checkCycle(t, w, c)
				w.abort(w.find(c.Victim))
			}
		})
	}
}

// Of one cycle there is one victim, however large it is.
func TestRings(t *testing.T) {
	var g Graph
	for n := 2; n <= 50; n++ {
		w := newWorld(transactions(n), n)
		for i := range n {
			w.ask(i, i, locks.Exclusive)
		}
		for i := range n {
			w.ask(i, (i*7+3)%n, locks.Shared) // some arcs, for variety
			w.ask(i, (i+1)%n, locks.Exclusive)
		}
		ring := newWorld(transactions(n), n)
		for i := range n {
			ring.ask(i, i, locks.Exclusive)
		}
		for i := range n {
			ring.ask(i, (i+1)%n, locks.Exclusive)
		}
		g.Reset()
		ring.addTo(&g)
		if got := g.Break(); len(got) != 1 || len(got[0].Edges) != n || got[0].Victim.ID != uint64(n) {
			t.Errorf("ring of %d: %v", n, got)
		}
		g.Reset()
		w.addTo(&g)
		for _, c := range g.Break() {
			checkCycle(t, w, c)
			w.abort(w.find(c.Victim))
		}
		if w.explicit().cyclic() {
			t.Errorf("ring of %d with arcs: a cycle is left", n)
		}
	}
}

// An edge of an older attempt must not close a cycle of a younger one.
func TestAttemptsAreDifferentOwners(t *testing.T) {
	old, retry, other := locks.Owner{ID: 2, Attempt: 1}, locks.Owner{ID: 2, Attempt: 2}, locks.Owner{ID: 1}
	var g Graph
	fill := func(waiter locks.Owner) []Cycle {
		g.Reset()
		g.Add(1, 0, other, locks.Exclusive)
		g.Add(1, 1, waiter, locks.Exclusive)
		g.Add(2, 0, retry, locks.Exclusive)
		g.Add(2, 1, other, locks.Exclusive)
		return g.Break()
	}
	if got := fill(old); len(got) != 0 {
		t.Errorf("the old attempt's edge was believed: %v", got)
	}
	if got := fill(retry); len(got) != 1 || got[0].Victim != retry {
		t.Errorf("got %v, want victim %v", got, retry)
	}
}

func TestCycleTellsPeople(t *testing.T) {
	w := build(t, "1a 3b+ 9a+ 3a+ 1b")
	var g Graph
	w.addTo(&g)
	cycles := g.Break()
	if len(cycles) != 1 {
		t.Fatalf("got %v", cycles)
	}
	want := `victim 3/0, the youngest of 2
  3/0 wants resource 0 exclusive, waits for 1/0, which holds shared
  1/0 wants resource 1 shared, waits for 3/0, which holds exclusive`
	if got := cycles[0].String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	ahead := Edge{Waiter: locks.Owner{ID: 1}, Blocker: locks.Owner{ID: 2}, Resource: 4, Wants: locks.Shared}
	if got, want := ahead.String(), "1/0 wants resource 4 shared, waits for 2/0, which waits ahead"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestResetForgets(t *testing.T) {
	var g Graph
	for range 3 {
		w := build(t, "1a 2a 1a+ 2a+ 3b+ 4c+ 3c+ 4b+")
		g.Reset()
		w.addTo(&g)
		first := g.Break()
		if got := brief(first); got != "4>3>4 2>1>2" {
			t.Fatalf("got %q", got)
		}
		if again := g.Break(); !reflect.DeepEqual(again, first) {
			t.Fatalf("second Break: %v", again)
		}
	}
	g.Reset()
	if got := g.Break(); len(got) != 0 {
		t.Errorf("empty graph: %v", got)
	}
}

func TestDisorderPanics(t *testing.T) {
	for _, tc := range []struct {
		depths []int
		want   string
	}{
		{[]int{1}, "holders come first"},
		{[]int{0, 1, 2, 1}, "levels come in order"},
	} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), tc.want) {
					t.Errorf("%v: panic %v, want %q", tc.depths, r, tc.want)
				}
			}()
			var g Graph
			for i, depth := range tc.depths {
				g.Add(7, depth, locks.Owner{ID: uint64(i)}, locks.Exclusive)
			}
		}()
	}
}
