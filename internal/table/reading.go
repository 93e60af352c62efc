package table

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/store"
)

// Description is what a table consists of.
type Description struct {
	ID          uint64 // that log and store have in common; 0 if there is no log
	Applied     uint64 // the last entry that the store has
	First, Last uint64 // entries of the log; 0 if there are none
	Segments    int    // the files that these are in
	LogBytes    int64  // of the entries
	Files       []store.TableFile
}

// Describe describes the table. What it says is exact while nothing is sealed or applied.
func (t *Table) Describe() (d Description, err error) {
	if d.ID, d.Applied, _, err = t.position(); err != nil {
		return d, err
	}
	if t.log != nil {
		d.First, d.Last, d.Segments, d.LogBytes = t.log.First(), t.log.Last(), t.log.Segments(), t.log.Bytes()
	}
	d.Files, err = t.store.TableFiles()
	return d, err
}

// CheckLevels is [store.Store.CheckLevels].
func (t *Table) CheckLevels() error { return t.store.CheckLevels() }

// VerifyLog reads the log of the table in a directory that nobody writes to, see [log.Verify], and calls set with each row that an entry
// sets, in their order, until it returns an error. An entry that is whole and no batch is damage.
func VerifyLog(dir string, set func(entry uint64, key, value []byte) error, damaged func(log.Damage)) (log.Verified, error) {
	dir = filepath.Join(dir, logDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return log.Verified{}, nil
	}
	return log.Verify(log.Options{Dir: dir}, func(e log.Entry) error {
		var failed error
		err := EachChange(e.Data, func(key, value []byte) {
			if value != nil && failed == nil {
				failed = set(e.Index, key, value)
			}
		}, func(_, _ []byte) {})
		if err != nil {
			damaged(log.Damage{File: dir, Text: fmt.Sprintf("entry %d is no batch of changes", e.Index)})
		}
		return failed
	}, damaged)
}
