package engine

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
)

// sealing is an epoch on its way to the disk.
type sealing struct {
	epoch    uint64
	forced   bool  // cut before it was drained
	charged  int64 // for what its rows were counted
	portions []*portion
	marks    format.Watermark
	bucket   *bucket    // where its outcomes go
	expired  []keyRange // of outcomes

	claimed  [MaxWorkers]atomic.Bool // portions that somebody encodes, or has encoded
	encoding sync.WaitGroup          // one for each portion that is not encoded yet
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
	began := e.clocks.Elapsed()
	batch := e.batch
	for _, r := range s.expired {
		batch.DeleteRange(r.lower, r.upper)
	}
	for _, g := range e.egresses {
		g.deleteDelivered(batch)
	}
	if !e.options.Seams.Stepped {
		runtime.Gosched() // workers that are awake encode their own portions, in parallel
	}
	for i := range s.portions {
		s.encode(i)
	}
	s.encoding.Wait()
	for _, p := range s.portions {
		batch.Append(&p.encoded)
	}
	rows := int(batch.Count())
	bytes, err := e.write(s, batch)
	if err != nil {
		e.fatal(fmt.Errorf("engine: seal epoch %d: %w", s.epoch, err))
	}
	e.noteSealed(s, began, rows, bytes)
	e.sealed.Store(s.epoch)
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

// write makes the batch durable, if there is anything in it, and returns how many bytes that are in the log.
func (e *Engine) write(s *sealing, batch *table.Batch) (bytes int, err error) {
	if batch.Count() == 0 {
		return 0, nil
	}
	value, err := codec.Encode(&s.marks)
	if err != nil {
		panic("engine: the watermark always encodes: " + err.Error())
	}
	batch.Set(format.Prefix(nil, format.NodeShard, format.KindWatermark), value)
	bytes = batch.Len()
	if e.options.Seams.Charged != nil {
		e.options.Seams.Charged(s.epoch, s.charged)
	}
	if err := e.options.Seams.Seal(s.epoch, batch, func() error { return e.table.Seal(batch) }); err != nil {
		return bytes, err
	}
	e.space.wrote(bytes)
	e.measures.sealedBytes.Add(uint64(bytes))
	if e.options.Seams.Stepped {
		return bytes, e.table.Quiet()
	}
	return bytes, nil
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
		e.tellSealed(p)
		w := e.workers[i]
		w.mu.Lock()
		w.free = append(w.free, p)
		w.mu.Unlock()
	}
}
