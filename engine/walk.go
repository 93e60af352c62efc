package engine

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/store"
)

// Instance is an instance that [Walk] came by.
type Instance[S any] struct {
	ID    string
	State S
}

// Walk goes over the instances of a type in the order of their ids (bytewise), from the first that is not below from.
//
// It sees all instances as they were at one moment, when everything that was acknowledged before the walk began had happened:
// whole epochs, so a transaction is there with all its effects or not at all; a saga may be half-way. It takes no locks and
// holds up nobody. It blocks until what it sees is durable, at most for one sync, and reads the store on the caller's goroutine.
//
// An error ends the walk: [ErrClosed]; [ErrUnknown] if the engine failed meanwhile; [ErrUnknownType] for a type that
// the engine was not opened with; [ErrDamaged] for a state that does not decode. Close waits for walks to end, so the loop's
// body must not call it.
func Walk[S any](e *Engine, t *functions.Type[S], from string) iter.Seq2[Instance[S], error] {
	return func(yield func(Instance[S], error) bool) {
		d := t.Definition()
		if d == nil {
			yield(Instance[S]{}, fmt.Errorf("%w: a nil or zero Type", ErrUnknownType))
			return
		}
		left := false
		err := e.walk(d.DefinedName(), from, func(id, state []byte) (more bool, err error) {
			i := Instance[S]{ID: string(id)}
			if err := functions.Decode(state, &i.State); err != nil {
				return false, fmt.Errorf("%w: instance %s/%s: %w", ErrDamaged, d.DefinedName(), id, err)
			}
			left = !yield(i, nil)
			return !left, nil
		})
		if err != nil && !left {
			yield(Instance[S]{}, err)
		}
	}
}

// walks lets walks wait for a seal, and Close for the walks.
type walks struct {
	active  sync.RWMutex // held for reading by each walk, for writing by what closes the store
	ended   bool         // guarded by active
	waiting atomic.Int32
	mu      sync.Mutex
	moved   sync.Cond // something was sealed, or nothing ever will be
}

// wake lets the walks look again whether what they saw is sealed.
func (s *walks) wake() {
	if s.waiting.Load() == 0 { // who waits says so before it looks
		return
	}
	s.mu.Lock()
	s.moved.Broadcast()
	s.mu.Unlock()
}

// end waits for the walks and lets none begin any more.
func (s *walks) end() {
	s.active.Lock()
	s.ended = true
	s.active.Unlock()
}

// walk calls visit with the ids and states of a type's instances until it returns false or an error.
func (e *Engine) walk(typeName, from string, visit func(id, state []byte) (bool, error)) (err error) {
	e.walks.active.RLock()
	defer e.walks.active.RUnlock()
	if e.walks.ended || e.closed.Load() {
		return ErrClosed
	}
	if e.registry.typesByName[typeName] == nil {
		return fmt.Errorf("%w: %q", ErrUnknownType, typeName)
	}
	snapshot := e.store.Snapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	if err := e.waitSealed(snapshot); err != nil {
		return err
	}
	m := merge{skip: len(store.InstanceKey(nil, 0, typeName, ""))}
	defer func() { err = errors.Join(err, m.close()) }()
	for shard := range uint16(e.options.Shards) {
		lower := store.InstanceKey(nil, shard, typeName, from)
		if err := m.add(snapshot.Rows(lower, store.Upper(lower[:m.skip]))); err != nil {
			return err
		}
	}
	return m.each(visit)
}

// waitSealed waits until the last epoch in a snapshot is sealed: a batch can be read a little before its sync.
func (e *Engine) waitSealed(snapshot store.Snapshot) error {
	value, found, err := snapshot.Get(store.Prefix(nil, store.NodeShard, store.KindWatermark))
	if !found {
		return err // nothing was ever sealed
	}
	m, err := decodeMarks(value)
	if err != nil {
		return fmt.Errorf("%w: watermark: %w", ErrDamaged, err)
	}
	e.walks.waiting.Add(1)
	defer e.walks.waiting.Add(-1)
	e.walks.mu.Lock()
	defer e.walks.mu.Unlock()
	for e.sealed.Load() < m.Epoch {
		if e.isDead() {
			return fmt.Errorf("%w: the engine failed", ErrUnknown)
		}
		e.walks.moved.Wait()
	}
	return nil
}

// merge brings the rows of all shards into the order of what follows the shard's number in their keys. It is a heap of walks by
// the row that each stands on.
type merge struct {
	skip int // bytes of a key in front of the id
	rows []*store.Rows
	over []*store.Rows
}

// add adds a walk over a shard's rows, unless it is empty.
func (m *merge) add(rows *store.Rows, err error) error {
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

// each calls visit with the rows in order until it returns false or an error.
func (m *merge) each(visit func(id, value []byte) (bool, error)) error {
	heap.Init(m)
	for len(m.rows) > 0 {
		first := m.rows[0]
		value, err := first.Value()
		if err != nil {
			return err
		}
		if more, err := visit(first.Key()[m.skip:], value); !more || err != nil {
			return err
		}
		if first.Next() {
			heap.Fix(m, 0)
		} else {
			m.over = append(m.over, heap.Pop(m).(*store.Rows))
		}
	}
	return nil
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
func (m *merge) Push(x any)    { m.rows = append(m.rows, x.(*store.Rows)) }
func (m *merge) Pop() any {
	last := m.rows[len(m.rows)-1]
	m.rows = m.rows[:len(m.rows)-1]
	return last
}
