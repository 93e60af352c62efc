package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// LockName is the name of the file whose lock is a directory's. It is empty.
const LockName = "LOCK"

// Lock is the lock of a directory that is open to be written.
type Lock struct {
	*pebble.Lock
	leave func()
}

// Close frees the directory.
func (l *Lock) Close() error {
	defer l.leave()
	return l.Lock.Close()
}

// here are the directories of the operating system that are open in this process, by their one name. A lock of a file is its process's: it
// keeps nobody out in the process itself, and goes when any of the process's files of that name is closed. So whoever opens a directory
// to write looks here for readers, and who reads for the others, before either opens the lock's file.
var here = places{dirs: map[string]*place{}}

type places struct {
	mu   sync.Mutex
	dirs map[string]*place
}

// at returns the place of a directory. The caller holds mu.
func (all *places) at(dir string) *place {
	if all.dirs[dir] == nil {
		all.dirs[dir] = new(place)
	}
	return all.dirs[dir]
}

// forget forgets a place that nobody has open. The caller holds mu.
func (all *places) forget(dir string, p *place) {
	if p.writers+p.readers == 0 {
		delete(all.dirs, dir)
	}
}

// place is a directory that is open in this process, to be written or to be read, in the latter case any number of times.
type place struct {
	writers, readers int
	lock             io.Closer // of the readers
}

// enter notes that a directory is about to be locked to be written, until leave is called. Two writers keep each other out by the lock.
func enter(dir string, disk vfs.FS) (leave func(), err error) {
	if vfs.Root(disk) != vfs.Default {
		return func() {}, nil
	}
	here.mu.Lock()
	defer here.mu.Unlock()
	p := here.at(dir)
	if p.readers > 0 {
		return nil, fmt.Errorf("%w: %s is being read in this process", ErrInUse, dir)
	}
	p.writers++
	return func() {
		here.mu.Lock()
		defer here.mu.Unlock()
		p.writers--
		here.forget(dir, p)
	}, nil
}

// lockToRead keeps others from opening a directory to write, and is ErrInUse if one has it open. It writes nothing. A directory that has
// no lock's file was not opened by anybody since it was copied, and cannot be locked without making one.
func lockToRead(dir string, disk vfs.FS) (io.Closer, error) {
	path := disk.PathJoin(dir, LockName)
	if _, err := disk.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return noLock{}, nil
	}
	if vfs.Root(disk) != vfs.Default {
		return disk.Lock(path)
	}
	here.mu.Lock()
	defer here.mu.Unlock()
	p := here.at(dir)
	if p.writers > 0 {
		return nil, errors.New("it is open in this process")
	}
	if p.readers == 0 {
		lock, err := lockShared(path)
		if err != nil {
			here.forget(dir, p)
			return nil, err
		}
		p.lock = lock
	}
	p.readers++
	return &readLock{dir, p}, nil
}

// readLock is the lock of one who reads a directory.
type readLock struct {
	dir string
	*place
}

func (l *readLock) Close() (err error) {
	here.mu.Lock()
	defer here.mu.Unlock()
	if l.readers--; l.readers == 0 {
		err = l.lock.Close()
	}
	here.forget(l.dir, l.place)
	return err
}

// noLock is the lock of what cannot be locked.
type noLock struct{}

func (noLock) Close() error { return nil }
