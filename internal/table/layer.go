package table

import (
	"bytes"

	"github.com/tidwall/btree"
)

// layer is changes of consecutive entries of the log: of each row the last one, and the ranges that were deleted.
//
// A layer that grows is guarded by the table's mutex; one that is frozen, and a copy, do not change.
type layer struct {
	rows   *btree.BTreeG[row]
	ranges *btree.BTreeG[keyRange] // that were deleted, none of which meets another; the rows are newer
	bytes  int64                   // of the entries
	last   uint64                  // the last entry
	hint   btree.PathHint          // rows come in the order of their keys, mostly
}

// row is the last change of a row.
type row struct{ key, value []byte }

// A row that was deleted has no value, one whose value is empty has an empty one.
func (r row) isDeleted() bool { return r.value == nil }

// keyRange is the keys from lower (included) to upper (excluded).
type keyRange struct{ lower, upper []byte }

func newLayer() *layer {
	// All changes are made by one goroutine at a time, and readers are kept out by the table's mutex.
	alone := btree.Options{NoLocks: true, Degree: 64}
	return &layer{
		rows:   btree.NewBTreeGOptions(func(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }, alone),
		ranges: btree.NewBTreeGOptions(func(a, b keyRange) bool { return bytes.Compare(a.lower, b.lower) < 0 }, alone),
	}
}

// take takes the changes of an entry, whose memory is the layer's from then on.
func (l *layer) take(index uint64, data []byte) error {
	l.bytes += int64(len(data))
	l.last = index
	return eachChange(data, l.set, l.deleteRange)
}

func (l *layer) set(key, value []byte) { l.rows.SetHint(row{key, value}, &l.hint) }

// deleteRange deletes a range: the rows that the layer has in it are forgotten, and those below are hidden.
func (l *layer) deleteRange(lower, upper []byte) {
	if bytes.Compare(lower, upper) >= 0 {
		return
	}
	var gone []row
	l.rows.Ascend(row{key: lower}, func(r row) bool {
		if bytes.Compare(r.key, upper) >= 0 {
			return false
		}
		gone = append(gone, r)
		return true
	})
	for _, r := range gone {
		l.rows.Delete(r)
	}
	l.addRange(keyRange{lower, upper})
}

// addRange adds a range, and makes one of it and those that it meets.
func (l *layer) addRange(r keyRange) {
	var met []keyRange
	l.ranges.Descend(keyRange{lower: r.upper}, func(other keyRange) bool {
		if bytes.Compare(other.upper, r.lower) < 0 {
			return false
		}
		met = append(met, other)
		return true
	})
	for _, other := range met {
		l.ranges.Delete(other)
		if bytes.Compare(other.lower, r.lower) < 0 {
			r.lower = other.lower
		}
		if bytes.Compare(other.upper, r.upper) > 0 {
			r.upper = other.upper
		}
	}
	l.ranges.Set(r)
}

// get returns the last change of a row, and whether the layer knows of one.
func (l *layer) get(key []byte) (value []byte, known bool) {
	if r, ok := l.rows.Get(row{key: key}); ok {
		return r.value, true
	}
	return nil, l.ranges.Len() > 0 && l.hides(key)
}

// hides reports whether a key is in a range that was deleted.
func (l *layer) hides(key []byte) (hidden bool) {
	l.ranges.Descend(keyRange{lower: key}, func(r keyRange) bool {
		hidden = bytes.Compare(key, r.upper) < 0
		return false
	})
	return hidden
}

// copy is the layer as it is now. It costs little: nodes are copied when the layer changes them.
func (l *layer) copy() *layer {
	return &layer{rows: l.rows.Copy(), ranges: l.ranges.Copy(), bytes: l.bytes, last: l.last}
}
