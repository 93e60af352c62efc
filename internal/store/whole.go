package store

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Whether a directory is all that it was meant to be: not the half of a copy.

// UnfinishedName is the name of the file that marks a directory in which a backup is being written: it is the first file there, and
// removed, durably, when all the others are whole.
const UnfinishedName = "BACKUP-UNFINISHED"

// CheckFinished is ErrUnfinished for a directory with the mark of an unfinished backup. That a directory cannot be looked into is for
// whoever opens it to say.
func CheckFinished(disk vfs.FS, dir string) error {
	if _, err := disk.Stat(disk.PathJoin(dir, UnfinishedName)); err != nil {
		return nil
	}
	return fmt.Errorf("%w: %s: it is still being written, or never was to its end", ErrUnfinished, dir)
}

// ofOlder are the names of files that a directory has only once it has a list of its files, but for the first list itself.
var ofOlder = regexp.MustCompile(`^(MANIFEST-\d+(\.synced)?|OPTIONS-\d+|marker\..+|\d+\.(sst|blob|log))$`)

const firstManifest = manifestPrefix + "000001"

// checkNew is ErrPart for a directory that Pebble would take for a new one though it has files of an older one: it would remove them.
func checkNew(disk vfs.FS, dir string, before *pebble.DBDesc) error {
	if before.Exists {
		return nil
	}
	names, err := disk.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.TrimSuffix(name, noteSuffix) != firstManifest && ofOlder.MatchString(name) {
			return fmt.Errorf("%w: it has %s, and no list of the files (marker.manifest...); was it not copied to its end?", ErrPart, name)
		}
	}
	return nil
}
