package engine

import (
	"bytes"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/table"
)

// portion is what one worker adds to an epoch.
type portion struct {
	dirty    []*instance
	images   []image // of dirty, made at the cut
	rows     []row
	ranges   []keyRange // of rows that are deleted; none of them is in rows
	outcomes []*request // settled, with ids
	replies  []*request // to be released
	touched  []*coord
	emits    []format.Emitted
	emitted  []uint64 // of several workers: when each of emits was, among those of all workers
	feeds    []fed    // what was taken from ingresses, and handled of that
	records  []egressRecord
	traces   []*Trace // of transactions that are decided

	encoded table.Batch // all of it
	memory  bytes.Buffer
}

// image is the state of an instance to be written.
type image struct {
	inst  *instance
	state instances.Image
}

// row is a row to be written, or deleted if there is no value.
type row struct {
	key, value []byte
	effects    *format.JournalEffects // in the place of the value: the sealer encodes them
}

// keyRange is the keys from lower (included) to upper (excluded).
type keyRange struct{ lower, upper []byte }

func (p *portion) empty() bool {
	return len(p.dirty) == 0 && len(p.rows) == 0 && len(p.outcomes) == 0 && len(p.replies) == 0 && len(p.touched) == 0 &&
		len(p.emits) == 0 && len(p.feeds) == 0
}

func (p *portion) reset() {
	clear(p.dirty)
	clear(p.images)
	clear(p.rows)
	clear(p.ranges)
	clear(p.outcomes)
	clear(p.replies)
	clear(p.touched)
	clear(p.emits)
	clear(p.feeds)
	clear(p.records)
	clear(p.traces)
	p.dirty, p.images, p.rows, p.ranges = keepSmall(p.dirty), keepSmall(p.images), keepSmall(p.rows), keepSmall(p.ranges)
	p.emitted = keepSmall(p.emitted)
	p.outcomes, p.replies, p.touched = keepSmall(p.outcomes), keepSmall(p.replies), keepSmall(p.touched)
	p.emits, p.feeds, p.records = keepSmall(p.emits), keepSmall(p.feeds), keepSmall(p.records)
	p.traces = keepSmall(p.traces)
	if p.memory.Cap() > keptMemory {
		p.memory = bytes.Buffer{}
	}
}

// newPortion makes an empty portion.
func (g *commons) newPortion() *portion { return &portion{encoded: *g.table.NewBatch()} }

// freshPortion makes an empty portion, in used memory if there is any.
func (w *worker) freshPortion() *portion {
	n := len(w.portions)
	if n == 0 {
		return w.group.newPortion()
	}
	p := w.portions[n-1]
	w.portions = w.portions[:n-1]
	return p
}

// encodePortion encodes what the worker has added to the epoch that was cut last, unless the sealer was there first.
func (w *worker) encodePortion() {
	if w.cut != nil {
		w.cut.encode(w.id)
		w.cut = nil
	}
}

// encode encodes a portion of an epoch that was cut, unless somebody does or has. The instances may go on changing: their images do not.
func (s *sealing) encode(n int) {
	if !s.claimed[n].CompareAndSwap(false, true) {
		return
	}
	s.portions[n].encode(s)
	s.encoding.Done()
}

func (p *portion) encode(s *sealing) {
	batch := &p.encoded
	for _, r := range p.ranges {
		batch.DeleteRange(r.lower, r.upper)
	}
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
	for i := range p.images {
		p.images[i].writeTo(batch, &p.memory)
	}
	for _, q := range p.outcomes {
		writeOutcome(batch, s.bucket, q.shard.number, q, s.marks.Time)
	}
	for i := range p.records {
		r := &p.records[i]
		batch.Set(format.EgressKey(nil, r.egress.name, r.seq), encodeRow(&r.record))
	}
}

// writeTo writes the row of an instance, with memory to encode its state in.
func (i *image) writeTo(batch *table.Batch, memory *bytes.Buffer) {
	var buf [256]byte
	key := format.InstanceKey(buf[:0], i.inst.shard.number, i.inst.entry.Info.Name, i.inst.id)
	if i.state.Exists {
		batch.Set(key, i.state.BytesIn(memory))
	} else {
		batch.Delete(key)
	}
}
