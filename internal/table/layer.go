package table

import (
	"bytes"
	"hash/maphash"
	"math"
	"runtime"
	"slices"
	"sync"
)

// layer is changes of consecutive entries of the log: of each row the last one, and the ranges that were deleted.
//
// The one that grows is guarded by the table's mutex; one that is frozen does not change. Rows are found by their hash, since most are asked
// for one by one, if at all, and change several times before they are written; they are put in order once somebody walks over them, and
// when they are written. Nobody who seals waits for any of that: an entry is indexed after it was added, by whoever asks for a row first, or in
// the background. A layer that is replayed from the log is put in order at once, and its rows are found by that: it takes less than to
// hash them first.
//
// There may be a million rows, and no pointer for any of them, so that the garbage collector has little to do.
type layer struct {
	parts    []part          // of the entries
	indexed  spot            // the first change that cannot be found yet
	rows     map[uint64]spot // the last change of each row, under the hash of its key or the next number that is free behind it. Nil: replayed.
	replayed replayed        // the changes of a layer that is replayed, until it is in order
	ranges   ranges          // that were deleted; the rows are newer
	bytes    int64           // of the entries
	last     uint64          // the last entry

	inOrder sync.Once
	sorted  []spot // the rows of a frozen layer, once somebody has walked over it
}

// spot is where a change begins: in which part of a layer, and where in that.
type spot struct{ part, at uint32 }

// gone is in the place of a row that a range has deleted.
var gone = spot{math.MaxUint32, math.MaxUint32}

// row is the last change of a row. One that was deleted has no value, one whose value is empty has an empty one.
type row struct{ key, value []byte }

func (r row) isDeleted() bool { return r.value == nil }

// isReplayed reports whether a layer was read from the log again.
func (l *layer) isReplayed() bool { return l.rows == nil }

func newLayer() *layer { return &layer{rows: map[uint64]spot{}} }

// add adds an entry, whose memory is the layer's from then on. None of its parts is empty.
func (l *layer) add(index uint64, parts ...part) {
	l.parts = append(l.parts, parts...)
	for _, p := range parts {
		l.bytes += int64(len(p.data))
	}
	l.last = index
}

// isIndexed reports whether all that was added can be found.
func (l *layer) isIndexed() bool { return int(l.indexed.part) == len(l.parts) }

// index indexes up to so many changes that were added.
func (l *layer) index(most int) {
	for ; most > 0 && !l.isIndexed(); most-- {
		part := l.parts[l.indexed.part].data
		c := mustChangeAt(part, int(l.indexed.at))
		if first, second := c.parts(part); c.op == opRange {
			l.deleteRange(first, second)
		} else {
			l.set(first, l.indexed)
		}
		if l.indexed.at = uint32(c.next()); c.next() == len(part) {
			l.indexed = spot{part: l.indexed.part + 1}
		}
	}
}

// indexAll indexes all that was added.
func (l *layer) indexAll() { l.index(math.MaxInt) }

// row is the row that a change is of, in the memory of the entry.
func (l *layer) row(at spot) row {
	return rowAt(l.parts[at.part].data, int(at.at))
}

// set notes the last change of a row.
func (l *layer) set(key []byte, at spot) {
	for hash := hashOf(key); ; hash++ {
		if other, taken := l.rows[hash]; !taken || other != gone && bytes.Equal(l.row(other).key, key) {
			l.rows[hash] = at
			return
		}
	}
}

// find finds the last change of a row in a layer that is indexed.
func (l *layer) find(key []byte) (at spot, found bool) {
	for hash := hashOf(key); ; hash++ {
		at, found = l.rows[hash]
		if !found || at != gone && bytes.Equal(l.row(at).key, key) {
			return at, found
		}
	}
}

var (
	seed     = maphash.MakeSeed()
	hashBits = uint64(math.MaxUint64) // a test has few hashes
)

func hashOf(key []byte) uint64 { return maphash.Bytes(seed, key) & hashBits }

// deleteRange deletes a range: the rows that the layer has in it are forgotten, and those below are hidden. It looks at all rows: ranges are
// deleted seldom.
func (l *layer) deleteRange(lower, upper []byte) {
	if bytes.Compare(lower, upper) >= 0 {
		return
	}
	l.replayed.deleteRange(lower, upper)
	for hash, at := range l.rows {
		if at == gone {
			continue
		}
		if key := l.row(at).key; bytes.Compare(key, lower) >= 0 && bytes.Compare(key, upper) < 0 {
			l.rows[hash] = gone
		}
	}
	l.ranges.add(keyRange{lower, upper})
}

// get returns the last change of a row, and whether the layer knows of one.
func (l *layer) get(key []byte) (value []byte, known bool) {
	if l.isReplayed() {
		sorted := l.order()
		if at, found := l.place(sorted, key); found {
			return l.row(sorted[at]).value, true
		}
	} else if at, found := l.find(key); found {
		return l.row(at).value, true
	}
	return nil, l.ranges.hide(key)
}

// order is the rows of a frozen layer in the order of their keys.
func (l *layer) order() []spot {
	l.inOrder.Do(func() {
		if l.isReplayed() {
			l.parts = []part{{data: l.replayed.data}}
			l.sorted, l.replayed = l.replayed.order(), replayed{}
			return
		}
		rows, numbers := make([]spot, 0, len(l.rows)), make([]uint32, 0, len(l.rows))
		for _, at := range l.rows {
			if at == gone {
				continue
			}
			numbers, rows = append(numbers, uint32(len(rows))), append(rows, at)
			if len(rows)%yieldEach == 0 {
				runtime.Gosched()
			}
		}
		l.sorted = make([]spot, len(rows))
		for i, n := range inOrder(numbers, func(n uint32) []byte { return l.row(rows[n]).key }) {
			l.sorted[i] = rows[n]
		}
	})
	return l.sorted
}

// place is where a key is, or would be, in sorted rows of the layer.
func (l *layer) place(rows []spot, key []byte) (at int, found bool) {
	return slices.BinarySearchFunc(rows, key, func(r spot, key []byte) int { return bytes.Compare(l.row(r).key, key) })
}

// merged is one layer that has what several have, the oldest first. They stay as they are. None of several is replayed.
func merged(layers []*layer) *layer {
	if len(layers) == 1 {
		return layers[0]
	}
	m, done := newLayer(), 0
	for _, l := range layers {
		for _, r := range l.ranges {
			m.deleteRange(r.lower, r.upper)
		}
		before := uint32(len(m.parts))
		m.parts = append(m.parts, l.parts...)
		for _, at := range l.rows {
			if at == gone {
				continue
			}
			m.set(l.row(at).key, spot{before + at.part, at.at})
			if done++; done%yieldEach == 0 {
				runtime.Gosched()
			}
		}
		m.bytes += l.bytes
		m.last = l.last
	}
	m.indexed.part = uint32(len(m.parts))
	return m
}
