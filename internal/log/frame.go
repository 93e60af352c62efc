package log

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Entry is an entry of a log.
type Entry struct {
	Index uint64 // its number, one more than that of the entry before
	Term  uint64 // for a consensus; the log only keeps it
	Data  []byte
}

const (
	headerBytes = 48
	frameBytes  = 40
	magic       = "CONCLOG1"

	// MaxEntryBytes bounds an entry.
	MaxEntryBytes = 1 << 30
)

// header is what a segment begins with.
type header struct {
	id, number, first uint64
	before            uint64 // the sum of the frame before the first
}

func (h *header) put(b []byte) {
	copy(b, magic)
	for i, v := range []uint64{h.id, h.number, h.first, h.before} {
		binary.LittleEndian.PutUint64(b[8+8*i:], v)
	}
	binary.LittleEndian.PutUint64(b[headerBytes-8:], xxhash.Sum64(b[:headerBytes-8]))
}

func (h *header) read(b []byte) bool {
	if len(b) < headerBytes || string(b[:8]) != magic || binary.LittleEndian.Uint64(b[headerBytes-8:]) != xxhash.Sum64(b[:headerBytes-8]) {
		return false
	}
	for i, v := range []*uint64{&h.id, &h.number, &h.first, &h.before} {
		*v = binary.LittleEndian.Uint64(b[8+8*i:])
	}
	return true
}

// frame is what stands before an entry.
type frame struct {
	length uint32
	place  uint32 // among the entries of its append
	index  uint64
	term   uint64
	before uint64 // the sum of the frame before
	sum    uint64
}

// appendFrame appends a frame and its entry to a buffer, and returns the frame's sum too.
func appendFrame(b []byte, e *Entry, place int, before uint64) ([]byte, uint64) {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(place))
	b = binary.LittleEndian.AppendUint64(b, e.Index)
	b = binary.LittleEndian.AppendUint64(b, e.Term)
	b = binary.LittleEndian.AppendUint64(b, before)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = append(b, e.Data...)
	sum := sumOf(b[at:])
	binary.LittleEndian.PutUint64(b[at+frameBytes-8:], sum)
	return b, sum
}

// sumOf is the sum of a frame with its entry.
func sumOf(b []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(b[:frameBytes-8]) // a hash never fails
	_, _ = d.Write(b[frameBytes:])
	return d.Sum64()
}

// readFrame reads a frame, and reports whether it is one: whole, with its own sum.
func readFrame(b []byte) (f frame, ok bool) {
	if len(b) < frameBytes {
		return f, false
	}
	f.take(b)
	if f.index == 0 || f.length > MaxEntryBytes || int(f.length) > len(b)-frameBytes {
		return f, false
	}
	return f, f.sum == sumOf(b[:f.size()])
}

func (f *frame) take(b []byte) {
	f.length, f.place = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	f.index, f.term = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	f.before, f.sum = binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
}

func (f *frame) size() int { return frameBytes + int(f.length) }

// appended is the number of the first entry of the frame's append.
func (f *frame) appended() uint64 { return f.index - uint64(f.place) }
