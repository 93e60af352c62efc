package ycsb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
)

// growth is the rows that there are, while some are inserted: keys are handed out in order, and a row can be drawn once it and
// all before it have been answered for. A key whose insertion failed, or of which that is not known, is a hole: it is never
// drawn and never audited, as whatever is there is none of this run's.
type growth struct {
	next   atomic.Int64 // the key to insert next
	limit  atomic.Int64 // all keys below are rows or holes
	hollow atomic.Bool  // there is a hole

	mu       sync.Mutex
	answered map[int]struct{} // keys from limit on that have been answered for
	holes    map[int]struct{}
}

func newGrowth(rows int) *growth {
	g := &growth{answered: make(map[int]struct{}), holes: make(map[int]struct{})}
	g.next.Store(int64(rows))
	g.limit.Store(int64(rows))
	return g
}

// size is the number of keys to draw from.
func (g *growth) size() int { return int(g.limit.Load()) }

// take hands out a key to insert, or an error when there are MaxKeys.
func (g *growth) take() (int, error) {
	key := int(g.next.Add(1)) - 1
	if key >= MaxKeys {
		return 0, fmt.Errorf("ycsb: there are %d rows, and no room for another", MaxKeys)
	}
	return key, nil
}

// answer notes how the insertion of a key ended.
func (g *growth) answer(key int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.holes[key] = struct{}{}
		g.hollow.Store(true) // before the limit passes it
	}
	g.answered[key] = struct{}{}
	limit := g.size()
	for ; contains(g.answered, limit); limit++ {
		delete(g.answered, limit)
	}
	g.limit.Store(int64(limit))
}

func (g *growth) isHole(key int) bool {
	if !g.hollow.Load() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return contains(g.holes, key)
}

// rows are the number of keys that were handed out, and those among them that are no rows.
func (g *growth) rows() (keys int, holes map[int]struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return min(int(g.next.Load()), MaxKeys), maps.Clone(g.holes)
}

func contains(set map[int]struct{}, key int) bool {
	_, ok := set[key]
	return ok
}

// existingRows finds how many rows there are if there are at least n: those that earlier runs have inserted are rows like any
// other. It looks for the first key without a row, first in ever greater steps and then by bisection.
func existingRows(ctx context.Context, t Target, n int) (int, error) {
	below, step := n-1, 1 // the row of key below is there
	for below+step < MaxKeys {
		there, err := rowExists(ctx, t, below+step)
		if err != nil {
			return 0, err
		}
		if !there {
			break
		}
		below, step = below+step, 2*step
	}
	for above := min(below+step, MaxKeys); above-below > 1; {
		middle := below + (above-below)/2
		there, err := rowExists(ctx, t, middle)
		if err != nil {
			return 0, err
		}
		if there {
			below = middle
		} else {
			above = middle
		}
	}
	return below + 1, nil
}

func rowExists(ctx context.Context, t Target, key int) (bool, error) {
	_, err := t.Balance(ctx, key)
	if errors.Is(err, functions.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
