package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/concordat-dev/concordat/internal/scratch"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

// directory is where a run keeps its data.
type directory struct {
	path      string
	temporary bool
}

// dataDir checks the directory that the user named, or makes a temporary one if none was. The user's directory may be missing,
// empty, or one that an earlier run has left; whether it is of a run of this label is for the one who opens it to say.
func (p *program) dataDir(path, label string) (directory, error) {
	if path == "" {
		return p.temporaryDir()
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		return directory{path: path}, nil
	case err != nil:
		return directory{}, usage(fmt.Errorf("dir: %w", err))
	case label == limitProtocol: // has no store
		return directory{path: path}, nil
	}
	if err := checkStore(path); err != nil {
		return directory{}, usage(fmt.Errorf("dir: %w", err))
	}
	return directory{path: path}, nil
}

// checkStore reports why a directory that is not empty is none of data: it holds no store, or something beside it. Whose the store is, is
// for the one who opens it to say.
func checkStore(path string) error {
	found, err := store.Exists(path)
	if err != nil {
		return err
	}
	stranger, err := table.Stranger(path)
	switch {
	case err != nil:
		return err
	case !found || stranger != "":
		return fmt.Errorf("%s is not empty, and not a directory of Concordat's: it holds %s", path, cmp.Or(stranger, "no store"))
	}
	return nil
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
