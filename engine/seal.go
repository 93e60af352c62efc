package engine

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
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
	if errors.Is(err, seams.ErrStepDown) {
		e.stepDown(fmt.Errorf("engine: seal epoch %d: %w", s.epoch, err))
		return
	}
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

// ownLog is the table as the group's log.
type ownLog struct{ table *table.Table }

func (l ownLog) Down() <-chan struct{} { return nil }

func (l ownLog) Seal(_ uint64, batch *table.Batch) error { return l.table.Seal(batch) }

// awaitDown lets the engine step down when its log says so.
func (e *Engine) awaitDown() {
	defer e.running.Done()
	select {
	case <-e.log.Down():
		e.stepDown(seams.ErrStepDown)
	case <-e.ended:
	}
}

// stepDown stops the engine where it stands, for good: the log takes no more epochs from it. No epoch is cut any more, workers that are awake
// go to rest after what they are at, and whoever waits is let go.
func (e *Engine) stepDown(why error) {
	if !e.down.CompareAndSwap(false, true) {
		return
	}
	e.options.Logger.Warn("the engine stops: what is not sealed is left to whoever goes on", "dir", e.options.Dir, "error", why)
	e.closed.Store(true)
	e.backups.stop()
	for _, f := range e.feeds {
		f.cancel()
	}
	for _, g := range e.egresses {
		g.cancel()
	}
	e.die()
	e.gate.nudge()
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
	if err := e.log.Seal(s.epoch, batch); err != nil {
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
