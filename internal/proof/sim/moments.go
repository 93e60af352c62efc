package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// moments watches a driver for moments at which the power may fail, and picks one of each kind, each as likely as any other.
type moments struct {
	driver *Driver

	mu    sync.Mutex
	seed  uint64
	picks map[string]*pick
}

// pick is one snapshot out of many moments.
type pick struct {
	rng     *rand.Rand
	moments int
	shot    Snapshot
}

// The kinds of moments.
const (
	atOperation = "at a file system operation"
	beforeSeal  = "before a seal"
	afterSeal   = "after a seal"
	betweenStep = "between two steps"
)

// watch watches all moments of a driver that has not been opened.
func watch(d *Driver, seed uint64) *moments {
	m := &moments{driver: d, seed: seed, picks: map[string]*pick{}}
	d.Disk.OnOp = func(Op) error {
		m.moment(atOperation)
		return nil
	}
	d.BeforeSeal = func() { m.moment(beforeSeal) }
	d.AfterSeal = func() { m.moment(afterSeal) }
	d.AfterStep = func() { m.moment(betweenStep) }
	return m
}

// Watch makes the driver pick moments at which the power fails; take returns a snapshot for each kind of moment and begins anew.
func (d *Driver) Watch(seed uint64) (take func() []Snapshot) { return watch(d, seed).take }

func (m *moments) moment(when string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.picks[when]
	if p == nil {
		p = &pick{rng: rand.New(rand.NewPCG(m.seed, uint64(len(when))))}
		m.picks[when] = p
	}
	p.moments++
	if p.rng.IntN(p.moments) == 0 {
		p.shot = m.driver.Snapshot(fmt.Sprintf("%s (%d)", when, p.moments), Keeps[p.rng.IntN(len(Keeps))], p.rng.Uint64())
	}
}

// take returns the snapshots and begins anew.
func (m *moments) take() (shots []Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, when := range slices.Sorted(maps.Keys(m.picks)) {
		shots = append(shots, m.picks[when].shot)
	}
	m.picks = map[string]*pick{}
	return shots
}
