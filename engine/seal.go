package engine

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
)

// sealing is an epoch on its way to the disk.
type sealing struct {
	epoch    uint64
	forced   bool  // cut before it was drained
	charged  int64 // for what its rows were counted
	portions []*portion
	marks    format.Watermark
}

// sealLoop seals one epoch after the other until the engine stops.
func (e *Engine) sealLoop() {
	defer e.running.Done()
	defer close(e.toRelease)
	for s := range e.toSeal {
		e.seal(s)
	}
}

// seal writes an epoch, lets the next one be cut, and releases what waited for it.
func (e *Engine) seal(s *sealing) {
	batch := e.store.NewBatch()
	e.sweeper.work(batch, s.marks.Time)
	e.writePortions(batch, s)
	e.writeEgresses(batch, s)
	if err := e.write(s, batch); err != nil {
		e.fatal(fmt.Errorf("engine: seal epoch %d: %w", s.epoch, err))
	}
	e.trace("sealed epoch %d", s.epoch)
	e.sealed.Store(s.epoch)
	e.walks.wake()
	if !e.options.Seams.Stepped {
		runtime.Gosched() // clients that are ready to run make the next epoch larger; if there are none this costs nothing
	}
	e.sealing.Store(false)
	e.closeGate()
	e.gate.nudge()
	if e.options.Seams.Stepped {
		e.releaseAll(s)
		return
	}
	e.toRelease <- s
}

// releaseLoop releases one sealed epoch after the other, in order, while the sealer goes on with the next.
func (e *Engine) releaseLoop() {
	defer e.running.Done()
	for s := range e.toRelease {
		e.releaseAll(s)
	}
}

// write makes the batch durable, if there is anything in it.
func (e *Engine) write(s *sealing, batch store.Batch) error {
	if batch.Count() == 0 {
		return batch.Close()
	}
	value, err := functions.EncodeRow(&s.marks)
	if err != nil {
		panic("engine: the watermark always encodes: " + err.Error())
	}
	batch.Set(format.Prefix(nil, format.NodeShard, format.KindWatermark), value)
	size := batch.Len()
	if e.options.Seams.Charged != nil {
		e.options.Seams.Charged(s.epoch, s.charged)
	}
	if err := e.options.Seams.Seal(s.epoch, batch, batch.Seal); err != nil {
		return err
	}
	e.space.wrote(size)
	if err := e.store.Mark(s.epoch); err != nil {
		return err
	}
	if e.options.Seams.Stepped {
		return e.store.Quiet(size)
	}
	return nil
}

// releaseAll lets out what waited for the epoch.
func (e *Engine) releaseAll(s *sealing) {
	e.releaseEgresses(s)
	for i, p := range s.portions {
		for _, f := range p.feeds {
			f.sealed()
		}
		places := int64(0)
		for _, q := range p.replies {
			places += q.allPlaces()
		}
		e.inFlight.Add(-places) // all at once: the clients count there, too
		for _, q := range p.replies {
			e.answer(q)
		}
		w := e.workers[i]
		w.mu.Lock()
		w.free = append(w.free, p)
		w.mu.Unlock()
	}
}

// shardRows is what an epoch writes for one shard. Those rows are neighbours, and Pebble's memtable finds a place near the last
// one without a search from the top: so rows are written a shard at a time, and those of a kind in the order of their keys. The few
// of one shard are quick to sort, where all of an epoch's are not.
type shardRows struct {
	images   []*image
	outcomes []*request
}

// writePortions adds what the workers changed.
func (e *Engine) writePortions(batch store.Batch, s *sealing) {
	for _, p := range s.portions {
		for _, r := range p.rows {
			switch {
			case r.effects != nil:
				batch.Set(r.key, encodeRow(r.effects))
			case r.value == nil:
				batch.Delete(r.key)
			default:
				batch.Set(r.key, r.value)
			}
		}
		for _, r := range p.ranges {
			batch.DeleteRange(r.lower, r.upper)
		}
		for i := range p.images {
			shard := &e.shardRows[p.images[i].inst.shard]
			shard.images = append(shard.images, &p.images[i])
		}
		for _, q := range p.outcomes {
			shard := &e.shardRows[q.shard]
			shard.outcomes = append(shard.outcomes, q)
		}
		e.sweeper.written += len(p.outcomes)
	}
	for i := range e.shardRows {
		e.writeShard(batch, &e.shardRows[i], s.marks.Time)
	}
}

func (e *Engine) writeShard(batch store.Batch, s *shardRows, now int64) {
	slices.SortFunc(s.images, func(a, b *image) int {
		return cmp.Or(cmp.Compare(a.inst.entry.index, b.inst.entry.index), strings.Compare(a.inst.id, b.inst.id))
	})
	for _, i := range s.images {
		e.writeInstance(batch, i)
	}
	slices.SortFunc(s.outcomes, func(a, b *request) int { return strings.Compare(a.env.RequestID, b.env.RequestID) })
	for _, q := range s.outcomes {
		writeOutcome(batch, q, now)
	}
	clear(s.images)
	clear(s.outcomes)
	s.images, s.outcomes = s.images[:0], s.outcomes[:0]
}

func (e *Engine) writeInstance(batch store.Batch, i *image) {
	var buf [256]byte
	key := format.InstanceKey(buf[:0], i.inst.shard, i.inst.entry.info.Name, i.inst.id)
	if i.state.Exists {
		batch.Set(key, i.state.BytesIn(&e.encoding))
	} else {
		batch.Delete(key)
	}
}
