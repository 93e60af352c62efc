package engine

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// WaitCounts is a histogram of the waits of calls for locks: entry i counts those up to [WaitBound](i) that were longer than the
// bound before it. The last entry has the longer ones too.
type WaitCounts [numWaitBounds]uint64

// Waits up to a microsecond are alike; above, each power of two is cut in four, up to about a minute.
const (
	waitOctaves   = 26
	waitsInOctave = 4
	numWaitBounds = 1 + waitOctaves*waitsInOctave
)

// WaitBound is the longest wait that entry i of [WaitCounts] is meant for.
func WaitBound(i int) time.Duration {
	if i <= 0 {
		return time.Microsecond
	}
	octave, part := (i-1)/waitsInOctave, (i-1)%waitsInOctave+1
	return (time.Microsecond << octave) * time.Duration(waitsInOctave+part) / waitsInOctave
}

// waitIndex is the entry of a wait.
func waitIndex(d time.Duration) int {
	if d <= time.Microsecond {
		return 0
	}
	n := uint64(d - 1) // a wait of exactly a bound belongs below it
	octave := bits.Len64(n/uint64(time.Microsecond)) - 1
	if octave < 0 {
		return 0
	}
	if octave >= waitOctaves {
		return numWaitBounds - 1
	}
	part := (n - uint64(time.Microsecond)<<octave) * waitsInOctave / (uint64(time.Microsecond) << octave)
	return 1 + octave*waitsInOctave + int(part)
}

// waitTally counts the waits for locks that are over. Only its worker writes it: workers wait often when they wait at all.
type waitTally struct {
	time   atomic.Int64 // of all together, in nanoseconds
	counts [numWaitBounds]atomic.Uint64
}

func (t *waitTally) add(d time.Duration) {
	t.time.Store(t.time.Load() + int64(d))
	n := &t.counts[waitIndex(d)]
	n.Store(n.Load() + 1)
}

// addTo adds the tally to what is told.
func (t *waitTally) addTo(s *Stats) {
	s.LockWaitTime += time.Duration(t.time.Load())
	for i := range t.counts {
		n := t.counts[i].Load()
		s.LockWaits += n
		s.Waits[i] += n
	}
}

// waitsSince is since when a transaction has waited for the lock of the instance, as the engine counts what has elapsed.
func (i *instance) waitsSince(transaction uint64) (since time.Duration) {
	for _, claim := range i.seat.Lock.Levels {
		if claim.Owner.ID == transaction {
			since = max(since, claim.Ref.Ref.waits)
		}
	}
	return since
}
