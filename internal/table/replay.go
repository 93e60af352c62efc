package table

import (
	"bytes"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"
)

// replayBytes is how large a layer that is replayed becomes at most: small ones are put in order faster, on several processors.
const replayBytes = 32 << 20

// replay takes the entries that the store does not have. While one layer is read, those before it are put in order. They are applied as soon
// as the table is open, so that not all that is read has to look into each of them for long.
func (t *Table) replay(applied uint64) error {
	if t.sealed = applied; t.log == nil {
		return nil
	}
	t.sealed = max(applied, t.log.Last())
	frozen := make(chan *layer)
	var ordering sync.WaitGroup
	defer ordering.Wait()
	defer close(frozen)
	for range runtime.GOMAXPROCS(0) {
		ordering.Go(func() {
			for l := range frozen {
				l.order()
			}
		})
	}
	var grows *layer
	freeze := func() {
		t.layers = slices.Insert(t.layers, len(t.layers)-1, grows)
		frozen <- grows
		grows = nil
	}
	most := min(t.options.LayerBytes, replayBytes)
	left, buffer := t.log.Bytes(), []byte(nil)
	for index := applied + 1; index <= t.log.Last(); index++ {
		e, err := t.log.Read(index, buffer)
		if err != nil {
			return err
		}
		size := int64(len(e.Data))
		for t.bytes > 0 && t.bytes+size > t.options.OverlayBytes && !t.options.ReadOnly {
			if grows != nil {
				freeze()
			}
			if err := t.applyOldest(); err != nil {
				return err
			}
		}
		if grows != nil && grows.bytes+size > most {
			freeze()
		}
		if grows == nil {
			grows = &layer{replayed: replayed{data: make([]byte, 0, max(size, min(left, most)))}}
		}
		if err := grows.replay(index, e.Data); err != nil {
			return err
		}
		t.bytes, left, buffer = t.bytes+size, left-size, e.Data
	}
	if grows != nil {
		freeze()
	}
	tell(t.work)
	return nil
}

// replayed is the changes of a layer that is read from the log again, until they are in order.
type replayed struct {
	data    []byte   // entries, one behind the other
	changes []uint32 // where in data the change of a row begins; of changes of one row the last one is behind the others
	recent  *recent
}

// recent is where the last change of some rows is among the changes of a layer, by the hash of their keys. Rows that change again and again are
// mostly found there, and only their last change is kept.
type recent struct {
	seed  maphash.Seed
	slots [1 << recentBits]struct {
		tag   uint32 // of the hash
		index uint32
	}
}

const recentBits = 18 // 2 MiB, for a processor's cache

// replay is add of a layer that is read from the log again. The memory of the entry stays the caller's.
func (l *layer) replay(index uint64, entry []byte) error {
	l.bytes += int64(len(entry))
	l.last = index
	r := &l.replayed
	at := len(r.data)
	r.data = append(r.data, entry...)
	for at < len(r.data) {
		c, err := changeAt(r.data, at)
		if err != nil {
			return err
		}
		if c.op == opRange {
			l.deleteRange(c.parts(r.data))
		} else {
			r.add(uint32(at), c)
		}
		at = c.next()
	}
	return nil
}

// add adds the change of a row, or puts it in the place of the one before, if that is found.
func (r *replayed) add(at uint32, c change) {
	if r.recent == nil {
		r.recent = &recent{seed: maphash.MakeSeed()}
	}
	key, _ := c.parts(r.data)
	hash := maphash.Bytes(r.recent.seed, key)
	slot, tag := &r.recent.slots[hash>>(64-recentBits)], uint32(hash)
	if i := slot.index; slot.tag == tag && int(i) < len(r.changes) && bytes.Equal(rowAt(r.data, int(r.changes[i])).key, key) {
		r.changes[i] = at
		return
	}
	slot.tag, slot.index = tag, uint32(len(r.changes))
	if len(r.changes) == cap(r.changes) {
		r.changes = slices.Grow(r.changes, max(len(r.changes), 1024)) // append would copy them more often
	}
	r.changes = append(r.changes, at)
}

// deleteRange forgets the changes in a range.
func (r *replayed) deleteRange(lower, upper []byte) {
	r.recent = nil // they are at other places then
	r.changes = slices.DeleteFunc(r.changes, func(at uint32) bool {
		key := rowAt(r.data, int(at)).key
		return bytes.Compare(key, lower) >= 0 && bytes.Compare(key, upper) < 0
	})
}

// order is the last change of each row, in the order of their keys.
func (r *replayed) order() []spot {
	order := inOrder(r.changes, func(at uint32) []byte { return rowAt(r.data, int(at)).key })
	rows := make([]spot, len(order))
	for i, at := range order {
		rows[i].at = at
	}
	return rows
}
