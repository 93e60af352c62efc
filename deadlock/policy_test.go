package deadlock

import (
	"testing"

	"github.com/concordat-dev/concordat/locks"
	"pgregory.net/rapid"
)

// traffic lets transactions that keep their promises run under one policy.
type traffic struct {
	policy locks.Policy
	locks  []locks.Lock[int]
	runs   []run
	graph  Graph
}

// run is one transaction, or one single call.
type run struct {
	owner   locks.Owner
	claims  []locks.Claim[int]
	patient bool // waits on the promise of mayWait, so asks for nothing else
}

func newTraffic(p locks.Policy, n, nLocks int) *traffic {
	tr := &traffic{policy: p, locks: make([]locks.Lock[int], nLocks)}
	for i := range n {
		tr.runs = append(tr.runs, run{owner: locks.Owner{ID: uint64(i + 1), Single: i%5 == 4}})
		tr.restart(i)
	}
	return tr
}

func (tr *traffic) restart(i int) {
	r := &tr.runs[i]
	r.claims = make([]locks.Claim[int], len(tr.locks))
	for n := range r.claims {
		r.claims[n].Owner, r.claims[n].Ref = r.owner, i
	}
	r.patient = false
}

// end releases everything of a run; single calls that get their turn run and end.
func (tr *traffic) end(i int) {
	var granted []*locks.Claim[int]
	for n := range tr.locks {
		granted = tr.locks[n].Release(&tr.runs[i].claims[n], granted)
	}
	tr.runs[i].owner.Attempt++
	tr.restart(i)
	for _, c := range granted {
		tr.runs[c.Ref].patient = false
		if c.Owner.Single {
			tr.end(c.Ref)
		}
	}
}

func (tr *traffic) count(i int) (held, waiting int) {
	for n := range tr.runs[i].claims {
		if c := &tr.runs[i].claims[n]; c.Held() != locks.None {
			held++
		}
		if tr.runs[i].claims[n].Waiting() {
			waiting++
		}
	}
	return held, waiting
}

func (tr *traffic) ask(i, n int, mode locks.Mode) {
	r := &tr.runs[i]
	held, waits := tr.count(i)
	if r.patient || r.claims[n].Waiting() || r.owner.Single && waits > 0 {
		return
	}
	mayWait := held == 0 && waits == 0 && r.owner.Attempt > 0
	var wounded []*locks.Claim[int]
	result := tr.locks[n].Acquire(&r.claims[n], mode, tr.policy, mayWait, &wounded)
	for _, o := range wounded {
		tr.end(int(o.Owner.ID) - 1)
	}
	switch {
	case result == locks.Refused, result == locks.Granted && r.owner.Single:
		tr.end(i)
	case r.claims[n].Waiting(): // still, after the wounded have gone
		r.patient = mayWait
	}
}

// Under every policy but Detect there is never a cycle, with any number of
// parallel requests, upgrades, retries and single calls.
func TestPoliciesPreventCycles(t *testing.T) {
	for _, p := range []locks.Policy{locks.WaitDie, locks.WoundWait, locks.NoWait} {
		t.Run(p.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(2, 10).Draw(t, "owners")
				tr := newTraffic(p, n, rapid.IntRange(1, 4).Draw(t, "locks"))
				for range rapid.IntRange(0, 60).Draw(t, "steps") {
					i := rapid.IntRange(0, n-1).Draw(t, "owner")
					if _, waits := tr.count(i); waits == 0 && rapid.IntRange(0, 4).Draw(t, "end") == 0 {
						tr.end(i)
						continue
					}
					lock := rapid.IntRange(0, len(tr.locks)-1).Draw(t, "lock")
					tr.ask(i, lock, rapid.SampledFrom([]locks.Mode{locks.Shared, locks.Exclusive}).Draw(t, "mode"))
					tr.graph.Reset()
					for k := range tr.locks {
						AddLock(&tr.graph, k, &tr.locks[k])
					}
					if cycles := tr.graph.Break(); len(cycles) > 0 {
						t.Fatalf("a cycle: %v", cycles)
					}
				}
			})
		})
	}
}
