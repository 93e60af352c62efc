package table

import (
	"encoding/binary"
	"fmt"
)

// Batch collects changes that are sealed together. The zero Batch is empty.
//
// It is an entry of the log as it grows: an operation for each change, one behind the other.
//
//	's' length of key, length of value, key, value   set
//	'd' length of key, key                           delete
//	'r' length of lower, length of upper, both       delete the rows from lower (included) to upper (excluded)
//
// Lengths are unsigned varints.
type Batch struct {
	data  []byte
	count int
}

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
	b.data = binary.AppendUvarint(append(b.data, op), uint64(first))
	b.data = binary.AppendUvarint(b.data, uint64(second))
	b.count++
}

// Len is the batch's size in bytes.
func (b *Batch) Len() int { return len(b.data) }

// Count is the number of changes.
func (b *Batch) Count() int { return b.count }

// Each calls visit with each row that the batch sets, and with a nil value for each that it deletes, and dropped with each range that it
// deletes, in the order in which they were added. What they are given is the batch's memory.
func (b *Batch) Each(visit func(key, value []byte), dropped func(lower, upper []byte)) error {
	return eachChange(b.data, visit, dropped)
}

// eachChange is Each of an entry of the log.
func eachChange(data []byte, visit func(key, value []byte), dropped func(lower, upper []byte)) error {
	for len(data) > 0 {
		op := data[0]
		data = data[1:]
		lengths := [2]int{}
		parts := 2
		if op == opDelete {
			parts = 1
		}
		for i := range parts {
			n, size := binary.Uvarint(data)
			if size <= 0 || n > uint64(len(data)) {
				return errEntry
			}
			lengths[i], data = int(n), data[size:]
		}
		if lengths[0]+lengths[1] > len(data) {
			return errEntry
		}
		first, second := data[:lengths[0]:lengths[0]], data[lengths[0]:][:lengths[1]:lengths[1]]
		data = data[lengths[0]+lengths[1]:]
		switch op {
		case opSet:
			visit(first, second)
		case opDelete:
			visit(first, nil)
		case opRange:
			dropped(first, second)
		default:
			return errEntry
		}
	}
	return nil
}

// errEntry: an entry of the log, whose sum is right, is no batch.
var errEntry = fmt.Errorf("table: %w: an entry is no batch of changes", ErrDamaged)
