package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// locked is a file system on which the lock cannot be taken.
type locked struct {
	vfs.FS
	err error
}

func (l locked) Lock(string) (io.Closer, error) { return nil, l.err }
func (l locked) Unwrap() vfs.FS                 { return l.FS }

// TestOnlyHeldLocksAreInUse: what else keeps the lock from being taken is an error of its own, with the operating system's in it.
func TestOnlyHeldLocksAreInUse(t *testing.T) {
	of := func(err error) error { return &os.PathError{Op: "open", Path: "data/LOCK", Err: err} }
	for _, c := range []struct {
		err   error
		inUse bool
	}{
		{syscall.EAGAIN, true},
		{syscall.EACCES, true}, // what fcntl may say of a lock that is held
		{errors.New("lock held by current process"), true},
		{of(fs.ErrExist), true},
		{of(syscall.EACCES), false},
		{of(syscall.EROFS), false},
		{of(syscall.EISDIR), false},
		{syscall.ENOLCK, false},
	} {
		_, err := tryOpen(Options{FS: locked{vfs.NewMem(), c.err}})
		if !errors.Is(err, c.err) || errors.Is(err, ErrInUse) != c.inUse {
			t.Errorf("%v: opening gives %v", c.err, err)
		}
	}
}

// secretive is a file system with a directory that can be passed and not listed.
type secretive struct {
	vfs.FS
	dir string
}

func (s secretive) OpenDir(name string) (vfs.File, error) {
	if name == s.dir {
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return s.FS.OpenDir(name)
}

func (s secretive) Unwrap() vfs.FS { return s.FS }

// TestUnlistableParent: a directory in one that can be passed and not listed (mode 711) opens, whether it is there or has to be made.
func TestUnlistableParent(t *testing.T) {
	mem := vfs.NewMem()
	for range 2 {
		s := open(t, Options{FS: secretive{mem, "/home"}, Dir: "/home/data"})
		put(t, s, "a=1")
		ok(t, s.Close())
	}
	if _, err := tryOpen(Options{FS: secretive{mem, "/home/data"}, Dir: "/home/data"}); !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrInUse) {
		t.Errorf("a directory that may not be listed itself: %v", err)
	}
}

// TestNoDirectory: a path that is a file, and one below a file.
func TestNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, nil, 0o644))
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		if _, err := tryOpen(Options{Dir: dir}); !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), file) {
			t.Errorf("opening %s gives %v", dir, err)
		}
	}
}

// TestForeignStoreStaysAsItIs: another program's store is refused, and keeps its format, so that its own program can go on.
func TestForeignStoreStaysAsItIs(t *testing.T) {
	mem := vfs.NewMem()
	const old = pebble.FormatFlushableIngest
	db, err := pebble.Open("data", &pebble.Options{FS: mem, FormatMajorVersion: old})
	ok(t, err)
	ok(t, db.Set([]byte("a"), []byte("1"), pebble.Sync))
	ok(t, db.Close())
	before := fmt.Sprint(files(t, mem))
	for range 2 {
		if _, err := tryOpen(Options{FS: mem, Ours: []byte("ours")}); !errors.Is(err, ErrForeign) {
			t.Errorf("opening it gives %v", err)
		}
	}
	if after := fmt.Sprint(files(t, mem)); after != before {
		t.Errorf("its files were %s, and are %s", before, after)
	}
	s := open(t, Options{FS: mem, Ours: []byte("a")}) // as an old directory of ours, which has no mark
	if got := s.db.FormatMajorVersion(); got != pebble.FormatNewest {
		t.Errorf("an old directory of ours has format %v", got)
	}
	ok(t, s.Close())
}

// files are the names of what is in the directory, but for the lock.
func files(t *testing.T, fs vfs.FS) (names []string) {
	t.Helper()
	all, err := fs.List("data")
	ok(t, err)
	for _, name := range all {
		if name != "LOCK" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestMemTableBounds: the smallest memtable works, one that is smaller is refused, and the directory stays free.
func TestMemTableBounds(t *testing.T) {
	mem := vfs.NewMem()
	for _, bytes := range []uint64{1, MinMemTableBytes - 1} {
		if _, err := tryOpen(Options{FS: mem, MemTableBytes: bytes}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(MinMemTableBytes)) {
			t.Errorf("a memtable of %d bytes: %v", bytes, err)
		}
	}
	s := open(t, Options{FS: mem, MemTableBytes: MinMemTableBytes})
	for range 100 {
		put(t, s, batchRows(20)...)
	}
	ok(t, s.Close())
}

// panicky is a file system on which Pebble panics when it opens a directory, as it does instead of some errors.
type panicky struct{ vfs.FS }

func (p panicky) List(dir string) ([]string, error) { panic("test: as Pebble may") }

// TestPanicWhileOpening: a panic of Pebble is an error, and the directory is free afterwards.
func TestPanicWhileOpening(t *testing.T) {
	mem := vfs.NewMem()
	for range 2 {
		if _, err := tryOpen(Options{FS: panicky{mem}}); err == nil || !strings.Contains(err.Error(), "test: as Pebble may") {
			t.Fatalf("opening gives %v", err)
		}
	}
	ok(t, open(t, Options{FS: mem}).Close())
}
