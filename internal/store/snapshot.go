package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Snapshot is the store as it was at one moment: all of each batch or nothing of it. It may be ahead of the disk by the batch
// that is being sealed, which is visible before its sync.
type Snapshot struct{ s *pebble.Snapshot }

// Snapshot takes a snapshot. It must be closed before the store is.
func (s *Store) Snapshot() Snapshot { return Snapshot{s.db.NewSnapshot()} }

// Close releases the snapshot. Its rows must be closed before.
func (s Snapshot) Close() error { return s.s.Close() }

// Get reads a row. The value is the caller's.
func (s Snapshot) Get(key []byte) (value []byte, found bool, err error) { return get(s.s, key) }

// Rows walks over the rows from lower (included) to upper (excluded) in the order of their keys. It stands before the first.
func (s Snapshot) Rows(lower, upper []byte) (*Rows, error) {
	it, err := s.s.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, fmt.Errorf("store: walk: %w", err)
	}
	return &Rows{it: it}, nil
}

// Rows is a walk over rows. It must be closed.
type Rows struct {
	it    *pebble.Iterator
	begun bool
}

// Next goes to the next row and reports whether there is one. When it returns false Close tells whether that was an error.
func (r *Rows) Next() bool {
	if !r.begun {
		r.begun = true
		return r.it.First()
	}
	return r.it.Next()
}

// Key is the key of the row, valid until Next.
func (r *Rows) Key() []byte { return r.it.Key() }

// Value is the value of the row, valid until Next.
func (r *Rows) Value() ([]byte, error) { return r.it.ValueAndErr() }

// Close ends the walk and returns the first error that it met.
func (r *Rows) Close() error { return errors.Join(r.it.Error(), r.it.Close()) }

// get reads a row from the store or a snapshot of it.
func get(from pebble.Reader, key []byte) (value []byte, found bool, err error) {
	data, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("store: read %q: %w", key, err)
	}
	value = append(make([]byte, 0, len(data)), data...)
	return value, true, closer.Close()
}
