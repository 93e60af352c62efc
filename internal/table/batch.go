package table

import (
	"encoding/binary"
	"fmt"

	"github.com/concordat-dev/concordat/internal/log"
)

// Batch collects changes that are sealed together. The zero Batch is empty, and grows in memory of its own.
//
// It is an entry of the log as it grows: an operation for each change, one behind the other.
//
//	's' length of key, length of value, key, value   set
//	'd' length of key, key                           delete
//	'r' length of lower, length of upper, both       delete the rows from lower (included) to upper (excluded)
//
// Lengths are unsigned varints.
type Batch struct {
	parts  []part // what was added before data
	before int    // bytes in parts
	data   []byte // grows
	count  int

	chunks *chunks // nil: data is in memory of its own
	chunk  *chunk  // that data is in. Nil: in memory of its own.
}

// part is some of the changes of a batch or a layer.
type part struct {
	data  []byte
	chunk *chunk // that it is in. Nil: in memory of its own.
}

// NewBatch makes an empty batch that is to be sealed again and again: it grows in memory of what was applied before, and goes on behind
// what was sealed.
func (t *Table) NewBatch() *Batch { return &Batch{chunks: &t.chunks} }

const (
	opSet    = 's'
	opDelete = 'd'
	opRange  = 'r'
)

// Set writes a row. It copies key and value.
func (b *Batch) Set(key, value []byte) {
	b.begin(opSet, len(key), len(value))
	b.data = append(append(b.data, key...), value...)
}

// SetDeferred makes room for a row of these lengths and lets fill write key and value in place.
func (b *Batch) SetDeferred(keyLen, valueLen int, fill func(key, value []byte)) {
	b.begin(opSet, keyLen, valueLen)
	at := len(b.data)
	b.data = append(b.data, make([]byte, keyLen+valueLen)...) // does not allocate
	fill(b.data[at:at+keyLen:at+keyLen], b.data[at+keyLen:])
}

// Delete removes a row.
func (b *Batch) Delete(key []byte) {
	b.makeRoom(len(key))
	b.data = binary.AppendUvarint(append(b.data, opDelete), uint64(len(key)))
	b.data = append(b.data, key...)
	b.count++
}

// DeleteRange removes the rows from lower (included) to upper (excluded).
func (b *Batch) DeleteRange(lower, upper []byte) {
	b.begin(opRange, len(lower), len(upper))
	b.data = append(append(b.data, lower...), upper...)
}

func (b *Batch) begin(op byte, first, second int) {
	b.makeRoom(first + second)
	b.data = binary.AppendUvarint(append(b.data, op), uint64(first))
	b.data = binary.AppendUvarint(b.data, uint64(second))
	b.count++
}

// makeRoom makes room for a change whose keys and values have so many bytes: another part, if there is none behind the last change.
func (b *Batch) makeRoom(size int) {
	size += 1 + 2*binary.MaxVarintLen64
	if b.chunks == nil || cap(b.data)-len(b.data) >= size {
		return
	}
	b.endPart()
	b.chunks.leave(b.chunk)
	if size > b.chunks.size/2 {
		b.chunk, b.data = nil, make([]byte, 0, size)
		return
	}
	b.chunk = b.chunks.take()
	b.data = b.chunk.bytes[:0]
}

// endPart makes a part of what has grown. What is added next goes on behind it.
func (b *Batch) endPart() {
	n := len(b.data)
	if n == 0 {
		return
	}
	if b.chunk != nil {
		b.chunk.users.Add(1)
	}
	b.parts = append(b.parts, part{b.data[:n:n], b.chunk})
	b.before += n
	b.data = b.data[n:]
}

// Append adds the changes of another batch, which is empty then. It copies nothing.
func (b *Batch) Append(other *Batch) {
	b.endPart()
	other.endPart()
	b.parts = append(b.parts, other.parts...)
	b.before += other.before
	b.count += other.count
	other.handOn()
}

// handOn empties a batch whose parts are somebody else's now.
func (b *Batch) handOn() {
	*b = Batch{data: b.data, chunks: b.chunks, chunk: b.chunk}
}

// Len is the batch's size in bytes.
func (b *Batch) Len() int { return b.before + len(b.data) }

// Entry is the batch as an entry of the log with this number. It has the batch's memory, and is valid until the batch changes.
func (b *Batch) Entry(index uint64) log.Entry {
	e := log.Entry{Index: index, Data: b.data}
	if len(b.parts) == 0 {
		return e
	}
	e.Data = b.parts[0].data
	for _, p := range b.parts[1:] {
		e.More = append(e.More, p.data)
	}
	if len(b.data) > 0 {
		e.More = append(e.More, b.data)
	}
	return e
}

// Reset empties a batch with memory of its own, which keeps the memory that it grew in.
func (b *Batch) Reset() { *b = Batch{data: b.data[:0]} }

// Count is the number of changes.
func (b *Batch) Count() int { return b.count }

// Each calls visit with each row that the batch sets, and with a nil value for each that it deletes, and dropped with each range that it
// deletes, in the order in which they were added. What they are given is the batch's memory.
func (b *Batch) Each(visit func(key, value []byte), dropped func(lower, upper []byte)) error {
	for _, p := range b.parts {
		if err := EachChange(p.data, visit, dropped); err != nil {
			return err
		}
	}
	return EachChange(b.data, visit, dropped)
}

// EachChange is [Batch.Each] of an entry of the log, or a part of one. What is no batch is [ErrDamaged].
func EachChange(data []byte, visit func(key, value []byte), dropped func(lower, upper []byte)) error {
	for at := 0; at < len(data); {
		c, err := changeAt(data, at)
		if err != nil {
			return err
		}
		switch first, second := c.parts(data); c.op {
		case opSet:
			visit(first, second)
		case opDelete:
			visit(first, nil)
		case opRange:
			dropped(first, second)
		}
		at = c.next()
	}
	return nil
}

// change is where a change is in an entry: its first part, and behind that the second one. What is deleted has only one.
type change struct {
	op            byte
	at            int
	first, second int // their lengths
}

// changeAt reads the change that begins at a place of an entry.
func changeAt(data []byte, at int) (c change, err error) {
	c.op = data[at]
	at++
	lengths := [2]*int{&c.first, &c.second}
	parts := 2
	if c.op == opDelete {
		parts = 1
	}
	for _, length := range lengths[:parts] {
		if at < len(data) && data[at] < 1<<7 { // most are short
			*length = int(data[at])
			at++
			continue
		}
		n, size := binary.Uvarint(data[at:])
		if size <= 0 || n > uint64(len(data)) {
			return c, errEntry
		}
		*length = int(n)
		at += size
	}
	c.at = at
	if c.next() > len(data) || (c.op != opSet && c.op != opDelete && c.op != opRange) {
		return c, errEntry
	}
	return c, nil
}

// mustChangeAt is changeAt of an entry that this process has made, or has read before.
func mustChangeAt(data []byte, at int) change {
	c, err := changeAt(data, at)
	if err != nil {
		panic("table: a change that was whole before: " + err.Error())
	}
	return c
}

// rowAt is the row that a change is of, which was whole before, in the memory of the entry.
func rowAt(data []byte, at int) row {
	c := mustChangeAt(data, at)
	key, value := c.parts(data)
	if c.op == opDelete {
		value = nil
	}
	return row{key, value}
}

// next is where the next change begins.
func (c change) next() int { return c.at + c.first + c.second }

// parts are the change's parts, in the memory of the entry.
func (c change) parts(data []byte) (first, second []byte) {
	middle, end := c.at+c.first, c.next()
	return data[c.at:middle:middle], data[middle:end:end]
}

// errEntry: an entry of the log, whose sum is right, is no batch.
var errEntry = fmt.Errorf("table: %w: an entry is no batch of changes", ErrDamaged)
