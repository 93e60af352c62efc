package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// openReading opens a directory for reading; see Options.ReadOnly.
func openReading(o Options) (*Store, error) {
	o.Dir = resolved(o.FS, o.Dir)
	if err := CheckFinished(o.FS, o.Dir); err != nil {
		return nil, err
	}
	lock, err := lockReading(o.Dir, o.FS)
	if err != nil {
		return nil, err
	}
	s, err := openLockedReading(o, lock)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: read %s: %w", o.Dir, err), lock.Close())
	}
	return s, nil
}

// lockReading is lockDir for whoever only reads.
func lockReading(dir string, disk vfs.FS) (io.Closer, error) {
	lock, err := lockToRead(dir, disk)
	return lock, heldOr(dir, err)
}

// openLockedReading opens a directory for reading whose lock is held.
func openLockedReading(o Options, lock io.Closer) (_ *Store, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("pebble panicked: %v\n%s", p, debug.Stack())
		}
	}()
	disk := reading{o.FS}
	o.FS = disk
	before, err := pebble.Peek(o.Dir, disk)
	if err != nil {
		return nil, err
	}
	if err := checkNew(disk, o.Dir, before); err != nil {
		return nil, err
	}
	if !before.Exists {
		return nil, ErrNone
	}
	if err := (manifests{disk}).check(before); err != nil {
		return nil, err
	}
	cache := pebble.NewCache(o.CacheBytes)
	defer cache.Unref()
	s := &Store{lock: lock, fs: disk, dir: o.Dir, noLog: true}
	s.options = o.pebble(s, cache, manifests{tables{FS: o.FS}})
	s.options.ReadOnly = true
	if s.db, err = pebble.Open(o.Dir, s.options); err != nil {
		return nil, err
	}
	if s.mark, err = openMark(disk, o.Dir, true); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// reading is a file system that is not written to. Whoever locks something on it has the lock already.
type reading struct{ vfs.FS }

func readOnly(op, name string) error { return &os.PathError{Op: op, Path: name, Err: syscall.EROFS} }

// Create implements vfs.FS.
func (reading) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, readOnly("create", name)
}

// Link implements vfs.FS.
func (reading) Link(_, name string) error { return readOnly("link", name) }

// OpenReadWrite implements vfs.FS.
func (reading) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, readOnly("open", name)
}

// Remove implements vfs.FS.
func (reading) Remove(name string) error { return readOnly("remove", name) }

// RemoveAll implements vfs.FS.
func (reading) RemoveAll(name string) error { return readOnly("remove", name) }

// Rename implements vfs.FS.
func (reading) Rename(_, name string) error { return readOnly("rename", name) }

// ReuseForWrite implements vfs.FS.
func (reading) ReuseForWrite(_, name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, readOnly("open", name)
}

// MkdirAll implements vfs.FS.
func (reading) MkdirAll(name string, _ os.FileMode) error { return readOnly("mkdir", name) }

// Lock implements vfs.FS.
func (reading) Lock(string) (io.Closer, error) { return noLock{}, nil }

// Unwrap is for whoever needs the file system below.
func (r reading) Unwrap() vfs.FS { return r.FS }
