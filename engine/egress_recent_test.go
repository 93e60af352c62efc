package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// sealedRecords is a model of an egress: all of its records, and how many are sealed and delivered.
type sealedRecords struct {
	recent            recent
	all               []Record
	sealed, delivered uint64
}

// epoch seals an epoch of n records, which come in any order.
func (m *sealedRecords) epoch(n, size int, random *rand.Rand) {
	m.recent.begin(m.sealed+1, m.delivered)
	for range n {
		seq := uint64(len(m.all)) + 1
		m.all = append(m.all, Record{Seq: seq, Key: fmt.Sprint(seq % 7), Value: append(make([]byte, size), fmt.Sprint(seq)...)})
	}
	for _, i := range random.Perm(n) {
		r := m.all[m.sealed+uint64(i)]
		m.recent.add(r.Seq, r.Key, r.Value)
	}
	m.recent.end()
	m.sealed = uint64(len(m.all))
}

// take takes what is delivered next, and spoils it as a receiver may; false: it has to be read from rows.
func (m *sealedRecords) take(t *testing.T) bool {
	t.Helper()
	got := m.recent.take(m.delivered+1, m.sealed)
	if len(got) == 0 {
		return false
	}
	bytes := 0
	for i, r := range got {
		want := m.all[m.delivered+uint64(i)]
		if r.Seq != want.Seq || r.Key != want.Key || string(r.Value) != string(want.Value) {
			t.Fatalf("behind %d comes %d: %s, %q", m.delivered+uint64(i), r.Seq, r.Key, r.Value)
		}
		bytes += r.bytes()
		clear(append(r.Value, "more"...))
	}
	if len(got) > MaxDelivery || bytes > maxDeliveryBytes && len(got) > 1 {
		t.Fatalf("%d records with %d bytes are delivered at once", len(got), bytes)
	}
	m.delivered += uint64(len(got))
	return true
}

// TestRecentRecords: what is taken from memory is what was sealed, in order and without gaps, whatever the receiver takes, and when; it is
// bounded.
func TestRecentRecords(t *testing.T) {
	for seed := range uint64(12) {
		random, m := rand.New(rand.NewPCG(seed, 1)), new(sealedRecords)
		for range 60 {
			switch random.IntN(5) {
			case 0, 1:
				m.epoch(1+random.IntN(1<<random.IntN(12)), 0, random)
			case 2:
				m.epoch(1+random.IntN(20), 1<<random.IntN(20), random)
			case 3:
				for m.take(t) && random.IntN(4) > 0 {
				}
			case 4: // the receiver has refused some, or has them from rows
				if random.IntN(3) == 0 {
					m.recent.clear()
				}
				m.delivered += random.Uint64N(m.sealed - m.delivered + 1)
			}
			if n := len(m.recent.records) - m.recent.gone; n > maxRecent || m.recent.bytes > maxRecentBytes {
				t.Fatalf("seed %d: %d records with %d bytes are in memory", seed, n, m.recent.bytes)
			}
		}
		m.delivered = m.sealed
		m.epoch(3, 0, random)
		if !m.take(t) || m.delivered != m.sealed {
			t.Fatalf("seed %d: a receiver that has caught up does not get its records from memory", seed)
		}
		if m.recent.bytes != 0 || slices.ContainsFunc(m.recent.records[:cap(m.recent.records)], func(r Record) bool { return r.Value != nil }) {
			t.Fatalf("seed %d: nothing is waited for, and %d bytes are kept", seed, m.recent.bytes)
		}
	}
}

// TestRecentRecordsOfOneAway: for a receiver that is far behind nothing is kept in memory, until it has caught up.
func TestRecentRecordsOfOneAway(t *testing.T) {
	m, random := new(sealedRecords), rand.New(rand.NewPCG(1, 1))
	for range 20 {
		m.epoch(MaxDelivery, 0, random)
	}
	if n := len(m.recent.records); n != 0 || m.take(t) {
		t.Errorf("%d records are in memory", n)
	}
	m.delivered = m.sealed - maxRecent/2
	m.epoch(10, 0, random)
	m.delivered = m.sealed - 10
	if !m.take(t) || m.delivered != m.sealed {
		t.Error("a receiver that has caught up does not get its records from memory")
	}
	m.epoch(maxRecent/2, 0, random)
	m.recent.clear() // it has refused something
	for range 6 {
		m.epoch(MaxDelivery, 0, random)
	}
	m.delivered = m.sealed - 10 // of the last epoch nothing is there
	m.epoch(10, 0, random)
	for m.take(t) {
	}
}
