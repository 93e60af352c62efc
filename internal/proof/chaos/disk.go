package chaos

import (
	"fmt"
	"os"
	"syscall"
)

// maxDisk bounds a disk that is filled up: one that others need is larger.
const maxDisk = 4 << 30

// CheckDisk reports why a directory is no disk to be filled up: it has to be a small file system of its own, with nothing on it. A name
// that is mistyped, or below a mount, is of a disk that others use. Histories go to dir, which must be elsewhere.
func CheckDisk(path, dir string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	own, err := device(path)
	if err != nil {
		return err
	}
	parent, err := device(path + "/..") // not cleaned: of where the directory really is, if the path is a link
	if err != nil {
		return err
	}
	ofDir, err := device(dir)
	if err != nil {
		return err
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch size := s.Blocks * uint64(s.Bsize); {
	case own == parent:
		return fmt.Errorf("%s is not where a file system is mounted: the disk that everybody uses would be filled up", path)
	case own == ofDir:
		return fmt.Errorf("%s is on %s: histories would find no room", dir, path)
	case size > maxDisk:
		return fmt.Errorf("%s has %d MiB, more than %d: filling it up takes long, and others may use it", path, size>>20, maxDisk>>20)
	}
	for _, entry := range entries {
		if entry.Name() != "lost+found" {
			return fmt.Errorf("%s is not empty: somebody uses it", path)
		}
	}
	return nil
}

// device is the number of the file system that a path is on.
func device(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s: its file system is not known", path)
	}
	return uint64(s.Dev), nil
}
