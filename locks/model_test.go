package locks

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is a lock as a plain list, with every rule written down as it is said.
type model struct {
	holders []held
	waiters []want // upgrades first
}

type held struct {
	id   uint64
	mode Mode
}

type want struct {
	id      uint64
	mode    Mode
	upgrade bool
}

func (m *model) held(id uint64) Mode {
	for _, h := range m.holders {
		if h.id == id {
			return h.mode
		}
	}
	return None
}

func (m *model) waits(id uint64) bool {
	return slices.ContainsFunc(m.waiters, func(w want) bool { return w.id == id })
}

// fits says whether id can have mode next to the other holders.
func (m *model) fits(id uint64, mode Mode) bool {
	for _, h := range m.holders {
		if h.id != id && (mode == Exclusive || h.mode == Exclusive) {
			return false
		}
	}
	return true
}

func (m *model) set(id uint64, mode Mode) {
	i := slices.IndexFunc(m.holders, func(h held) bool { return h.id == id })
	if i < 0 {
		m.holders = append(m.holders, held{id, mode})
	} else {
		m.holders[i].mode = mode
	}
}

func (m *model) enqueue(w want) {
	at := len(m.waiters)
	if w.upgrade {
		at = 0
		for at < len(m.waiters) && m.waiters[at].upgrade {
			at++
		}
	}
	m.waiters = slices.Insert(m.waiters, at, w)
}

func (m *model) drop(id uint64, hold bool) (granted []uint64) {
	m.waiters = slices.DeleteFunc(m.waiters, func(w want) bool { return w.id == id })
	if hold {
		m.holders = slices.DeleteFunc(m.holders, func(h held) bool { return h.id == id })
	}
	for len(m.waiters) > 0 && m.fits(m.waiters[0].id, m.waiters[0].mode) {
		w := m.waiters[0]
		m.waiters = m.waiters[1:]
		m.set(w.id, w.mode)
		granted = append(granted, w.id)
	}
	return granted
}

// levels lists the waiters' levels; the holders are level 0.
func (m *model) levels() [][]uint64 {
	all := [][]uint64{nil}
	for _, h := range m.holders {
		all[0] = append(all[0], h.id)
	}
	for i, w := range m.waiters {
		if i > 0 && w.mode == Shared && m.waiters[i-1].mode == Shared {
			all[len(all)-1] = append(all[len(all)-1], w.id)
		} else {
			all = append(all, []uint64{w.id})
		}
	}
	return all
}

// blockers lists whom id would wait for, each once, by asking a copy.
func (m *model) blockers(w want) (ids []uint64) {
	c := model{slices.Clone(m.holders), slices.Clone(m.waiters)}
	c.enqueue(w)
	for level, members := range c.levels() {
		if level > 0 && slices.Contains(members, w.id) {
			return ids
		}
		for _, id := range members {
			if id != w.id && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// pair is the lock under test next to its model.
type pair struct {
	lock    Lock[uint64]
	claims  []*Claim[uint64]
	model   model
	policy  Policy
	wounded map[uint64]bool // by anybody, in this stay
}

func newPair(p Policy, owners int) *pair {
	pr := &pair{policy: p, wounded: map[uint64]bool{}}
	for id := range uint64(owners) {
		pr.claims = append(pr.claims, &Claim[uint64]{Owner: Owner{ID: id, Single: id%5 == 4}, Ref: id})
	}
	return pr
}

func (pr *pair) acquire(t *rapid.T) {
	c := rapid.SampledFrom(pr.claims).Draw(t, "owner")
	mode := rapid.SampledFrom([]Mode{Shared, Exclusive}).Draw(t, "mode")
	mayWait := c.Held() == None && rapid.IntRange(0, 3).Draw(t, "mayWait") == 0
	id := c.Owner.ID
	if c.Waiting() {
		t.Skip("waits")
	}
	result, wound := pr.expect(c, mode, mayWait)
	var wounded []*Claim[uint64]
	if got := pr.lock.Acquire(c, mode, pr.policy, mayWait, &wounded); got != result {
		t.Fatalf("%v: owner %d asks for %v: %v, want %v", pr.policy, id, mode, got, result)
	}
	pr.checkWounded(t, wounded, wound)
}

// expect lets the model decide, and applies it to the model.
func (pr *pair) expect(c *Claim[uint64], mode Mode, mayWait bool) (Result, []uint64) {
	id, m := c.Owner.ID, &pr.model
	if m.held(id) >= mode {
		return Granted, nil
	}
	upgrade := m.held(id) != None
	if m.fits(id, mode) && (upgrade || len(m.waiters) == 0) {
		m.set(id, mode)
		return Granted, nil
	}
	w := want{id, mode, upgrade}
	ok, wound := true, []uint64(nil)
	for _, b := range m.blockers(w) {
		switch other := pr.claims[b].Owner; {
		case other.Single || c.Owner.Single:
		case pr.policy == WaitDie && b < id:
			ok = ok && mayWait
		case pr.policy == WoundWait && b > id:
			wound = append(wound, b)
		}
	}
	if pr.policy == NoWait {
		ok = mayWait || c.Owner.Single
	}
	if !ok {
		return Refused, nil
	}
	m.enqueue(w)
	return Waits, wound
}

func (pr *pair) checkWounded(t *rapid.T, got []*Claim[uint64], want []uint64) {
	seen := map[uint64]bool{}
	for _, o := range got {
		if seen[o.Owner.ID] || !slices.Contains(want, o.Owner.ID) {
			t.Fatalf("wounded %v, want each of %v once", got, want)
		}
		seen[o.Owner.ID] = true
	}
	for _, id := range want {
		if !seen[id] && !pr.wounded[id] {
			t.Fatalf("wounded %v, not %d, which nobody wounded before", got, id)
		}
		pr.wounded[id] = true
	}
}

func (pr *pair) drop(t *rapid.T, hold bool) {
	c := rapid.SampledFrom(pr.claims).Draw(t, "owner")
	var granted []*Claim[uint64]
	if hold {
		granted = pr.lock.Release(c, nil)
		delete(pr.wounded, c.Owner.ID)
	} else {
		granted = pr.lock.Withdraw(c, nil)
		if c.Held() == None {
			delete(pr.wounded, c.Owner.ID)
		}
	}
	var ids []uint64
	for _, g := range granted {
		ids = append(ids, g.Ref)
	}
	if want := pr.model.drop(c.Owner.ID, hold); !slices.Equal(ids, want) {
		t.Fatalf("owner %d left, granted %v, want %v", c.Owner.ID, ids, want)
	}
}

// check compares the two, and the lock with what must always be true.
func (pr *pair) check(t *rapid.T) {
	var levels [][]uint64
	for level, c := range pr.lock.Levels {
		for len(levels) <= level {
			levels = append(levels, nil)
		}
		levels[level] = append(levels[level], c.Ref)
	}
	want := pr.model.levels()
	if len(want[0]) == 0 {
		want = nil
	}
	if fmt.Sprint(levels) != fmt.Sprint(want) {
		t.Fatalf("levels %v, want %v", levels, want)
	}
	if pr.lock.Free() != (len(want) == 0) || pr.lock.Waiters() != len(pr.model.waiters) {
		t.Fatalf("free %v, %d waiters; want %v", pr.lock.Free(), pr.lock.Waiters(), want)
	}
	for _, c := range pr.claims {
		if c.Held() != pr.model.held(c.Ref) || c.Waiting() != pr.model.waits(c.Ref) {
			t.Fatalf("owner %d holds %v, waits %v", c.Ref, c.Held(), c.Waiting())
		}
		if c.Held() != None && !pr.model.fits(c.Ref, c.Held()) {
			t.Fatalf("owner %d holds %v next to an incompatible one: %v", c.Ref, c.Held(), pr.model.holders)
		}
	}
	if w := pr.model.waiters; len(w) > 0 && pr.model.fits(w[0].id, w[0].mode) {
		t.Fatalf("owner %d waits though it could be granted", w[0].id)
	}
}

func TestLockAgainstModel(t *testing.T) {
	for _, p := range []Policy{Detect, WaitDie, WoundWait, NoWait} {
		t.Run(p.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				pr := newPair(p, rapid.IntRange(2, 12).Draw(t, "owners"))
				t.Repeat(map[string]func(*rapid.T){
					"acquire":  pr.acquire,
					"acquire2": pr.acquire,
					"withdraw": func(t *rapid.T) { pr.drop(t, false) },
					"release":  func(t *rapid.T) { pr.drop(t, true) },
					"":         pr.check,
				})
			})
		})
	}
}
