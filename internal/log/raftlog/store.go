// Package raftlog keeps the entries of hashicorp/raft in a [log.Log]: a [Store] is its raft.LogStore.
//
// The number and the term of a raft entry are those of the log's entry. The rest is its data:
//
//	type (1), AppendedAt in seconds (8) and nanoseconds (4), length of the extensions (unsigned varint), extensions, data
//
// AppendedAt comes back in UTC, and data or extensions that are empty come back as nil.
package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/concordat-dev/concordat/internal/log"
)

// ErrHole: a range in the middle of the entries cannot be deleted.
var ErrHole = errors.New("raftlog: there would be a hole in the log")

// Store is a raft.LogStore. It is safe for use by many goroutines: raft deletes old entries on another than the one that appends.
type Store struct {
	log *log.Log

	mu     sync.Mutex // of those who write
	buffer []byte
}

var (
	_ raft.LogStore          = (*Store)(nil)
	_ raft.MonotonicLogStore = (*Store)(nil)
)

// New makes a store of an open log. Nobody else may write to the log; whoever opened it closes it, once raft has ended.
func New(l *log.Log) *Store { return &Store{log: l} }

// IsMonotonic implements raft.MonotonicLogStore: raft must leave no gap between entries, and deletes all of them when it installs a snapshot.
func (*Store) IsMonotonic() bool { return true }

// FirstIndex is the number of the first entry; 0 if there is none.
func (s *Store) FirstIndex() (uint64, error) { return s.log.First(), nil }

// LastIndex is the number of the last entry; 0 if there is none.
func (s *Store) LastIndex() (uint64, error) { return s.log.Last(), nil }

// GetLog reads an entry. One that is not there is raft.ErrLogNotFound itself, which raft compares by identity; one that is not what was
// written is log.ErrDamaged.
func (s *Store) GetLog(index uint64, to *raft.Log) error {
	e, err := s.log.Read(index, nil)
	switch {
	case errors.Is(err, log.ErrNotThere):
		return raft.ErrLogNotFound
	case err != nil:
		return err
	}
	return decode(e, to)
}

// StoreLog appends an entry; see StoreLogs.
func (s *Store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries, and returns when all of them are durable: after one write and one sync, unless they reach into another segment of
// the log. Each must have the number that follows the one before, and no earlier term: log.ErrOrder. After an error none of them is there, and
// unless it is log.ErrFailed they may be stored again; so it is where the disk has no room.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := s.encode(logs)
	last := s.log.Last()
	err := s.log.Append(entries...)
	if err != nil {
		err = errors.Join(err, s.log.DeleteBack(last+1)) // some may have had room
	}
	if cap(s.buffer) > maxBuffer {
		s.buffer = nil
	}
	return err
}

// maxBuffer bounds the memory that is kept for the next entries.
const maxBuffer = 4 << 20

// DeleteRange deletes the entries from a number to another, both included, as far as they are there: from the front, from the back, or all. A
// range that leaves entries on both sides is ErrHole.
func (s *Store) DeleteRange(from, to uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, last := s.log.First(), s.log.Last()
	switch {
	case last == 0, from > to, to < first, from > last:
		return nil
	case to >= last:
		return s.log.DeleteBack(from)
	case from <= first:
		return s.log.DeleteFront(to + 1)
	}
	return fmt.Errorf("%w: %d to %d of %d to %d", ErrHole, from, to, first, last)
}

const (
	headBytes = 1 + 8 + 4 // type and AppendedAt
	maxHead   = headBytes + binary.MaxVarintLen64
)

// encode makes entries of the log. Their data is the store's buffer.
func (s *Store) encode(logs []*raft.Log) []log.Entry {
	size := 0
	for _, l := range logs {
		size += maxHead + len(l.Extensions) + len(l.Data)
	}
	b := slices.Grow(s.buffer[:0], size)
	entries := make([]log.Entry, len(logs))
	for i, l := range logs {
		at := len(b)
		b = append(b, byte(l.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(l.AppendedAt.Unix()))
		b = binary.LittleEndian.AppendUint32(b, uint32(l.AppendedAt.Nanosecond()))
		b = binary.AppendUvarint(b, uint64(len(l.Extensions)))
		b = append(append(b, l.Extensions...), l.Data...)
		entries[i] = log.Entry{Index: l.Index, Term: l.Term, Data: b[at:]}
	}
	s.buffer = b
	return entries
}

// decode reads what encode has made. The memory of the entry is the raft entry's from then on.
func decode(e log.Entry, to *raft.Log) error {
	if len(e.Data) < headBytes {
		return fmt.Errorf("%w: entry %d has %d bytes: it is none of raft's", log.ErrDamaged, e.Index, len(e.Data))
	}
	n, size := binary.Uvarint(e.Data[headBytes:])
	if size <= 0 || n > uint64(len(e.Data)-headBytes-size) {
		return fmt.Errorf("%w: entry %d: its extensions have more bytes than it has", log.ErrDamaged, e.Index)
	}
	seconds, nanoseconds := binary.LittleEndian.Uint64(e.Data[1:]), binary.LittleEndian.Uint32(e.Data[9:])
	rest := e.Data[headBytes+size:]
	*to = raft.Log{
		Index: e.Index, Term: e.Term, Type: raft.LogType(e.Data[0]),
		Extensions: orNil(rest[:n:n]), Data: orNil(rest[n:]),
		AppendedAt: time.Unix(int64(seconds), int64(nanoseconds)).UTC(),
	}
	return nil
}

func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
