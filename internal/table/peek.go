package table

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/store"
)

// Stranger is the name of something in a directory of the operating system, or in that of its log, that is of no table and no store; ""
// if there is none.
func Stranger(dir string) (string, error) {
	if name, err := store.Stranger(dir, logDir); name != "" || err != nil {
		return name, err
	}
	name, err := log.Stranger(filepath.Join(dir, logDir))
	switch {
	case errors.Is(err, fs.ErrNotExist): // a store alone
		return "", nil
	case name != "":
		name = filepath.Join(logDir, name)
	}
	return name, err
}
