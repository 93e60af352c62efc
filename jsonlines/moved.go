package jsonlines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// What has the path of an egress may be moved away, deleted or replaced while it is open. What is written to the old file then
// is found by nobody who looks at the path, or by nobody at all. So before each Write the egress makes sure that the path is its file's,
// or goes on with what has the path now; and after it, before the records count as taken, that it still is.

// standing is a path that stays the same when the process changes its directory. It is not cleaned: what comes before ".." may be a link.
func standing(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if filepath.VolumeName(path) != "" {
		return filepath.Abs(path)
	}
	dir, err := os.Getwd()
	return dir + string(os.PathSeparator) + path, err
}

// errMoved: nothing counts as written.
var errMoved = errors.New("it was moved away, deleted or replaced while it was written to")

// isNamed reports whether the path is the open file's.
func (j *egress) isNamed() (bool, error) {
	named, err := os.Stat(j.place)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mine, err := j.file.Stat()
	return err == nil && os.SameFile(mine, named), err
}

// goOn opens what has the path now, if that is another file or none. One that is new or has no record goes on with the next record, and
// one that has those so far behind them. Any other is an error, until the right one has the path; first is the next record that the
// egress is given.
func (j *egress) goOn(first uint64) error {
	if j.file != nil {
		if named, err := j.isNamed(); err != nil || named {
			return err
		}
		if err := errors.Join(j.cutBack(), j.closeFile()); err != nil {
			return err
		}
	}
	if info, err := os.Stat(j.place); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("it was a regular file, and is none any more: %v", info.Mode().Type())
	}
	if err := j.openFile(); err != nil {
		return err
	}
	last := j.last
	if last == 0 {
		last = first - 1
	}
	if err := j.readOn(last); err != nil {
		return errors.Join(err, j.closeFile())
	}
	return nil
}

// readOn finds the place behind the records up to last in a file that was opened anew.
func (j *egress) readOn(last uint64) error {
	tail, err := readTail(j.file)
	if err != nil {
		return err
	}
	if tail.last != 0 && tail.last != last {
		return fmt.Errorf("it was replaced by a file whose last line is record %d, and record %d is the last that was written", tail.last, last)
	}
	j.size, j.torn = tail.cut, tail.cut < tail.size
	if tail.last == 0 {
		return nil
	}
	j.last = last
	return j.file.Sync() // it is a copy, and nobody else has to have it
}

// cutBack takes away what is behind the last synced line, so that a file that is left has nothing that is written again elsewhere.
func (j *egress) cutBack() error {
	if !j.torn {
		return nil
	}
	info, err := j.file.Stat()
	if err == nil && info.Size() > j.size {
		err = errors.Join(j.file.Truncate(j.size), j.file.Sync())
	}
	j.torn = err != nil
	return err
}
