package table

import (
	"bytes"
	"errors"

	"github.com/concordat-dev/concordat/internal/store"
)

// Get reads a row. The value is the caller's.
func (t *Table) Get(key []byte) (value []byte, found bool, err error) {
	if value, found, known := t.getSealed(key); known {
		return value, found, nil
	}
	return t.store.Get(key)
}

// getSealed looks for a row's last change in the overlay.
func (t *Table) getSealed(key []byte) (value []byte, found, known bool) {
	t.mu.RLock()
	if t.newest().isIndexed() {
		defer t.mu.RUnlock()
		return get(t.layers, key)
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest().indexAll()
	return get(t.layers, key)
}

// get looks for a row's last change in layers, the oldest first: whether that is known, and if the row is not deleted its value, copied.
func get(layers []*layer, key []byte) (value []byte, found, known bool) {
	for i := len(layers) - 1; i >= 0; i-- {
		if value, known = layers[i].get(key); known {
			return append([]byte{}, value...), value != nil, true
		}
	}
	return nil, false, false
}

// Scan calls visit with each row from lower (included) to upper (excluded; nil: no bound) in order, as they are at one moment, until it
// returns an error. Key and value are valid during the call only.
func (t *Table) Scan(lower, upper []byte, visit func(key, value []byte) error) (err error) {
	v := t.View()
	defer func() { err = errors.Join(err, v.Close()) }()
	rows, err := v.Rows(lower, upper)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		value, err := rows.Value()
		if err == nil {
			err = visit(rows.Key(), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// View is a table as it was at one moment: all of each batch or nothing of it. All that it shows is durable.
type View struct {
	layers   []*layer // the oldest first; none changes
	table    *Table
	snapshot store.Snapshot
	position []byte // the key of the table's own row, which is not shown
}

// View takes a view. It must be closed before the table is.
func (t *Table) View() View {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.freeze()
	n := len(t.layers) - 1
	layers := t.layers[:n:n]
	// A layer leaves the list once the store has it, so the store has all that is in none of these.
	t.views++
	return View{layers, t, t.store.Snapshot(), t.options.Position}
}

// Close releases the view, once. Its rows must be closed before.
func (v View) Close() error {
	v.table.mu.Lock()
	defer v.table.mu.Unlock()
	if v.table.views--; v.table.views < 0 {
		panic("table: a view is closed once")
	}
	return v.snapshot.Close()
}

// Get reads a row. The value is the caller's.
func (v View) Get(key []byte) (value []byte, found bool, err error) {
	if value, found, known := get(v.layers, key); known {
		return value, found, nil
	}
	return v.snapshot.Get(key)
}

// Rows walks over the rows from lower (included) to upper (excluded; nil: no bound) in the order of their keys. It stands before the first.
func (v View) Rows(lower, upper []byte) (*Rows, error) {
	stored, err := v.snapshot.Rows(lower, upper)
	if err != nil {
		return nil, err
	}
	r := &Rows{upper: upper, stored: stored, position: v.position}
	r.hasStored = stored.Next()
	for i := len(v.layers) - 1; i >= 0; i-- {
		l := v.layers[i]
		rows := l.order()
		at, _ := l.place(rows, lower)
		in := inLayer{layer: l, left: rows[at:]}
		in.load()
		r.in = append(r.in, in)
	}
	return r, nil
}

// Rows is a walk over rows. It must be closed.
type Rows struct {
	upper     []byte
	position  []byte
	stored    *store.Rows
	hasStored bool
	in        []inLayer // the newest layer first
	at        row
	err       error
}

// inLayer is where a walk stands in a layer.
type inLayer struct {
	layer *layer
	left  []spot // where it stands, and what follows
	at    row    // where it stands; none if nothing is left
}

func (in *inLayer) load() {
	if len(in.left) > 0 {
		in.at = in.layer.row(in.left[0])
	}
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
		if len(r.in[i].left) == 0 {
			continue
		}
		if other := r.in[i].at.key; !ok || bytes.Compare(other, key) <= 0 {
			newest, key, ok = i, other, true
		}
	}
	return newest, key, ok && (r.upper == nil || bytes.Compare(key, r.upper) < 0)
}

// take takes the row from the newest source that has it, and lets all that have it go on. There is none if it was deleted.
func (r *Rows) take(newest int, key []byte) (at row, ok bool) {
	if newest < len(r.in) {
		at = r.in[newest].at
		ok = !at.isDeleted()
	} else {
		value, err := r.stored.Value()
		if err != nil {
			r.err = err
			return at, false
		}
		at, ok = row{append([]byte{}, key...), append([]byte{}, value...)}, !bytes.Equal(key, r.position)
		key = at.key
	}
	for i := 0; i < newest && ok; i++ {
		ok = !r.in[i].layer.ranges.hide(key)
	}
	if r.hasStored && bytes.Equal(r.stored.Key(), key) {
		r.hasStored = r.stored.Next()
	}
	for i := range r.in {
		if in := &r.in[i]; len(in.left) > 0 && bytes.Equal(in.at.key, key) {
			in.left = in.left[1:]
			in.load()
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
