package store

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Target is a directory in which a copy is being made. It is locked, and marked as unfinished (see UnfinishedName) until Finish has
// returned nil.
type Target struct {
	Dir string

	fs   vfs.FS
	lock io.Closer
	made bool // the directory was
}

// NewTarget makes a directory for a copy of what is in the directory of, or takes one that is empty. The new one must not be in that of
// the original. Whatever is there stays as it is if that is an error.
func NewTarget(fs vfs.FS, dir, of string) (_ *Target, err error) {
	t := &Target{Dir: absolute(fs, dir)}
	t.fs = unlistable{fs, t.Dir}
	names, err := t.fs.List(t.Dir)
	if t.made = err != nil; len(names) > 0 { // that it may not be listed is told by what follows
		return nil, notEmpty(dir, names)
	}
	if err := makeDir(t.fs, t.Dir); err != nil {
		return nil, fmt.Errorf("store: make %s: %w", dir, err)
	}
	t.Dir = resolved(fs, t.Dir)
	if isBelow(fs, t.Dir, resolved(fs, absolute(fs, of))) {
		err = fmt.Errorf("store: %s is in the directory that is to be copied", dir)
	} else {
		err = t.begin()
	}
	if err != nil && t.made {
		_ = t.fs.Remove(t.Dir) // it fails where somebody else has put something there
	}
	return t, err
}

// NewTargetOnDisk is [NewTarget] on the operating system's file system, for a copy that may come from elsewhere: then of is "".
func NewTargetOnDisk(dir, of string) (*Target, error) {
	if of == "" {
		of = vfs.Default.PathJoin(dir, "nowhere") // it is in none of its own directories
	}
	return NewTarget(vfs.Default, dir, of)
}

// isBelow reports whether a directory is another one, or somewhere below it.
func isBelow(fs vfs.FS, dir, of string) bool {
	with := func(dir string) string { return strings.TrimSuffix(fs.PathJoin(dir, "x"), "x") }
	return strings.HasPrefix(with(dir), with(of))
}

// begin locks and marks the directory.
func (t *Target) begin() (err error) {
	if t.lock, err = LockDir(t.Dir, t.fs); err != nil {
		return err
	}
	names, err := t.fs.List(t.Dir)
	if err == nil && (len(names) != 1 || names[0] != LockName) { // somebody was quicker
		err = notEmpty(t.Dir, names)
	}
	if err != nil {
		return errors.Join(err, t.lock.Close())
	}
	mark, err := t.fs.Create(t.fs.PathJoin(t.Dir, UnfinishedName), vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(mark.Sync(), mark.Close(), t.syncDir())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("store: mark %s: %w", t.Dir, err), t.Remove())
	}
	return nil
}

func notEmpty(dir string, names []string) error {
	for _, name := range names {
		if name == UnfinishedName {
			return fmt.Errorf("%w: %s", ErrUnfinished, dir)
		}
	}
	return fmt.Errorf("store: %s is not empty: it has %s", dir, names[0])
}

// Finish makes a copy of a directory of which all files are durable, and frees it. After an error it is to be removed.
func (t *Target) Finish() error {
	if err := t.syncDir(); err != nil {
		return err
	}
	if err := t.fs.Remove(t.fs.PathJoin(t.Dir, UnfinishedName)); err != nil {
		return fmt.Errorf("store: finish %s: %w", t.Dir, err)
	}
	if err := t.syncDir(); err != nil {
		return err
	}
	return t.lock.Close()
}

// Remove removes what is in the directory, the mark last, and the directory if it was made, and frees it.
func (t *Target) Remove() error {
	names, err := t.fs.List(t.Dir)
	errs := []error{err}
	for _, name := range names {
		if name != UnfinishedName && name != LockName {
			errs = append(errs, t.fs.RemoveAll(t.fs.PathJoin(t.Dir, name)))
		}
	}
	errs = append(errs, t.syncDir())
	if err := errors.Join(errs...); err != nil {
		return errors.Join(fmt.Errorf("store: remove what is in %s: %w", t.Dir, err), t.lock.Close())
	}
	for _, name := range []string{UnfinishedName, LockName} {
		errs = append(errs, t.fs.RemoveAll(t.fs.PathJoin(t.Dir, name)))
	}
	if errs = append(errs, t.lock.Close()); t.made {
		errs = append(errs, t.fs.Remove(t.Dir))
	}
	return errors.Join(errs...)
}

func (t *Target) syncDir() error {
	dir, err := t.fs.OpenDir(t.Dir)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("store: sync %s: %w", t.Dir, err)
	}
	return nil
}
