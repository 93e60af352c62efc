package locks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// table drives one lock with a script of space-separated steps and checks what
// it looks like afterwards. A step is an owner and what it does:
//
//	1s 1x    owner 1 acquires shared, exclusive; 1s! with mayWait; p1s as a Single
//	1w 1r    owner 1 withdraws, releases
//
// After a step "=" the expected answer may follow: g(ranted), w(aits), r(efused)
// for acquire, the granted owners as in =2,3 for the others.
type table struct {
	t       *testing.T
	lock    Lock[string]
	claims  map[string]*Claim[string]
	wounded []*Claim[string]
	policy  Policy
}

func newTable(t *testing.T, p Policy) *table {
	return &table{t: t, claims: map[string]*Claim[string]{}, policy: p}
}

func (tb *table) claim(name string) *Claim[string] {
	if tb.claims[name] == nil {
		var id uint64
		if _, err := fmt.Sscanf(strings.TrimPrefix(name, "p"), "%d", &id); err != nil {
			tb.t.Fatalf("owner %q: %v", name, err)
		}
		tb.claims[name] = &Claim[string]{Owner: Owner{ID: id, Single: name[0] == 'p'}, Ref: name}
	}
	return tb.claims[name]
}

func (tb *table) run(script string) {
	tb.t.Helper()
	for _, step := range strings.Fields(script) {
		do, want, checked := strings.Cut(step, "=")
		if got := tb.step(do); checked && got != want {
			tb.t.Fatalf("step %s of %q: got %q", step, script, got)
		}
	}
}

func (tb *table) step(do string) string {
	do, mayWait := strings.CutSuffix(do, "!")
	c := tb.claim(do[:len(do)-1])
	switch do[len(do)-1] {
	case 's':
		return tb.lock.Acquire(c, Shared, tb.policy, mayWait, &tb.wounded).String()[:1]
	case 'x':
		return tb.lock.Acquire(c, Exclusive, tb.policy, mayWait, &tb.wounded).String()[:1]
	case 'w':
		return refs(tb.lock.Withdraw(c, nil))
	case 'r':
		return refs(tb.lock.Release(c, nil))
	}
	tb.t.Fatalf("step %q", do)
	return ""
}

func refs(granted []*Claim[string]) string {
	var names []string
	for _, c := range granted {
		names = append(names, c.Ref)
	}
	return strings.Join(names, ",")
}

// levels renders the lock as "1s 2s | 1x | 3s 4s".
func (tb *table) levels() string {
	var b strings.Builder
	last := 0
	for level, c := range tb.lock.Levels {
		mode := c.Held()
		if level > 0 {
			mode = c.Wanted()
		}
		for ; last < level; last++ {
			b.WriteString(" |")
		}
		fmt.Fprintf(&b, " %s%c", c.Ref, " sx"[mode])
	}
	return strings.TrimSpace(b.String())
}

func TestRules(t *testing.T) {
	for _, tc := range []struct{ name, script, want string }{
		{"free", "", ""},
		{"shared together", "1s=g 2s=g", "1s 2s"},
		{"exclusive alone", "1x=g 2x=w 3s=w", "1x | 2x | 3s"},
		{"re-entrant", "1x=g 1x=g 1s=g 2s=w 1s=g 1x=g", "1x | 2s"},
		{"re-entrant shared in front of a queue", "1s=g 2x=w 1s=g", "1s | 2x"},
		{"no overtaking, even if compatible", "1s=g 2x=w 3s=w", "1s | 2x | 3s"},
		{"upgrade of the sole holder", "1s=g 1x=g", "1x"},
		{"upgrade of the sole holder in front of a queue", "1s=g 2x=w 3s=w 1x=g", "1x | 2x | 3s"},
		{"upgrade goes ahead of the queue", "1s 2s 3x=w 4s=w 1x=w", "1s 2s | 1x | 3x | 4s"},
		{"upgrades among each other in order", "1s 2s 3s 2x=w 4x=w 1x=w", "1s 2s 3s | 2x | 1x | 4x"},
		{"no new shared holder past an upgrade", "1s 2s 1x=w 3s=w", "1s 2s | 1x | 3s"},
		{"upgrade granted when the others leave", "1s 2s 3s 1x 2r= 3r=1", "1x"},
		{"upgrade granted before the queue", "1s 2s 3s=g 4x=w 1x=w 2r= 3r=1 1r=4", "4x"},
		{"second upgrade granted when the first leaves", "1s 2s 1x 2x 1r=2", "2x"},
		{"run of shared granted together", "1x 2s 3s 4x 5s 1r=2,3", "2s 3s | 4x | 5s"},
		{"exclusive granted alone", "1x 2x 3s 1r=2", "2x | 3s"},
		{"not before the last shared holder left", "1s 2s 3x 1r= 2r=3", "3x"},
		{"runs are levels", "1x 2s 3s 4x 5x 6s 7s", "1x | 2s 3s | 4x | 5x | 6s 7s"},
		{"withdrawn exclusive lets shared in", "1s 2x 3s 4s 5x 6s 2w=3,4", "1s 3s 4s | 5x | 6s"},
		{"withdrawn exclusive in the middle joins runs", "1x 2s 3x 4s 3w=", "1x | 2s 4s"},
		{"withdrawn shared", "1x 2s 3s 4x 2w= 1r=3", "3s | 4x"},
		{"withdrawn upgrade keeps the shared hold", "1s 2s 1x 3s 1w=3", "1s 2s 3s"},
		{"withdrawn upgrade, next one can't go on", "1s 2s 1x 2x 3s 1w=", "1s 2s | 2x | 3s"},
		{"withdraw without waiting", "1s 1w= 2w=", "1s"},
		{"release of a holder that waits for an upgrade", "1s 2s 1x 3x 1r= 2r=3", "3x"},
		{"release of a waiter", "1x 2x 3x 2r= 1r=3", "3x"},
		{"release of nothing", "1x 2r= 2r=", "1x"},
		{"claims are reusable", "1x 1r= 1s=g 1r= 2x=g 1x=w 2r=1", "1x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tb := newTable(t, Detect)
			tb.run(tc.script)
			if got := tb.levels(); got != tc.want {
				t.Errorf("%q: got %q, want %q", tc.script, got, tc.want)
			}
			if got := tb.lock.Free(); got != (tc.want == "") {
				t.Errorf("%q: Free() = %v", tc.script, got)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	for _, tc := range []struct {
		name    string
		policy  Policy
		script  string
		wounded string
	}{
		{"no-wait refuses", NoWait, "1s=g 2s=g 3x=r 1x=r 3x!=w 4s=r", ""},
		{"no-wait grants the sole upgrade", NoWait, "1s=g 2x!=w 1x=g", ""},
		{"no-wait never refuses a single", NoWait, "1x=g p2x=w", ""},
		{"wait-die: older waits, younger dies", WaitDie, "5x=g 3x=w 7x=r 4x=r 2x=w", ""},
		{"wait-die: an equal ID is not older", WaitDie, "5x=g p5x=w 5x=g", ""},
		{"wait-die: all levels below count, not only the holders", WaitDie, "5x=g 3x=w 4s=r", ""},
		{"wait-die: all holders count", WaitDie, "5s=g 3s=g 8s=g 4x=r 2x=w", ""},
		{"wait-die: run-mates don't count for shared", WaitDie, "9x=g 3s=w 5s=w 2s=w", ""},
		{"wait-die: run-mates count for exclusive", WaitDie, "9x=g 3s=w 5s=w 4x=r 2x=w", ""},
		{"wait-die: what a single waits for counts", WaitDie, "3x=g p9x=w 5x=r 2x=w", ""},
		{"wait-die: singles don't count", WaitDie, "p1x=g p2x=w 9x=w", ""},
		{"wait-die: upgrade older than the other holders", WaitDie, "3s 5s 7x!=w 3x=w 5x=r", ""},
		{"wait-die: upgrade doesn't mind the queue", WaitDie, "3s 4s 1x=w 2x=r 3x=w", ""},
		{"wait-die: mayWait at any age", WaitDie, "3x=g 5x!=w 4x!=w 6x=r 2x=w", ""},
		{"wait-die: a mayWait waiter vouches for nobody", WaitDie, "3x=g 9x!=w 4x=r", ""},
		{"wound-wait: younger ones are wounded", WoundWait, "5x=g 7x=w 6x=w 3x=w", "7 6 7 5"},
		{"wound-wait: oldest waits for nobody younger", WoundWait, "2x=g 3x=w 4x=w", ""},
		{"wound-wait: all levels below", WoundWait, "5s 6s 4x=w 3s=w", "5 6 4 5 6"},
		{"wound-wait: run-mates are not waited for", WoundWait, "1x 8s 3s=w 9s=w", ""},
		{"wound-wait: run-mates are waited for by exclusive", WoundWait, "1x 8s 3s=w 9s=w 2x=w", "9 3 8"},
		{"wound-wait: an upgrade wounds holders once", WoundWait, "3s 5s 4s 3x=w", "5 4"},
		{"wound-wait: upgrades ahead are wounded once", WoundWait, "3s 5s 5x=w 3x=w", "5"},
		{"wound-wait: singles neither wound nor are wounded", WoundWait, "5x p9x=w p1x=w 7x=w 6x=w", "7"},
		{"wound-wait: what a single waits for is wounded", WoundWait, "5x p9x=w 3x=w", "5"},
		{"detect: everybody waits", Detect, "5x=g 7x=w 3x=w p1s=w", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tb := newTable(t, tc.policy)
			tb.run(tc.script)
			var ids []string
			for _, o := range tb.wounded {
				ids = append(ids, fmt.Sprint(o.Owner.ID))
			}
			if got := strings.Join(ids, " "); got != tc.wounded {
				t.Errorf("%q: wounded %q, want %q", tc.script, got, tc.wounded)
			}
		})
	}
}

func TestRefusedChangesNothing(t *testing.T) {
	tb := newTable(t, WaitDie)
	tb.run("1s 2s 3x! 2x=r 9x=r")
	if got, want := tb.levels(), "1s 2s | 3x"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if c := tb.claim("2"); c.Held() != Shared || c.Waiting() {
		t.Fatalf("refused upgrade left held %v, wanted %v", c.Held(), c.Wanted())
	}
}

func TestBrokenInvariantsPanic(t *testing.T) {
	var other Lock[string]
	for _, tc := range []struct {
		name, script, want string
		do                 func(tb *table)
	}{
		{"waits already", "1x 2x", "at most one waiting request", func(tb *table) { tb.step("2s") }},
		{"upgrade waits already", "1s 2s 2x", "at most one waiting request", func(tb *table) { tb.step("2s") }},
		{"mayWait of a holder", "1s 2s", "only an owner that holds nothing", func(tb *table) { tb.step("2x!") }},
		{"no mode", "", "a request is shared or exclusive", func(tb *table) {
			tb.lock.Acquire(tb.claim("1"), None, Detect, false, nil)
		}},
		{"acquired on another lock", "1s", "used on two locks", func(tb *table) {
			other.Acquire(tb.claim("1"), Exclusive, Detect, false, nil)
		}},
		{"released on another lock", "1s", "used on two locks", func(tb *table) { other.Release(tb.claim("1"), nil) }},
		{"withdrawn on another lock", "1x 2x", "used on two locks", func(tb *table) { other.Withdraw(tb.claim("2"), nil) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tb := newTable(t, Detect)
			tb.run(tc.script)
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), tc.want) {
					t.Errorf("got panic %v, want one with %q", r, tc.want)
				}
			}()
			tc.do(tb)
		})
	}
}

func TestText(t *testing.T) {
	for _, p := range []Policy{Detect, WaitDie, WoundWait, NoWait} {
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Policy
		if err := back.UnmarshalText(text); err != nil || back != p || string(text) != p.String() {
			t.Errorf("%v: read back as %v, %v", p, back, err)
		}
	}
	if _, err := ParsePolicy("hope"); err == nil || !strings.Contains(err.Error(), `"hope"`) {
		t.Errorf("ParsePolicy(hope): %v", err)
	}
	if _, err := Policy(9).MarshalText(); err == nil {
		t.Error("Policy(9) has a text")
	}
	got := []string{Policy(9).String(), Mode(9).String(), Result(9).String(), None.String(), Owner{ID: 4, Attempt: 2}.String(), Owner{ID: 4, Single: true}.String()}
	if want := []string{"policy(9)", "mode(9)", "result(9)", "none", "4/2", "4/single"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLevelsStopsWhenTold(t *testing.T) {
	tb := newTable(t, Detect)
	tb.run("1s 2s 1x 3s 4x")
	for n := 1; n <= 5; n++ {
		seen := 0
		for range tb.lock.Levels {
			if seen++; seen == n {
				break
			}
		}
		if seen != n {
			t.Errorf("stopped after %d, want %d", seen, n)
		}
	}
}
