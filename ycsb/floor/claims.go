package floor

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

// claims are the ids of requests that have not been sealed yet. A request claims its id before it looks for an older outcome
// in the store, and the claim stands until the outcome's row can be read there; so of two requests with one id the second
// finds the first in one of the two places. A filter of all ids ever seen spares most looks into the store.
type claims struct{ parts [64]claimPart }

type claimPart struct {
	mu sync.Mutex
	of map[string]struct{}

	seen filter   // every id that was claimed or has a row
	_    [80]byte // whole cache lines for each part
}

func (c *claims) init() {
	for i := range c.parts {
		c.parts[i].of = make(map[string]struct{})
	}
}

// part picks a part by the high bits, which the filter's blocks are not picked by.
func (c *claims) part(hash uint64) *claimPart { return &c.parts[hash>>58] }

// claim makes sure that this is the first request with its id, or returns done and the outcome of the first one. A request
// without an id is always the first.
func (f *Floor) claim(id string, print uint64) (done bool, err error) {
	if id == "" {
		return false, nil
	}
	hash := format.RequestHash(id)
	s := f.claims.part(hash)
	claimed, fresh := s.claim(id, hash)
	for ; !claimed; claimed, fresh = s.claim(id, hash) {
		if err := f.failed(); err != nil {
			return true, err
		}
		runtime.Gosched() // a repeat while the first is under way: it ends within a sync
	}
	if fresh {
		return false, nil
	}
	key := format.OutcomeKey(make([]byte, 0, 64), format.RequestShard(id, format.DefaultShards), id)
	value, found, err := f.store.Get(key)
	if !found && err == nil {
		return false, nil
	}
	s.release(id)
	if err != nil {
		return true, err
	}
	if len(value) != outcomeBytes {
		return true, fmt.Errorf("floor: the outcome of %q has %d bytes, not %d", id, len(value), outcomeBytes)
	}
	if binary.BigEndian.Uint64(value) != print {
		return true, fmt.Errorf("%w: %q", ErrReused, id)
	}
	return true, rules.Status(value[16]).Err()
}

// claim claims the id unless another request has it, and reports whether it is certain that no earlier one had it.
func (s *claimPart) claim(id string, hash uint64) (claimed, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.of[id]; ok {
		return false, false
	}
	s.of[id] = struct{}{}
	return true, !s.seen.add(hash)
}

func (s *claimPart) release(id string) {
	s.mu.Lock()
	delete(s.of, id)
	s.mu.Unlock()
}

// release ends the claims of a sealed group.
func (f *Floor) release(outcomes []outcome) {
	for i := range outcomes {
		id := outcomes[i].id
		f.claims.part(format.RequestHash(id)).release(id)
	}
}
