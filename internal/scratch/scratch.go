// Package scratch makes temporary directories in which a sync costs what it costs: on a disk.
package scratch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Dir makes a temporary directory on a disk: in the usual place, or, if that is in memory, where a sync costs nothing, or cannot be
// written, in the current directory, in /var/tmp or in the user's directory of caches. If none of them will do it is in memory, which
// [InMemory] tells. Its name begins with the prefix. Whoever asked for it removes it. The error is that of all places.
func Dir(prefix string) (string, error) {
	places := []string{os.TempDir(), ".", "/var/tmp"}
	if caches, err := os.UserCacheDir(); err == nil {
		places = append(places, caches)
	}
	var inMemory []string
	var errs []error
	for _, place := range places {
		if InMemory(place) {
			inMemory = append(inMemory, place)
			continue
		}
		path, err := os.MkdirTemp(place, prefix)
		if err == nil {
			return path, nil
		}
		errs = append(errs, err)
	}
	for _, place := range inMemory {
		path, err := os.MkdirTemp(place, prefix)
		if err == nil {
			return path, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("there is no place for a temporary directory: %w", errors.Join(errs...))
}

// InMemory reports whether a path, or the nearest directory above it that there is, is on a file system that keeps its files in memory.
// Where that is not known it is false.
func InMemory(path string) bool {
	for {
		if _, err := os.Stat(path); err == nil {
			return inMemory(path)
		}
		parent := filepath.Dir(path)
		if parent == path {
			return false
		}
		path = parent
	}
}
