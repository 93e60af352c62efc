//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// giveTo gives a file to the owner of another. Who may not do that has a file of their own instead.
func giveTo(path string, like fs.FileInfo) {
	if s, ok := like.Sys().(*syscall.Stat_t); ok {
		_ = os.Chown(path, int(s.Uid), int(s.Gid)) // as it says
	}
}
