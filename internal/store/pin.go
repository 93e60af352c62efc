package store

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pin is the store as it was at one moment, in files that stay while the store goes on: a directory below the store's own, with other
// names of its tables (hard links) and a copy of its list of files. It takes no room but for tables that the store would have removed
// meanwhile.
type Pin struct {
	store *Store
	dir   string
}

// pinPrefix begins the names of directories of pins. What a crash leaves of them is removed by the next Open.
const pinPrefix = "pin-"

// Pin pins the store as it is. With Options.NoLog that is all that was flushed or ingested. It must be removed before the store is closed.
func (s *Store) Pin() (_ *Pin, err error) {
	p := &Pin{s, s.fs.PathJoin(s.dir, fmt.Sprint(pinPrefix, s.pins.Add(1)))}
	defer func() {
		if panicked := recover(); panicked != nil { // when a sync of the new directory fails; Pebble has left its locks by then
			err = errors.Join(fmt.Errorf("store: pin: %v", panicked), p.Remove())
		}
	}()
	if err := s.db.Checkpoint(p.dir); err != nil {
		return nil, fmt.Errorf("store: pin: %w", err)
	}
	return p, nil
}

// Remove ends the pin.
func (p *Pin) Remove() error {
	if err := p.store.fs.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("store: end a pin: %w", err)
	}
	return nil
}

// CopyTo makes a store of the pin in another directory, which is empty but for what is no store's. Tables get another name there if they
// can, and are copied if it is on another file system. What takes long is done in portions: calls of portion, which is to call what it is
// given, once, and return its error, or another one to end the copying. All files are durable then; the directory is not synced.
func (p *Pin) CopyTo(dir string, portion func(do func() error) error) error {
	fs := p.store.copies
	names, err := fs.List(p.dir)
	if err != nil {
		return fmt.Errorf("store: copy: %w", err)
	}
	for _, name := range names {
		from, to := fs.PathJoin(p.dir, name), fs.PathJoin(dir, name)
		if strings.HasSuffix(name, noteSuffix) {
			continue // the copy of its manifest gets one
		}
		if strings.HasSuffix(name, tableSuffix) {
			linked := false
			err := portion(func() error { linked = fs.Link(from, to) == nil; return nil })
			if err != nil {
				return err
			}
			if linked {
				continue
			}
		}
		if err := copyFile(fs, from, to, portion); err != nil {
			return fmt.Errorf("store: copy %s: %w", name, err)
		}
	}
	return nil
}

// portionBytes is how much of a file is copied, and synced, at a time.
const portionBytes = 1 << 20

// copyFile copies a file.
func copyFile(fs vfs.FS, from, to string, portion func(do func() error) error) (err error) {
	in, err := fs.Open(from, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := fs.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for more := true; more; {
		err := portion(func() error {
			n, err := io.CopyN(out, in, portionBytes)
			if more = n == portionBytes; errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, out.Sync())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
