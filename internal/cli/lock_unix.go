//go:build unix

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// LockDir makes a directory, if there is none, and locks it until the returned function is called or the process has ended, in whatever
// way. The lock is of those who ask for it: it keeps nobody else from the directory, and leaves nothing there. One that another process
// has, or this one already, is [ErrLocked]. Where the file system knows no locks there is none.
func LockDir(path string) (unlock func() error, err error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), dir.Close())
	}
	if !isAt(dir, path) { // who had it has removed it, between our opening it and our locking it
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), dir.Close())
	}
	return dir.Close, nil
}

// isAt reports whether an open file is what the path names.
func isAt(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there)
}
