package ycsb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/functions"
)

// memory is a target in memory that is able to do everything: each operation takes a fixed time, and what a transfer does can
// be changed.
type memory struct {
	takes     time.Duration
	mu        sync.Mutex
	balances  map[int]int64
	ids       map[string]bool
	calls     map[string]int                    // by method
	scanned   []int                             // lengths of the scans
	parties   []int                             // of the payments
	transfer  func(m *memory, t Transfer) error // default: move
	insertion func(key int) error               // default: nil
}

func newMemory(takes time.Duration) *memory {
	return &memory{
		takes: takes, balances: make(map[int]int64), ids: make(map[string]bool), calls: make(map[string]int),
		transfer: (*memory).move, insertion: func(int) error { return nil },
	}
}

func (m *memory) move(t Transfer) error {
	if t.Refuse {
		return ErrRefused
	}
	m.balances[t.From] -= t.Amount
	m.balances[t.To] += t.Amount
	return nil
}

// do takes its time, checks the id and the keys, and then does what.
func (m *memory) do(method, id string, keys []int, what func() error) error {
	time.Sleep(m.takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[method]++
	if id != "" && m.ids[id] {
		return fmt.Errorf("id %s a second time", id)
	}
	m.ids[id] = true
	seen := make(map[int]bool)
	for _, key := range keys {
		if _, ok := m.balances[key]; !ok {
			return fmt.Errorf("%w: key %d", functions.ErrNotFound, key)
		}
		if seen[key] {
			return fmt.Errorf("key %d twice", key)
		}
		seen[key] = true
	}
	return what()
}

func nothing() error { return nil }

func (m *memory) Load(_ context.Context, key int, row Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.balances[key]; !ok {
		m.balances[key] = row.Balance
	}
	return nil
}

func (m *memory) Read(_ context.Context, key int) error {
	return m.do("Read", "", []int{key}, nothing)
}

func (m *memory) ReadField(_ context.Context, key, field int) error {
	return m.do("ReadField", "", []int{key}, func() error { return validField(field) })
}

func validField(field int) error {
	if field < 0 || field >= MaxFields {
		return fmt.Errorf("field %d", field)
	}
	return nil
}

func (m *memory) Update(_ context.Context, id string, u FieldUpdate) error {
	return m.do("Update", id, []int{u.Key}, func() error {
		if len(u.Value) != FieldBytes {
			return fmt.Errorf("a field of %d bytes", len(u.Value))
		}
		return validField(u.Field)
	})
}

func (m *memory) Overwrite(_ context.Context, id string, key int, fields [MaxFields]string) error {
	return m.do("Overwrite", id, []int{key}, func() error {
		if fields[0] == "" {
			return errors.New("no fields")
		}
		return nil
	})
}

func (m *memory) Insert(_ context.Context, id string, key int, row Row) error {
	return m.do("Insert", id, nil, func() error {
		if err := m.insertion(key); err != nil {
			return err
		}
		m.balances[key] = row.Balance
		return nil
	})
}

func (m *memory) Scan(_ context.Context, from, n int) error {
	return m.do("Scan", "", []int{from}, func() error {
		m.scanned = append(m.scanned, n)
		return nil
	})
}

func (m *memory) Modify(_ context.Context, id string, u FieldUpdate) error {
	return m.do("Modify", id, []int{u.Key}, func() error { return validField(u.Field) })
}

func (m *memory) Pay(_ context.Context, id string, p Payment) error {
	return m.do("Pay", id, append([]int{p.From}, p.To...), func() error {
		m.parties = append(m.parties, 1+len(p.To))
		if p.Refuse {
			return ErrRefused
		}
		for _, to := range p.To {
			m.balances[p.From] -= p.Amount
			m.balances[to] += p.Amount
		}
		return nil
	})
}

func (m *memory) Snapshot(_ context.Context, keys []int) error {
	return m.do("Snapshot", "", keys, nothing)
}

func (m *memory) Transfer(_ context.Context, id string, t Transfer) error {
	return m.do("Transfer", id, []int{t.From, t.To}, func() error { return m.transfer(m, t) })
}

func (m *memory) Balance(_ context.Context, key int) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	balance, ok := m.balances[key]
	if !ok {
		return 0, functions.ErrNotFound
	}
	return balance, nil
}

// modest is a target without abilities.
type modest struct{ m *memory }

func (t modest) Load(ctx context.Context, key int, row Row) error { return t.m.Load(ctx, key, row) }
func (t modest) Read(ctx context.Context, key int) error          { return t.m.Read(ctx, key) }
func (t modest) Transfer(ctx context.Context, id string, x Transfer) error {
	return t.m.Transfer(ctx, id, x)
}
func (t modest) Balance(ctx context.Context, key int) (int64, error) { return t.m.Balance(ctx, key) }

// broken is a target whose balances cannot be read.
type broken struct{ *memory }

var errBroken = errors.New("broken")

func (broken) Balance(context.Context, int) (int64, error) { return 0, errBroken }

// unreadable is a target whose rows cannot be read.
type unreadable struct{ *memory }

func (u unreadable) Read(context.Context, int) error {
	time.Sleep(u.takes)
	return fmt.Errorf("%w: no answer", ErrUnknown)
}

// runBubble runs in a synctest bubble, where sleeping takes no time.
func runBubble(ctx context.Context, c Config, t Target) (Result, error) {
	return run(ctx, c, t, bubbleSleep)
}

func bubbleSleep(until time.Time) { time.Sleep(time.Until(until)) }

// sums are the sums of all balances before and after.
func sums(r Result) (before, after int64) {
	return r.Before.Constant[0].Value, r.After.Constant[0].Value
}
