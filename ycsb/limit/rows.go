package limit

import (
	"bytes"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

// books are the rows and the log that they are written to: the loop's alone.
type books struct {
	rows    []record // by key
	dirty   []int    // keys of the rows that changed since the last entry, each once
	changed int      // about how many bytes their states have

	log     *log.Log
	epoch   uint64 // the number of the last entry, or of the one that is being made
	kept    int64  // bytes of the entries since the log was cut off last
	opened  time.Time
	failure error          // of the log; from then on nothing changes
	alone   ycsb.Histogram // how long the appends of a single request took

	batch  table.Batch
	buffer bytes.Buffer
	key    []byte
}

// record is a row, or the place for one.
type record struct {
	exists bool
	dirty  bool
	row    ycsb.Row
	key    []byte // in the log; nil until the row is written
}

func newBooks(l *log.Log, keys int) books {
	return books{rows: make([]record, keys), log: l, opened: time.Now()}
}

// typeName is the type under which the engine has the rows.
const typeName = "ycsb/account"

var typeHash = format.NameHash(typeName)

// transferHash stands for the coordinator function whose place this takes.
var transferHash = format.NameHash("ycsb/transfer")

// find returns the row of a key, nil if there is none.
func (b *books) find(key int) *record {
	if key < 0 || key >= len(b.rows) || !b.rows[key].exists {
		return nil
	}
	return &b.rows[key]
}

// room returns the place for the row of a key.
func (b *books) room(key int) *record {
	for key >= len(b.rows) {
		b.rows = append(b.rows, record{})
	}
	return &b.rows[key]
}

// change returns the row of a key, which is there, to be changed.
func (b *books) change(key int) *ycsb.Row {
	r := &b.rows[key]
	if !r.dirty {
		r.dirty = true
		b.dirty = append(b.dirty, key)
		b.changed += sizeOf(&r.row)
	}
	return &r.row
}

// sizeOf is about how many bytes a row's state has.
func sizeOf(r *ycsb.Row) int {
	size := 16 // array, balance
	for i := range r.Fields {
		size += 3 + len(r.Fields[i])
	}
	return size
}

// encode writes the rows that changed, and the outcomes of requests, to the batch.
func (b *books) encode(group []*request) {
	b.batch.Reset()
	for _, key := range b.dirty {
		r := &b.rows[key]
		if r.key == nil {
			id := ycsb.RowID(key)
			r.key = format.InstanceKey(nil, format.InstanceShard(typeHash, id, format.DefaultShards), typeName, id)
		}
		b.buffer.Reset()
		if err := values.EncodeTo(&b.buffer, &r.row); err != nil {
			panic("limit: a row always encodes: " + err.Error())
		}
		b.batch.Set(r.key, b.buffer.Bytes())
		r.dirty = false
	}
	b.dirty, b.changed = b.dirty[:0], 0
	now := time.Since(b.opened).Nanoseconds() + 1
	for _, r := range group {
		if r.id != "" && r.err == nil {
			b.outcome(r, now)
		}
	}
}

// outcome writes the outcome of a request, settled at now, as the engine does: to the bucket of those that are written now, of which
// there is one here.
func (b *books) outcome(r *request, now int64) {
	const bucket = 1
	var payload []byte
	if err := r.status.Err(); err != nil {
		payload = failures.Encode(err)
	}
	of := format.Request{Name: transferHash, ID: r.id}
	b.key = format.OutcomeIn(b.key[:0], bucket, of.Shard(format.DefaultShards), of)
	b.batch.SetDeferred(len(b.key), format.OutcomeLen(payload), func(key, value []byte) {
		copy(key, b.key)
		format.PutOutcome(value, r.print, typeHash, now, r.status != rules.Done, payload)
	})
}

// watermark ends the batch, as the next entry, with the watermark.
func (b *books) watermark() {
	b.epoch++
	now := time.Now()
	value, err := codec.Encode(&format.Watermark{Epoch: b.epoch, At: now, Time: now.Sub(b.opened).Nanoseconds() + 1})
	if err != nil {
		panic("limit: the watermark always encodes: " + err.Error())
	}
	b.batch.Set(format.Prefix(nil, format.NodeShard, format.KindWatermark), value)
}
