package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	// ErrInUse: the directory is open in another process, or twice in this one.
	ErrInUse = errors.New("store: the directory is in use by another engine")
	// ErrForeign: the directory is a Pebble store without the row Options.Ours. It was not changed.
	ErrForeign = errors.New("store: the directory holds rows of another program")
	// ErrUnfinished: the directory holds a backup that is being written, or that was never finished.
	ErrUnfinished = errors.New("store: the directory holds an unfinished backup")
	// ErrPart: the directory holds files of a store, and not the list of them: a copy that was never finished. It was not changed.
	ErrPart = errors.New("store: the directory holds a part of a store only")
	// ErrNone: a directory that is opened for reading holds no store.
	ErrNone = errors.New("store: the directory holds none")
)

// MinMemTableBytes is the smallest memtable that a store can have: below it Pebble finds no room for an empty one.
const MinMemTableBytes = 4 << 10

// Open opens or makes the directory. A directory that is in use is [ErrInUse], another program's is [ErrForeign], one that was not copied
// to its end [ErrUnfinished] or [ErrPart]; a damaged file, one that may not be opened and a file system that is read-only are errors that
// wrap the operating system's. After an error the directory is as free as before.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if o.MemTableBytes < MinMemTableBytes {
		return nil, fmt.Errorf("store: a memtable of %d bytes is too small, at least %d", o.MemTableBytes, MinMemTableBytes)
	}
	o.Dir = absolute(o.FS, o.Dir)
	if o.ReadOnly {
		return openReading(o)
	}
	if err := CheckFinished(o.FS, o.Dir); err != nil { // before a lock is made in it
		return nil, err
	}
	o.FS = unlistable{o.FS, o.Dir}
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("store: make %s: %w", o.Dir, err)
	}
	if dir := resolved(o.FS, o.Dir); dir != o.Dir {
		o.Dir, o.FS = dir, unlistable{o.FS, dir}
	}
	lock, err := LockDir(o.Dir, o.FS)
	if err != nil {
		return nil, err
	}
	if err = CheckFinished(o.FS, o.Dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s, err := openLocked(o, lock)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open %s: %w", o.Dir, err), lock.Close())
	}
	return s, nil
}

// absolute is the full path of a directory of the operating system.
func absolute(fs vfs.FS, dir string) string {
	if fs == vfs.Default {
		if full, err := filepath.Abs(dir); err == nil {
			return full
		}
	}
	return dir
}

// resolved is the one name of a directory that has several by symbolic links: Pebble's lock holds within a process only for the same
// name.
func resolved(fs vfs.FS, dir string) string {
	if vfs.Root(fs) == vfs.Default {
		if name, err := filepath.EvalSymlinks(dir); err == nil {
			return name
		}
	}
	return dir
}

// LockDir takes the lock of a directory, which must be there. Only a lock that somebody holds is [ErrInUse]: what else keeps the
// lock's file from being opened (permissions, a file system that is read-only) is an error of the file.
func LockDir(dir string, fsys vfs.FS) (*Lock, error) {
	leave, err := enter(dir, fsys)
	if err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(dir, fsys)
	if err != nil {
		leave()
		return nil, heldOr(dir, err)
	}
	return &Lock{lock, leave}, nil
}

// heldOr is the error of a lock that was not to be had: somebody holds it, or its file is at fault.
func heldOr(dir string, err error) error {
	var ofFile *fs.PathError
	var errno syscall.Errno
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ofFile) && !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("store: open the lock of %s: %w", dir, err)
	case errors.As(err, &errno) && errno != syscall.EAGAIN && errno != syscall.EACCES && !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("store: lock %s: %w", dir, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrInUse, dir, err)
}

// openLocked opens a directory whose lock is held. A panic of Pebble, which it has instead of some errors, is one too.
func openLocked(o Options, lock *Lock) (_ *Store, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("pebble panicked: %v\n%s", p, debug.Stack())
		}
	}()
	cache := pebble.NewCache(o.CacheBytes)
	defer cache.Unref()
	s := &Store{lock: lock, fs: o.FS, dir: o.Dir, memTable: o.MemTableBytes, noLog: o.NoLog}
	disk := manifests{tables{FS: o.FS}}
	s.copies = disk
	var opened atomic.Bool
	if !o.Stepped { // a simulated disk would stay full
		if err := checkRoom(o.FS, o.Dir); err != nil {
			return nil, err
		}
		disk = manifests{tables{patient{o.FS, o.Dir, o.Logger, o.NoLog, &opened}, new(pauses)}}
	}
	s.options = o.pebble(s, cache, disk)
	s.options.Lock = lock.Lock
	if s.db, err = openNewest(o.Dir, s.options, o.Ours); err != nil {
		return nil, err
	}
	if err := s.removeLeft(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if s.mark, err = openMark(o.FS, o.Dir, false); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	opened.Store(true)
	return s, nil
}

// pebble are Pebble's options for a store on a file system.
func (o Options) pebble(s *Store, cache *pebble.Cache, disk vfs.FS) *pebble.Options {
	options := &pebble.Options{
		DisableAutomaticCompactions: o.Stepped,
		DisableWAL:                  o.NoLog,
		FS:                          disk,
		Cache:                       cache,
		MemTableSize:                o.MemTableBytes,
		FormatMajorVersion:          pebble.FormatNewest, // older ones can lose synced log records to one flipped bit without an error
		MaxOpenFiles:                1024,
		L0CompactionThreshold:       l0Tables,
		L0StopWritesThreshold:       l0Most,
		Logger:                      logger{o.Logger, s.fatal(o.Fatal)},
		// By default this ends the process. But whoever reads what is damaged gets an error, and knows better what it means.
		EventListener: &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
			o.Logger.Error("a file is damaged", "file", info.Path, "error", info.Details)
		}},
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	options.EnsureDefaults()
	return options
}

// openNewest opens a directory at options.FormatMajorVersion, its log included. Pebble makes the log that it is going to write
// before it raises the format of a directory that is new or older, so it is the second opening that has a log of the new format.
func openNewest(dir string, options *pebble.Options, ours []byte) (*pebble.DB, error) {
	before, err := pebble.Peek(dir, options.FS)
	if err != nil {
		return nil, err
	}
	if err := checkNew(options.FS, dir, before); err != nil {
		return nil, err
	}
	if err := (manifests{options.FS}).check(before); err != nil {
		return nil, err
	}
	if err := checkOurs(dir, before, options, ours); err != nil {
		return nil, err
	}
	db, err := pebble.Open(dir, options)
	if err != nil || (before.Exists && before.FormatMajorVersion >= options.FormatMajorVersion) {
		return db, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return pebble.Open(dir, options)
}

// checkOurs refuses the store of another program before anything in it is changed; its own program might not read the newer format any
// more. A directory with a mark was written by this package, so it costs nothing there.
func checkOurs(dir string, before *pebble.DBDesc, options *pebble.Options, ours []byte) error {
	if !before.Exists || ours == nil {
		return nil
	}
	if _, err := options.FS.Stat(options.FS.PathJoin(dir, markName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	reading := options.Clone()
	reading.ReadOnly = true
	db, err := pebble.Open(dir, reading)
	if err != nil {
		return err
	}
	_, found, err := get(db, ours)
	if err == nil && !found {
		err = checkEmpty(db)
	}
	return errors.Join(err, db.Close())
}

// checkEmpty is ErrForeign if there is a row.
func checkEmpty(db *pebble.DB) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	if it.First() {
		err = ErrForeign
	}
	return errors.Join(err, it.Error(), it.Close())
}

// makeDir makes a directory and those above it that are missing, and syncs what holds their names: without that, a power failure
// takes a new directory with all that was sealed in it. Pebble does the same for its directory, but to lock it, it has to be
// there before Pebble looks.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string
	for parent := fs.PathDir(dir); ; parent = fs.PathDir(parent) {
		parents = append(parents, parent)
		if _, err := fs.Stat(parent); err == nil || parent == fs.PathDir(parent) {
			break
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, parent := range parents {
		d, err := fs.OpenDir(parent)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// unlistable is a file system on which a directory above dir need not be readable. It may be passed and even be written to, but cannot
// be opened, and so not be synced. Then dir is synced in its place: file systems with a journal write the two together.
type unlistable struct {
	vfs.FS
	dir string
}

// OpenDir opens a directory, or dir in the place of one above it that may not be listed.
func (u unlistable) OpenDir(name string) (vfs.File, error) {
	d, err := u.FS.OpenDir(name)
	if errors.Is(err, fs.ErrPermission) && name != u.dir && strings.HasPrefix(u.dir, name) {
		return u.FS.OpenDir(u.dir)
	}
	return d, err
}

// Unwrap is for whoever needs the file system below.
func (u unlistable) Unwrap() vfs.FS { return u.FS }
