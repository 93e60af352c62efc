package table

import (
	"bytes"
	"errors"

	"github.com/tidwall/btree"

	"github.com/concordat-dev/concordat/internal/store"
)

// View is a table as it was at one moment: all of each batch or nothing of it. All that it shows is durable.
type View struct {
	layers   []*layer // the oldest first; none changes
	snapshot store.Snapshot
}

// View takes a view. It must be closed before the table is.
func (t *Table) View() View {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.layers) - 1
	layers := t.layers[:n:n]
	if t.layers[n].bytes > 0 {
		layers = append(layers, t.layers[n].copy())
	}
	// A layer leaves the list once the store has it, so the store has all that is in none of these.
	return View{layers, t.store.Snapshot()}
}

// Close releases the view. Its rows must be closed before.
func (v View) Close() error { return v.snapshot.Close() }

// Get reads a row. The value is the caller's.
func (v View) Get(key []byte) (value []byte, found bool, err error) {
	if value, known := get(v.layers, key); known {
		return append([]byte{}, value...), value != nil, nil
	}
	return v.snapshot.Get(key)
}

// Rows walks over the rows from lower (included) to upper (excluded; nil: no bound) in the order of their keys. It stands before the first.
func (v View) Rows(lower, upper []byte) (*Rows, error) {
	stored, err := v.snapshot.Rows(lower, upper)
	if err != nil {
		return nil, err
	}
	r := &Rows{upper: upper, stored: stored}
	r.hasStored = stored.Next()
	for i := len(v.layers) - 1; i >= 0; i-- {
		in := inLayer{layer: v.layers[i], it: v.layers[i].rows.Iter()}
		in.has = in.it.Seek(row{key: lower})
		r.in = append(r.in, in)
	}
	return r, nil
}

// Rows is a walk over rows. It must be closed.
type Rows struct {
	upper     []byte
	stored    *store.Rows
	hasStored bool
	in        []inLayer // the newest layer first
	at        row
	err       error
}

// inLayer is where a walk stands in a layer.
type inLayer struct {
	layer *layer
	it    btree.IterG[row]
	has   bool
}

// Next goes to the next row and reports whether there is one. When it returns false Close tells whether that was an error.
func (r *Rows) Next() bool {
	for r.err == nil {
		newest, key, ok := r.least()
		if !ok {
			return false
		}
		if r.at, ok = r.take(newest, key); ok {
			return true
		}
	}
	return false
}

// least is the least key that any of the sources stands at, and the newest source that does: an index into r.in, or its length for the store.
func (r *Rows) least() (newest int, key []byte, ok bool) {
	newest = len(r.in)
	if r.hasStored {
		key, ok = r.stored.Key(), true
	}
	for i := len(r.in) - 1; i >= 0; i-- {
		if !r.in[i].has {
			continue
		}
		if other := r.in[i].it.Item().key; !ok || bytes.Compare(other, key) <= 0 {
			newest, key, ok = i, other, true
		}
	}
	return newest, key, ok && (r.upper == nil || bytes.Compare(key, r.upper) < 0)
}

// take takes the row from the newest source that has it, and lets all that have it go on. There is none if it was deleted.
func (r *Rows) take(newest int, key []byte) (at row, ok bool) {
	if newest < len(r.in) {
		at = r.in[newest].it.Item()
		ok = !at.isDeleted()
	} else {
		value, err := r.stored.Value()
		if err != nil {
			r.err = err
			return at, false
		}
		at, ok = row{append([]byte{}, key...), append([]byte{}, value...)}, true
		key = at.key
	}
	for i := 0; i < newest && ok; i++ {
		ok = r.in[i].layer.ranges.Len() == 0 || !r.in[i].layer.hides(key)
	}
	if r.hasStored && bytes.Equal(r.stored.Key(), key) {
		r.hasStored = r.stored.Next()
	}
	for i := range r.in {
		if in := &r.in[i]; in.has && bytes.Equal(in.it.Item().key, key) {
			in.has = in.it.Next()
		}
	}
	return at, ok
}

// Key is the key of the row, valid until Next.
func (r *Rows) Key() []byte { return r.at.key }

// Value is the value of the row, valid until Next.
func (r *Rows) Value() ([]byte, error) { return r.at.value, r.err }

// Close ends the walk and returns the first error that it met.
func (r *Rows) Close() error { return errors.Join(r.err, r.stored.Close()) }
