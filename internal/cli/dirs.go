package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLocked: another process has the lock of a directory; see [LockDir].
var ErrLocked = errors.New("another process uses it")

// CheckDir reports why nothing can be written into a directory that a flag names: an [ErrUsage] that names the flag. One that there is
// not can be made if the nearest above it can be written into. Nothing is left there.
func CheckDir(flag, path string) error {
	if path == "" {
		return Usage(fmt.Errorf("%s: the name of the directory is empty", flag))
	}
	at, err := nearest(path)
	if err == nil {
		err = tryWriting(at)
	}
	if err != nil {
		return Usage(fmt.Errorf("%s: %s cannot be written into: %w", flag, path, err))
	}
	return nil
}

// nearest is the directory, or the nearest above it that there is.
func nearest(path string) (string, error) {
	for {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is no directory", path)
		case err == nil:
			return path, nil
		}
		_, isLink := os.Lstat(path)
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || isLink == nil || parent == path { // a link that leads nowhere is in the way
			return "", err
		}
		path = parent
	}
}

// tryWriting makes a file of some length and removes it again.
func tryWriting(dir string) error {
	file, err := os.CreateTemp(dir, ".concordat-*")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, 4096)) // a full disk may have room for a name, and for nothing else
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

// CheckRewritten reports why a file that a flag names, and that is going to be rewritten, cannot be: an [ErrUsage] that names the flag.
func CheckRewritten(flag, path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Usage(fmt.Errorf("%s: %w", flag, err))
	case !info.Mode().IsRegular():
		return Usage(fmt.Errorf("%s: %s is no regular file", flag, path))
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return Usage(fmt.Errorf("%s: %w", flag, err))
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Usage(fmt.Errorf("%s: %w", flag, err))
	}
	return CheckDir(flag, filepath.Dir(real))
}
