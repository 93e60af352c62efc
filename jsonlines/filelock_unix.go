//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package jsonlines

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock of an open file, which is the file's whatever name it was opened by, until it is closed. It reports false if
// somebody has it, in this process or another. On a file system without locks nobody ever has.
func lockFile(file *os.File) (free bool) {
	return !errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// openNow opens a pipe without waiting for its other end.
const openNow = unix.O_NONBLOCK
