package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// mark is the file MARK. It has two places that are written in turn, so that a torn one leaves the other.
type mark struct {
	file vfs.File // nil if there is none to be read
	turn uint64
	marked
}

// marked is what a mark says.
type marked struct {
	synced uint64 // the last entry that is durable; 0 if there is none
	front  uint64 // the number of the first segment
	first  uint64 // entries below this one were deleted
	cut    uint64 // entries from this one on are being deleted; 0 if none are
	closed uint64 // 1 if the log was closed, and nothing has been appended since
}

const (
	markName  = "MARK"
	markPlace = 4096 // bytes from one place to the next
	markBytes = 56   // turn, synced, front, first, cut, closed and their hash
)

func openMark(disk vfs.FS, dir string, readOnly bool) (*mark, error) {
	path := disk.PathJoin(dir, markName)
	open := func() (vfs.File, error) { return disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified) }
	if readOnly {
		open = func() (vfs.File, error) { return disk.Open(path) }
	}
	file, err := open()
	if readOnly && errors.Is(err, fs.ErrNotExist) {
		return &mark{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("log: open the mark: %w", err)
	}
	m := &mark{file: file}
	for place := range int64(2) {
		var b [markBytes]byte
		if _, err := file.ReadAt(b[:], place*markPlace); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return nil, errors.Join(fmt.Errorf("log: read the mark: %w", err), file.Close())
		}
		turn := binary.LittleEndian.Uint64(b[:])
		if binary.LittleEndian.Uint64(b[markBytes-8:]) != xxhash.Sum64(b[:markBytes-8]) || turn <= m.turn {
			continue
		}
		m.turn = turn
		for i, v := range []*uint64{&m.synced, &m.front, &m.first, &m.cut, &m.closed} {
			*v = binary.LittleEndian.Uint64(b[8+8*i:])
		}
	}
	return m, nil
}

// upTo is what a mark says when an entry is the last that is durable, while none is being deleted and the log is open.
func (m marked) upTo(synced uint64) marked {
	m.synced, m.cut, m.closed = synced, 0, 0
	return m
}

// set writes a mark, and syncs it if it must not be lost.
func (m *mark) set(to marked, sync bool) error {
	m.turn++
	m.marked = to
	var b [markBytes]byte
	for i, v := range []uint64{m.turn, to.synced, to.front, to.first, to.cut, to.closed} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	binary.LittleEndian.PutUint64(b[markBytes-8:], xxhash.Sum64(b[:markBytes-8]))
	if _, err := m.file.WriteAt(b[:], int64(m.turn%2)*markPlace); err != nil {
		return fmt.Errorf("log: write the mark: %w", err)
	}
	if !sync {
		return nil
	}
	if err := m.file.Sync(); err != nil {
		return fmt.Errorf("log: sync the mark: %w", err)
	}
	return nil
}

func (m *mark) close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}
