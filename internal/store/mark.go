package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// mark is a file with one number: how far the store's user has got. It is written after each seal and never synced, so it costs
// next to nothing, and a power failure may set it back. But it is never ahead of what is durable; so a store whose rows are
// behind it has lost some of them. That shows what the store itself cannot see: damage in the last 32 KiB of a log looks to it
// like a write that a crash cut short, which it drops with all that follows.
type mark struct {
	file vfs.File // nil if there is none to be read
	last uint64
}

const (
	markName  = "MARK"
	markBytes = 16 // the number and its hash
)

// openMark reads the mark of a directory. One that is torn is taken as 0.
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
		return nil, fmt.Errorf("store: open the mark: %w", err)
	}
	var b [markBytes]byte
	switch n, err := file.ReadAt(b[:], 0); {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, errors.Join(fmt.Errorf("store: read the mark: %w", err), file.Close())
	case n == markBytes && binary.BigEndian.Uint64(b[8:]) == xxhash.Sum64(b[:8]):
		return &mark{file: file, last: binary.BigEndian.Uint64(b[:8])}, nil
	}
	return &mark{file: file}, nil
}

// Marked is the mark that an earlier user of the directory left, or an older one after a power failure; 0 if there is none.
func (s *Store) Marked() uint64 { return s.mark.last }

// Mark leaves a mark: n says how far the rows that were sealed have got. It may be called only after they were.
func (s *Store) Mark(n uint64) error {
	var b [markBytes]byte
	binary.BigEndian.PutUint64(b[:8], n)
	binary.BigEndian.PutUint64(b[8:], xxhash.Sum64(b[:8]))
	if _, err := s.mark.file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("store: write the mark: %w", err)
	}
	return nil
}

func (m *mark) close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}
