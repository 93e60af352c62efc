package floor

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

// group is the operations that are sealed together.
type group struct {
	closed   atomic.Bool   // cut; set under the floor's mutex
	done     chan struct{} // closed when the group is sealed, or failed with err
	err      error
	joined   int
	dirty    []int32 // keys of the rows that it changed, each once
	outcomes []outcome
}

// outcome is what is kept of a request with an id.
type outcome struct {
	id     string
	shard  uint16
	print  uint64
	status rules.Status
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// wait blocks until the group is sealed.
func (g *group) wait() error {
	<-g.done
	return g.err
}

// answer waits and returns the error of a request that ended with s.
func (g *group) answer(s rules.Status) error {
	if err := g.wait(); err != nil {
		return err
	}
	return s.Err()
}

// join runs change in the open group and adds the request's outcome to it. The caller holds the mutexes of the accounts that
// change touches. Change and cut exclude each other, so a group has all of a transfer or nothing of it.
func (f *Floor) join(requestID string, print uint64, s rules.Status, change func(*group)) *group {
	f.mu.Lock()
	g := f.open
	if f.failure != nil {
		f.mu.Unlock()
		return g
	}
	change(g)
	if requestID != "" {
		g.outcomes = append(g.outcomes, outcome{requestID, outcomeShard(requestID), print, s})
	}
	g.joined++
	first := g.joined == 1
	f.mu.Unlock()
	if first {
		f.work <- struct{}{} // never blocks: the committer takes the token before it cuts, and a group has one first
	}
	return g
}

// commitLoop cuts one group after the other and hands it to the sealer, until the floor is closed.
func (f *Floor) commitLoop() {
	defer close(f.written)
	var w writer
	for range f.work {
		runtime.Gosched() // those who are ready come along with this group; see engine.seal
		g := f.cut()
		batch := f.store.NewBatch()
		w.writeRows(batch, f.accounts, g.dirty)
		w.writeOutcomes(batch, g.outcomes)
		f.written <- sealing{g, batch}
	}
}

// cut closes the open group and opens the next.
func (f *Floor) cut() *group {
	var next *group
	select {
	case next = <-f.spare:
	default:
		next = newGroup()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.open
	if f.failure == nil {
		f.open = next
		f.unsealed = append(f.unsealed, g)
	}
	g.closed.Store(true)
	return g
}

// fail is called once the store has failed. What is under way ends with an unknown outcome, and all that comes later with none: the
// open group is then one that has ended. The goroutine that found out, and those that wait for it, stay behind; the process is about
// to end.
func (f *Floor) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return
	}
	f.failure = fmt.Errorf("%w: floor: the store failed: %w", ycsb.ErrStore, err)
	for _, g := range append(f.unsealed, f.open) {
		g.err = fmt.Errorf("%w: %w", ycsb.ErrUnknown, f.failure)
		close(g.done)
	}
	f.unsealed, f.open = nil, newGroup()
	f.open.err = f.failure
	f.open.closed.Store(true)
	close(f.open.done)
}

// failed is the error of a store that has failed.
func (f *Floor) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

// end takes a sealed group from those that are not, and reports false if the store has failed meanwhile.
func (f *Floor) end(g *group) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.Index(f.unsealed, g)
	if at < 0 {
		return false
	}
	f.unsealed = slices.Delete(f.unsealed, at, at+1)
	return true
}

// sealing is a group whose batch is complete.
type sealing struct {
	group *group
	batch store.Batch
}

// sealLoop seals one group after the other. Meanwhile the committer writes the batch of the next, and the one after fills.
func (f *Floor) sealLoop() {
	for s := range f.written {
		g := s.group
		if err := s.batch.Seal(); err != nil {
			f.fail(fmt.Errorf("seal: %w", err))
		}
		if !f.end(g) {
			continue
		}
		f.release(g.outcomes)
		f.recycle(g)
		close(g.done)
	}
}

// recycle keeps the memory of a group for a later one.
func (f *Floor) recycle(g *group) {
	next := newGroup()
	next.dirty, next.outcomes = g.dirty[:0], g.outcomes[:0]
	g.dirty, g.outcomes = nil, nil
	select {
	case f.spare <- next:
	default:
	}
}

// writer is the memory that the committer encodes in.
type writer struct {
	buffer bytes.Buffer
	key    []byte
}

// writeRows adds the rows in the order of their keys: Pebble's memtable finds the place of a key that follows the one before
// it without a search from the top.
func (w *writer) writeRows(batch store.Batch, accounts *accounts, dirty []int32) {
	slices.SortFunc(dirty, func(a, b int32) int { return bytes.Compare(accounts.of(int(a)).key, accounts.of(int(b)).key) })
	for _, n := range dirty {
		a := accounts.of(int(n))
		w.buffer.Reset()
		a.mu.Lock()
		image := a.image
		if a.image = nil; image == nil {
			if err := values.EncodeTo(&w.buffer, &a.row); err != nil {
				panic("floor: a row always encodes: " + err.Error())
			}
			image, a.saved = w.buffer.Bytes(), true
		}
		a.mu.Unlock()
		batch.Set(a.key, image)
	}
}

// outcomeBytes is the size of an outcome's value: the request's fingerprint, the time, and the status.
const outcomeBytes = 8 + 8 + 1

func (w *writer) writeOutcomes(batch store.Batch, outcomes []outcome) {
	now := uint64(time.Now().UnixNano())
	slices.SortFunc(outcomes, func(a, b outcome) int {
		return cmp.Or(cmp.Compare(a.shard, b.shard), strings.Compare(a.id, b.id))
	})
	for _, o := range outcomes {
		w.key = format.OutcomeKey(w.key[:0], o.shard, o.id)
		batch.SetDeferred(len(w.key), outcomeBytes, func(key, value []byte) {
			copy(key, w.key)
			binary.BigEndian.PutUint64(value, o.print)
			binary.BigEndian.PutUint64(value[8:], now)
			value[16] = byte(o.status)
		})
	}
}
