package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TableFile is a file of the store.
type TableFile struct {
	Path  string
	Bytes int64
}

// TableFiles are the files in which the rows are.
func (s *Store) TableFiles() (files []TableFile, err error) {
	levels, err := s.db.SSTables()
	if err != nil {
		return nil, fmt.Errorf("store: list the tables: %w", err)
	}
	seen := map[string]bool{}
	for _, level := range levels {
		for _, info := range level {
			name := fmt.Sprintf("%06d%s", uint64(info.BackingSSTNum), tableSuffix)
			path := s.fs.PathJoin(s.dir, name)
			if seen[name] {
				continue
			}
			seen[name] = true
			stat, err := s.fs.Stat(path)
			if err != nil {
				return nil, fmt.Errorf("store: %w", err)
			}
			files = append(files, TableFile{path, stat.Size()})
		}
	}
	return files, nil
}

// TableFilesIn are the files of tables in a directory of the operating system whose store does not open, whether they have rows of it or
// not.
func TableFilesIn(dir string) (files []TableFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), tableSuffix) || strings.HasPrefix(e.Name(), newPrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		files = append(files, TableFile{filepath.Join(dir, e.Name()), info.Size()})
	}
	return files, nil
}

// Verify reads each block of a file of the operating system and checks its sum. The error names the first that is damaged, with its place.
func (f TableFile) Verify() (err error) {
	file, err := vfs.Default.Open(f.Path, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	defer func() {
		if p := recover(); p != nil { // of a decoder of Pebble's, at bytes that nobody wrote
			err = errors.Join(err, fmt.Errorf("it cannot be read: %v", p))
		}
	}()
	options := new(pebble.Options)
	options.EnsureDefaults()
	reader, err := sstable.NewReader(context.Background(), readable, options.MakeReaderOptions())
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	return errors.Join(reader.ValidateBlockChecksums(), reader.Close())
}

// CheckLevels checks that the tables' rows are in their order, and newer ones above older ones.
func (s *Store) CheckLevels() error { return s.db.CheckLevels(nil) }
