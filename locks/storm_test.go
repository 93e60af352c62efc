package locks

import (
	"fmt"
	"testing"
)

// storm is a lock with a holder and n waiters, which each policy lets wait.
type storm struct {
	lock    Lock[int]
	claims  []Claim[int]
	wounded []*Claim[int]
	looked  int
}

func newStorm(n int, p Policy, mode func(i int) Mode) *storm {
	s := &storm{claims: make([]Claim[int], n+1)}
	for i := range s.claims {
		c := &s.claims[i]
		c.Ref = i
		c.Owner.ID = uint64(i + 1)
		if p == WaitDie {
			c.Owner.ID = uint64(n + 1 - i)
		}
		m := Exclusive
		if i > 0 {
			m = mode(i)
		}
		if i > 0 {
			_, looked := s.lock.admit(c, m, p, p == NoWait, &s.wounded)
			s.looked += looked
		}
		s.lock.Acquire(c, m, p, p == NoWait, &s.wounded)
	}
	return s
}

var storms = map[string]func(i int) Mode{
	"exclusive": func(int) Mode { return Exclusive },
	"shared":    func(int) Mode { return Shared },
	"mixed":     func(i int) Mode { return Mode(1 + i%2) },
	"runs":      func(i int) Mode { return Mode(1 + i/100%2) },
}

// 10,000 waiters on one key cost ten times what 1,000 cost, under each policy.
func TestManyWaitersAreLinear(t *testing.T) {
	for name, mode := range storms {
		for _, p := range []Policy{Detect, WaitDie, WoundWait, NoWait} {
			t.Run(fmt.Sprint(name, "/", p), func(t *testing.T) {
				for _, n := range []int{1_000, 10_000} {
					s := newStorm(n, p, mode)
					if s.lock.Waiters() != n || len(s.wounded) != 0 {
						t.Fatalf("%d of %d wait, %d wounded", s.lock.Waiters(), n, len(s.wounded))
					}
					if s.looked > 3*n {
						t.Errorf("%d waiters: looked at %d claims", n, s.looked)
					}
				}
			})
		}
	}
}

// Everybody gets the lock, in order, once each.
func TestManyWaitersAreGrantedInOrder(t *testing.T) {
	s := newStorm(10_000, Detect, storms["mixed"])
	var granted []*Claim[int]
	for i := range s.claims {
		granted = s.lock.Release(&s.claims[i], granted)
	}
	if len(granted) != 10_000 || !s.lock.Free() {
		t.Fatalf("%d granted, free %v", len(granted), s.lock.Free())
	}
	for i, c := range granted {
		if c.Ref != i+1 {
			t.Fatalf("grant %d went to %d", i, c.Ref)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, p := range []Policy{Detect, WaitDie, WoundWait, NoWait} {
		var lock Lock[int]
		var claims [4]Claim[int]
		wounded, granted := make([]*Claim[int], 0, 16), make([]*Claim[int], 0, 16)
		allocs := testing.AllocsPerRun(100, func() {
			wounded, granted = wounded[:0], granted[:0]
			for i := range claims {
				claims[i].Owner.ID = uint64(10 - i)
				lock.Acquire(&claims[i], Mode(1+i%2), p, true, &wounded)
			}
			for level, c := range lock.Levels {
				if level > 0 && c.Held() == Exclusive {
					t.Error("an exclusive holder waits")
				}
			}
			for i := range claims {
				granted = lock.Withdraw(&claims[len(claims)-1-i], granted)
				granted = lock.Release(&claims[len(claims)-1-i], granted)
			}
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations", p, allocs)
		}
	}
}

func BenchmarkUncontended(b *testing.B) {
	var lock Lock[int]
	c := Claim[int]{Owner: Owner{ID: 1}}
	b.ReportAllocs()
	for b.Loop() {
		lock.Acquire(&c, Exclusive, Detect, false, nil)
		lock.Release(&c, nil)
	}
}

// One operation is 10,000 acquires and 10,000 releases of one lock.
func BenchmarkManyWaiters(b *testing.B) {
	const n = 10_000
	for _, p := range []Policy{Detect, WaitDie, WoundWait, NoWait} {
		b.Run(p.String(), func(b *testing.B) {
			s := newStorm(n, p, storms["mixed"])
			granted := make([]*Claim[int], 0, n+1)
			b.ReportAllocs()
			for b.Loop() {
				granted = granted[:0]
				for i := range s.claims {
					granted = s.lock.Release(&s.claims[i], granted)
				}
				for i := range s.claims {
					s.lock.Acquire(&s.claims[i], Mode(1+i%2), p, p == NoWait, &s.wounded)
				}
			}
		})
	}
}
