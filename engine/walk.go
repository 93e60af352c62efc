package engine

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/table"
)

// Instance is an instance that [Walk] came by.
type Instance[S any] struct {
	ID    string // "" beside an error that ends the walk
	State S
}

// Walk goes over the instances of a type in the order of their ids (bytewise), from the first that is not below from.
//
// It sees all instances as they were at one moment, when everything that was acknowledged before the walk began had happened:
// whole epochs, so a transaction is there with all its effects or not at all; a saga may be half-way. It takes no locks and
// holds up nobody. What it sees is durable. It reads the table on the caller's goroutine.
//
// An error beside an Instance with an ID is about that instance alone, and the walk goes on with the next: [ErrDamaged], with
// functions.ErrBadState, for a state that does not decode and that no migration reads (see functions.Migrate), also because that panics or
// ends its goroutine; migrations and codec methods run on one of their own. Any other error comes
// without an ID and ends the walk: [ErrClosed], also when the deadline of a Close is over meanwhile; [ErrUnknownType] for a type that the engine was not opened with; [ErrDamaged] for rows that cannot be read. Close waits
// for walks until its deadline, and ends them then: if the loop's body calls Close, that waits so long for its own walk.
func Walk[S any](e *Engine, t *functions.Type[S], from string) iter.Seq2[Instance[S], error] {
	var d *instances.Type
	if t != nil {
		d, _ = t.Definition().(*instances.Type)
	}
	if d == nil {
		return func(yield func(Instance[S], error) bool) {
			yield(Instance[S]{}, fmt.Errorf("%w: a nil or zero Type", ErrUnknownType))
		}
	}
	return walkStates(e, d, from, func(state any) S { return *state.(*S) })
}

// walkStates goes over the instances of a type, on a goroutine of its own if to decode a state may run code of users. as is given
// pointers to states.
func walkStates[S any](e *Engine, d *instances.Type, from string, as func(state any) S) iter.Seq2[Instance[S], error] {
	return func(yield func(Instance[S], error) bool) {
		left := false
		alike := e.registry.IsAlike(d)
		decode := func(data []byte) (state S, err error) {
			value, err := d.DecodeState(data, alike)
			if err != nil {
				return state, err
			}
			return as(value), nil
		}
		if d.RunsCode() {
			apart := apart[S]{of: decode}
			defer apart.stop()
			decode = apart.decode
		}
		err := e.walk(d.Name, from, func(id, state []byte) (more bool, err error) {
			i := Instance[S]{ID: string(id)}
			if i.State, err = decode(state); err != nil {
				err = fmt.Errorf("%w: instance %s/%s: %w", ErrDamaged, d.Name, id, err)
			}
			left = !yield(i, err)
			return !left, nil
		})
		if err != nil && !left {
			yield(Instance[S]{}, err)
		}
	}
}

// walk is a walk that is under way. Between two instances, while code of users runs, it may be ended by Close.
type walk struct {
	mu       sync.Mutex // held while the store is read, and not while code of users runs
	over     bool       // ended by Close: the store may be closed
	snapshot table.View
	merge    merge
	id       []byte // what it came by last
	state    []byte
}

// walks lets Close wait for the walks.
type walks struct {
	mu    sync.Mutex
	moved sync.Cond // a walk has ended
	open  map[*walk]struct{}
	ended bool // none may begin any more
}

func (s *walks) init() {
	s.moved.L = &s.mu
	s.open = map[*walk]struct{}{}
}

// begin notes a walk, unless the engine closes.
func (s *walks) begin(w *walk, st *table.Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return ErrClosed
	}
	s.open[w] = struct{}{}
	w.snapshot = st.View()
	return nil
}

func (s *walks) remove(w *walk) {
	s.mu.Lock()
	delete(s.open, w)
	s.moved.Broadcast()
	s.mu.Unlock()
}

// end lets no walk begin any more, waits for those that are under way until ctx is over, and ends the others.
func (s *walks) end(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		s.moved.Broadcast()
		s.mu.Unlock()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for len(s.open) > 0 && ctx.Err() == nil {
		s.moved.Wait()
	}
	var errs []error
	for w := range s.open {
		errs = append(errs, w.close())
	}
	if n := len(s.open); n > 0 {
		errs = append(errs, fmt.Errorf("engine: walks that were not over: %d; they end with ErrClosed", n))
	}
	return errors.Join(errs...)
}

// close gives back what a walk holds, once. Nothing but reads of the disk can hold it up.
func (w *walk) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil
	}
	w.over = true
	return errors.Join(w.merge.close(), w.snapshot.Close())
}

// read reads from the store, unless Close has ended the walk.
func (w *walk) read(f func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return ErrClosed
	}
	return f()
}

// walk calls visit with the ids and states of a type's instances until it returns false or an error. They are valid during the call.
func (e *Engine) walk(typeName, from string, visit func(id, state []byte) (bool, error)) error {
	if e.closed.Load() {
		return ErrClosed
	}
	if e.registry.TypesByName[typeName] == nil {
		return fmt.Errorf("%w: %q", ErrUnknownType, typeName)
	}
	w := &walk{merge: merge{skip: len(format.InstanceKey(nil, 0, typeName, ""))}}
	return e.walkOver(w, func() error { return w.open(e.options.Shards, typeName, from) }, visit)
}

// walkRows calls visit with the rows of a range, as walk does with those of instances.
func (e *Engine) walkRows(lower, upper []byte, visit func(key, value []byte) (bool, error)) error {
	w := new(walk)
	return e.walkOver(w, func() error { return w.merge.add(w.snapshot.Rows(lower, upper)) }, visit)
}

// walkOver calls visit with the rows that open stands the walk before.
func (e *Engine) walkOver(w *walk, open func() error, visit func(id, state []byte) (bool, error)) (err error) {
	if err := e.walks.begin(w, e.table); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, w.close())
		e.walks.remove(w)
	}()
	err = w.read(open)
	for err == nil {
		more := false
		if err = w.read(func() (err error) { more, err = w.next(); return err }); err != nil || !more {
			return err
		}
		if more, err = visit(w.id, w.state); !more {
			return err
		}
	}
	return err
}

// open stands the walk before the first row of each shard.
func (w *walk) open(shards int, typeName, from string) error {
	for shard := range uint16(shards) {
		lower := format.InstanceKey(nil, shard, typeName, from)
		if err := w.merge.add(w.snapshot.Rows(lower, format.Upper(lower[:w.merge.skip]))); err != nil {
			return err
		}
	}
	heap.Init(&w.merge)
	return nil
}

// next copies the next row, and reports whether there is one.
func (w *walk) next() (bool, error) {
	id, state, err := w.merge.next()
	w.id, w.state = append(w.id[:0], id...), append(w.state[:0], state...)
	return id != nil, err
}

// merge brings the rows of all shards into the order of what follows the shard's number in their keys. It is a heap of walks by
// the row that each stands on.
type merge struct {
	skip   int // bytes of a key in front of the id
	rows   []*table.Rows
	over   []*table.Rows
	stands bool // on the first of rows, which was returned already
}

// add adds a walk over a shard's rows, unless it is empty.
func (m *merge) add(rows *table.Rows, err error) error {
	if err != nil {
		return err
	}
	if rows.Next() {
		m.rows = append(m.rows, rows)
	} else {
		m.over = append(m.over, rows)
	}
	return nil
}

// next goes to the next row of all, and returns what follows the prefix in its key, and its value; nil if there is none. They are valid
// until the next call.
func (m *merge) next() (id, value []byte, err error) {
	if m.stands {
		first := m.rows[0]
		if first.Next() {
			heap.Fix(m, 0)
		} else {
			m.over = append(m.over, heap.Pop(m).(*table.Rows))
		}
	}
	if m.stands = len(m.rows) > 0; !m.stands {
		return nil, nil, nil
	}
	value, err = m.rows[0].Value()
	return m.rows[0].Key()[m.skip:], value, err
}

func (m *merge) close() (err error) {
	for _, rows := range append(m.rows, m.over...) {
		err = errors.Join(err, rows.Close())
	}
	return err
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (m *merge) Len() int { return len(m.rows) }
func (m *merge) Less(i, j int) bool {
	return bytes.Compare(m.rows[i].Key()[m.skip:], m.rows[j].Key()[m.skip:]) < 0
}
func (m *merge) Swap(i, j int) { m.rows[i], m.rows[j] = m.rows[j], m.rows[i] }
func (m *merge) Push(x any)    { m.rows = append(m.rows, x.(*table.Rows)) }
func (m *merge) Pop() any {
	last := m.rows[len(m.rows)-1]
	m.rows = m.rows[:len(m.rows)-1]
	return last
}
