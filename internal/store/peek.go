package store

import (
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Exists reports whether a directory of the operating system holds a store, whosever it is. It changes nothing there.
func Exists(dir string) (bool, error) { return ExistsOn(vfs.Default, dir) }

// ExistsOn is Exists on a file system.
func ExistsOn(fs vfs.FS, dir string) (bool, error) {
	found, err := pebble.Peek(dir, fs)
	if err != nil {
		return false, fmt.Errorf("store: look into %s: %w", dir, err)
	}
	return found.Exists, nil
}

// ofStore are the names of the files that a store makes.
var ofStore = regexp.MustCompile(`^(` + markName + `|LOCK|CURRENT|MANIFEST-\d+(` + regexp.QuoteMeta(noteSuffix) + `)?|OPTIONS-\d+|marker\..+|` +
	`\d+(-\d+)?\.(log|sst|blob)|` + newPrefix + `(room|\d+` + regexp.QuoteMeta(tableSuffix) + `)|(temporary|CURRENT)\.\d+\.dbtmp)$`)

// ofPin are the names of its pins, which are directories.
var ofPin = regexp.MustCompile(`^` + pinPrefix + `\d+$`)

// Stranger is the name of something in a directory that is no file of a store, and not among the names of what may be beside it; "" if
// there is none.
func Stranger(dir string, beside ...string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("store: look into %s: %w", dir, err)
	}
	for _, entry := range entries {
		names := ofStore
		if entry.IsDir() {
			names = ofPin
		}
		if !slices.Contains(beside, entry.Name()) && !names.MatchString(entry.Name()) {
			return entry.Name(), nil
		}
	}
	return "", nil
}
