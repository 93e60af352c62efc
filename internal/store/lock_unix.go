//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package store

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockShared takes a shared lock of a file that is there, of the kind of which Pebble takes an exclusive one. It needs no permission to
// write.
func lockShared(path string) (io.Closer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	shared := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &shared); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
