package store

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// patient is a file system on which whoever makes or writes a file waits while the disk is full. Pebble ends the process where it cannot write
// its manifest, or the marker that names one, since it has to know what is there; and one that fails while it is being opened may panic
// on a goroutine of its own. So these wait: flushes, compactions and what is ingested, but not those who read, nor those who seal to a log of
// their own.
//
// It does not wait for tables of an open store: Pebble gives up what it was about, and tries again. Nor for Pebble's log, if that is in use: who
// seals to it has an error.
//
// Open looks first whether there is room at all, so that on a full disk it fails and does not wait.
type patient struct {
	vfs.FS
	dir    string
	logger *slog.Logger
	noLog  bool
	opened *atomic.Bool // the store is open
}

// roomBytes is what Open needs: for a manifest of some thousand tables.
const roomBytes = 256 << 10

// checkRoom reports whether there is room for a file.
func checkRoom(fs vfs.FS, dir string) error {
	path := fs.PathJoin(dir, newPrefix+"room")
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, roomBytes))
	return errors.Join(err, file.Close(), fs.Remove(path))
}

// Create makes a file.
func (p patient) Create(name string, category vfs.DiskWriteCategory) (file vfs.File, err error) {
	isTable, isLog := strings.HasSuffix(name, tableSuffix), strings.HasSuffix(name, ".log")
	if isTable && p.opened.Load() || isLog && !p.noLog {
		return p.FS.Create(name, category)
	}
	err = p.await(func() (err error) {
		file, err = p.FS.Create(name, category)
		return err
	})
	if err != nil || isTable {
		return file, err
	}
	return &patientFile{file, p}, nil
}

// Unwrap is for whoever needs the file system below.
func (p patient) Unwrap() vfs.FS { return p.FS }

// roomRetry is how often something that has no room is tried again.
const roomRetry = 50 * time.Millisecond

// await does something until there is room for it.
func (p patient) await(do func() error) error {
	for told := false; ; told = true {
		err := do()
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		if !told {
			p.logger.Error("the disk is full: the store waits for room", "dir", p.dir, "error", err)
		}
		time.Sleep(roomRetry)
	}
}

// patientFile is a file that is being written.
type patientFile struct {
	vfs.File
	fs patient
}

func (f *patientFile) Write(b []byte) (done int, err error) {
	err = f.fs.await(func() error {
		n, err := f.File.Write(b[done:])
		done += n
		return err
	})
	return done, err
}

func (f *patientFile) WriteAt(b []byte, at int64) (n int, err error) {
	err = f.fs.await(func() (err error) {
		n, err = f.File.WriteAt(b, at)
		return err
	})
	return n, err
}
