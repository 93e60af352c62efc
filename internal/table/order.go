package table

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"runtime"
	"slices"
)

// inOrder puts rows, which are numbers that grow, in the order of their keys. Of several with the same key only the last one stays.
//
// Rows are all over the memory, and to wait for it is most of what sorting them by comparing takes. So keys are sorted by sixteen bytes at a
// time, which are copied beside each other first. Many are divided by the first byte in which they differ, until they fit into a processor's
// cache; those are sorted by each byte in which they differ, the last one first, and few are compared. What has the same sixteen bytes is
// sorted by the next sixteen.
func inOrder(rows []uint32, key func(row uint32) []byte) []uint32 {
	pieces := make([]piece, len(rows))
	for i, row := range rows {
		pieces[i].row = row
	}
	s := sorter{key: key, sorted: rows[:0], spare: make([]piece, len(rows))}
	s.sort(pieces, 0)
	return s.sorted
}

// sorter is the state of inOrder.
type sorter struct {
	key    func(row uint32) []byte
	sorted []uint32
	spare  []piece
	worked int // since it yielded
}

// piece is up to sixteen bytes of a row's key.
type piece struct {
	high, low uint64 // the bytes as numbers, with zeros behind the key's end
	length    uint32 // how many bytes the key has from here on, or pieceBytes+1 if it has more than that
	row       uint32
}

const (
	pieceBytes = 16
	// fewPieces is how many are compared: for fewer, counting bytes takes longer.
	fewPieces = 64
	// manyPieces is how many are divided first: more do not fit into a processor's cache.
	manyPieces = 16 << 10
	// yieldEach is the number of rows after each of which sorting yields, about a tenth of a millisecond: the Go scheduler takes a processor
	// away only after 10 ms, and a request passes half a dozen goroutines.
	yieldEach = 4096
)

// sort appends rows to what is sorted. Their keys are the same up to depth; rows with the same key are in their order.
func (s *sorter) sort(pieces []piece, depth int) {
	for part := range slices.Chunk(pieces, yieldEach) {
		for i := range part {
			part[i].load(s.key(part[i].row)[depth:])
		}
		s.yield(len(part))
	}
	s.sortLoaded(pieces, depth)
}

func (p *piece) load(key []byte) {
	p.length = uint32(min(len(key), pieceBytes+1))
	if len(key) < pieceBytes {
		var b [pieceBytes]byte
		copy(b[:], key)
		key = b[:]
	}
	p.high, p.low = binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])
}

// sortLoaded is sort of pieces that are loaded.
func (s *sorter) sortLoaded(pieces []piece, depth int) {
	if len(pieces) < fewPieces {
		slices.SortFunc(pieces, comparePieces)
	} else {
		differ := piece{} // the bits in which they do
		for part := range slices.Chunk(pieces, yieldEach) {
			for i := range part {
				p, first := &part[i], &pieces[0]
				differ.high |= p.high ^ first.high
				differ.low |= p.low ^ first.low
				differ.length |= p.length ^ first.length
			}
			s.yield(len(part) / 4)
		}
		if at := differ.firstByte(); at < pieceBytes && len(pieces) > manyPieces {
			s.divide(pieces, depth, at)
			return
		}
		s.sortByBytes(pieces, &differ)
	}
	for len(pieces) > 0 {
		n := 1
		for n < len(pieces) && pieces[n].high == pieces[0].high && pieces[n].low == pieces[0].low && pieces[n].length == pieces[0].length {
			n++
		}
		if n == 1 || pieces[0].length <= pieceBytes { // one row, or several with the same key
			s.sorted = append(s.sorted, pieces[n-1].row)
		} else {
			s.sort(pieces[:n], depth+pieceBytes)
		}
		pieces = pieces[n:]
	}
}

func comparePieces(a, b piece) int {
	switch {
	case a.high != b.high:
		return cmp.Compare(a.high, b.high)
	case a.low != b.low:
		return cmp.Compare(a.low, b.low)
	case a.length != b.length:
		return cmp.Compare(a.length, b.length)
	}
	return cmp.Compare(a.row, b.row)
}

// byte is a byte of the key, or the length.
func (p *piece) byte(at int) byte {
	switch {
	case at < 8:
		return byte(p.high >> (56 - 8*at))
	case at < pieceBytes:
		return byte(p.low >> (56 + 64 - 8*at))
	}
	return byte(p.length)
}

// firstByte is the first byte of the key that is not 0; pieceBytes if all are.
func (p *piece) firstByte() int {
	if p.high != 0 {
		return bits.LeadingZeros64(p.high) / 8
	}
	return 8 + bits.LeadingZeros64(p.low)/8
}

// divide sorts pieces by a byte, the first in which they differ, and then those that are the same in it.
func (s *sorter) divide(pieces []piece, depth, at int) {
	ends := s.scatter(pieces, s.spare, at)
	copy(pieces, s.spare)
	from := uint32(0)
	for _, to := range ends {
		if from < to {
			s.sortLoaded(pieces[from:to], depth)
		}
		from = to
	}
}

// sortByBytes sorts pieces by their lengths and then by each byte in which they differ, the last one first, without changing the order of
// those that are the same: so they are sorted in the end.
func (s *sorter) sortByBytes(pieces []piece, differ *piece) {
	from, to := pieces, s.spare[:len(pieces)]
	for at := pieceBytes; at >= 0; at-- {
		if differ.byte(at) != 0 {
			s.scatter(from, to, at)
			from, to = to, from
		}
	}
	if &from[0] != &pieces[0] {
		copy(pieces, from)
	}
}

// scatter puts pieces in the order of a byte, and returns where those with each of its values end. It does not change the order of those that
// have the same.
func (s *sorter) scatter(from, to []piece, at int) (ends [256]uint32) {
	for part := range slices.Chunk(from, yieldEach) {
		for i := range part {
			ends[part[i].byte(at)]++
		}
		s.yield(len(part) / 4)
	}
	next := uint32(0)
	for b, n := range ends {
		ends[b], next = next, next+n
	}
	for part := range slices.Chunk(from, yieldEach) {
		for i := range part {
			b := part[i].byte(at)
			to[ends[b]] = part[i]
			ends[b]++
		}
		s.yield(len(part) / 2)
	}
	return ends
}

// yield lets others run after some work, which is about that of loading so many pieces.
func (s *sorter) yield(work int) {
	if s.worked += work; s.worked >= yieldEach {
		s.worked = 0
		runtime.Gosched()
	}
}
