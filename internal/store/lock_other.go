//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package store

import (
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// lockShared takes the lock of a file that is there: where there are no shared ones, the lock itself.
func lockShared(path string) (io.Closer, error) { return vfs.Default.Lock(path) }
