package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Portion is many changes on their way into the store; see [Store.Ingest].
type Portion struct {
	store  *Store
	paths  []string        // of the tables
	writer *sstable.Writer // of the last one, until that is full
}

// newPrefix begins the names of tables that are written and not taken yet. What a crash leaves of them is removed by the next Open.
const newPrefix = "new-"

// Ingest takes many changes at once, which write adds: they become tables as they are, and go neither through a memtable nor through
// Pebble's log. When it returns nil they are durable. After an error, or a crash, all of them are there or none. One goroutine calls it at a
// time, and while it does nothing else is sealed that it changes, too.
func (s *Store) Ingest(write func(p *Portion) error) error {
	p := &Portion{store: s}
	err := errors.Join(write(p), p.Split())
	if err == nil && len(p.paths) > 0 {
		err = s.db.Ingest(context.Background(), p.paths)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store: take a portion: %w", err), s.removeNew())
	}
	return nil
}

// Split ends a table: what is added from now on is in another one, and no range that was added may reach so far. Tables whose keys are
// written at other times are better apart: then Pebble does not write the one anew for the sake of the other.
func (p *Portion) Split() error {
	if p.writer == nil {
		return nil
	}
	err := p.writer.Close()
	p.writer = nil
	return err
}

// Set changes a row, whose key is larger than any before.
func (p *Portion) Set(key, value []byte) error {
	w, err := p.table()
	if err != nil {
		return err
	}
	return w.Set(key, value)
}

// Delete deletes a row, whose key is larger than any before.
func (p *Portion) Delete(key []byte) error {
	w, err := p.table()
	if err != nil {
		return err
	}
	return w.Delete(key)
}

// DeleteRange deletes the rows from lower (included) to upper (excluded), but for those that the portion sets. Ranges are added in their
// order, and none meets another.
func (p *Portion) DeleteRange(lower, upper []byte) error {
	w, err := p.table()
	if err != nil {
		return err
	}
	return w.DeleteRange(lower, upper)
}

func (p *Portion) table() (*sstable.Writer, error) {
	if p.writer != nil {
		return p.writer, nil
	}
	s := p.store
	path := s.fs.PathJoin(s.dir, fmt.Sprint(newPrefix, len(p.paths), tableSuffix))
	file, err := s.options.FS.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	p.paths = append(p.paths, path)
	p.writer = sstable.NewWriter(objstorageprovider.NewFileWritable(file), s.options.MakeWriterOptions(0, s.db.TableFormat()))
	return p.writer, nil
}

// removeLeft removes what a crash has left: tables that were not taken, and directories of pins.
func (s *Store) removeLeft() error {
	names, err := s.fs.List(s.dir)
	for _, name := range names {
		if strings.HasPrefix(name, pinPrefix) {
			err = errors.Join(err, s.fs.RemoveAll(s.fs.PathJoin(s.dir, name)))
		}
	}
	return errors.Join(err, s.removeNew())
}

// removeNew removes tables that were not taken.
func (s *Store) removeNew() error {
	names, err := s.fs.List(s.dir)
	for _, name := range names {
		if !strings.HasPrefix(name, newPrefix) {
			continue
		}
		if removed := s.fs.Remove(s.fs.PathJoin(s.dir, name)); !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}
	return err
}
