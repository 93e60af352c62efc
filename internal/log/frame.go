package log

import (
	"encoding/binary"
	"math"

	"github.com/cespare/xxhash/v2"
)

// Entry is an entry of a log.
type Entry struct {
	Index uint64 // its number, one more than that of the entry before
	Term  uint64 // for a consensus; the log only keeps it
	Data  []byte
	More  [][]byte // more data, behind Data, of an entry that is appended; Read returns none
}

// length is the number of bytes of an entry's data.
func (e *Entry) length() int {
	n := len(e.Data)
	for _, part := range e.More {
		n += len(part)
	}
	return n
}

const (
	headerBytes = 48
	frameBytes  = 40
	magic       = "CONCLOG1"

	// MaxEntryBytes bounds an entry.
	MaxEntryBytes = math.MaxUint32
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

// appendFrame appends the frame of an entry to a buffer, without the entry, and returns the frame's sum too.
func appendFrame(b []byte, e *Entry, place int, before uint64) ([]byte, uint64) {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(e.length()))
	b = binary.LittleEndian.AppendUint32(b, uint32(place))
	b = binary.LittleEndian.AppendUint64(b, e.Index)
	b = binary.LittleEndian.AppendUint64(b, e.Term)
	b = binary.LittleEndian.AppendUint64(b, before)
	sum := sumOf(b[at:], e.Data, e.More...)
	return binary.LittleEndian.AppendUint64(b, sum), sum
}

// sumOf is the sum of a frame, up to its own, and the entry.
func sumOf(frame, data []byte, more ...[]byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(frame) // a hash never fails
	_, _ = d.Write(data)
	for _, part := range more {
		_, _ = d.Write(part)
	}
	return d.Sum64()
}

// readFrame reads a frame, and reports whether it is one: whole, with its own sum.
func readFrame(b []byte) (f frame, ok bool) {
	if len(b) < frameBytes {
		return f, false
	}
	f.take(b)
	if f.index == 0 || uint64(f.length) > uint64(len(b)-frameBytes) {
		return f, false
	}
	return f, f.sum == sumOf(b[:frameBytes-8], b[frameBytes:f.size()])
}

func (f *frame) take(b []byte) {
	f.length, f.place = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	f.index, f.term = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	f.before, f.sum = binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
}

func (f *frame) size() int { return frameBytes + int(f.length) }

// appended is the number of the first entry of the frame's append.
func (f *frame) appended() uint64 { return f.index - uint64(f.place) }
