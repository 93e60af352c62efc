package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/concordat-dev/concordat/internal/scratch"
)

// directory is where a run keeps its data.
type directory struct {
	path      string
	temporary bool
}

// dataDir checks the directory that the user named, or makes a temporary one if none was. The user's directory may be missing,
// empty, or one that an earlier run has left.
func (p *program) dataDir(path string) (directory, error) {
	if path == "" {
		return p.temporaryDir()
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return directory{path: path}, nil
	case err != nil:
		return directory{}, usage(fmt.Errorf("dir: %w", err))
	case len(entries) > 0 && !isStore(path):
		return directory{}, usage(fmt.Errorf("dir: %s is not empty, and not a directory of Concordat's", path))
	}
	return directory{path: path}, nil
}

// isStore reports whether the directory holds a Pebble store. Whose it is, is for the one who opens it to say.
func isStore(path string) bool {
	found, err := filepath.Glob(filepath.Join(path, "marker.manifest.*"))
	return err == nil && len(found) > 0
}

// temporaryDir makes a directory on a disk, if it can.
func (p *program) temporaryDir() (directory, error) {
	path, err := scratch.Dir("concordat-ycsb-")
	if err != nil {
		return directory{}, fmt.Errorf("%w; name a directory on a disk with --dir", err)
	}
	if scratch.InMemory(path) {
		p.note("the data are in memory, in " + path + ", where a sync costs nothing; name a directory on a disk with --dir")
	}
	return directory{path: path, temporary: true}, nil
}

// remove removes a temporary directory.
func (d directory) remove() error {
	if !d.temporary {
		return nil
	}
	return os.RemoveAll(d.path)
}
