package store

import (
	"fmt"
	"os"
	"regexp"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Exists reports whether a directory of the operating system holds a store, whosever it is. It changes nothing there.
func Exists(dir string) (bool, error) {
	found, err := pebble.Peek(dir, vfs.Default)
	if err != nil {
		return false, fmt.Errorf("store: look into %s: %w", dir, err)
	}
	return found.Exists, nil
}

// ofStore are the names of the files that a store makes.
var ofStore = regexp.MustCompile(`^(` + markName + `|LOCK|CURRENT|MANIFEST-\d+(` + regexp.QuoteMeta(noteSuffix) + `)?|OPTIONS-\d+|marker\..+|\d+(-\d+)?\.(log|sst|blob)|(temporary|CURRENT)\.\d+\.dbtmp)$`)

// Stranger is the name of something in a directory that is no file of a store, "" if there is none.
func Stranger(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("store: look into %s: %w", dir, err)
	}
	for _, entry := range entries {
		if entry.IsDir() || !ofStore.MatchString(entry.Name()) {
			return entry.Name(), nil
		}
	}
	return "", nil
}
