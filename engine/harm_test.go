package engine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/internal/format"
)

// harmOptions are those of directories whose log has some segments.
func harmOptions(dir string) engine.Options {
	return engine.Options{Dir: dir, MemTableBytes: 256 << 10, Logger: new(logLines).logger()}
}

// harmDir makes a bank in two directories: one whose engine was killed, with some segments of log that the table does not have, and one that
// was closed.
func harmDir(t *testing.T) (killed, closed string) {
	t.Helper()
	killed, closed = filepath.Join(t.TempDir(), "killed"), t.TempDir()
	e := open(t, harmOptions(closed))
	for i := range 4 {
		must(t, e.Do(ctx, bank.Open.On(account(i), 1000)))
	}
	for i := range 400 {
		id := fmt.Sprint(i, strings.Repeat("-", 400))
		must(t, e.Do(ctx, bank.TransferTx.As(id, bank.Transfer{From: account(i % 4), To: account((i + 1) % 4), Amount: int64(1 + i%3)})))
	}
	must(t, os.CopyFS(killed, os.DirFS(closed)))
	must(t, e.Close())
	if n := len(segmentsOf(t, killed)); n < 4 {
		t.Fatalf("the log has only %d segments", n)
	}
	return killed, closed
}

// segmentsOf are the segments of a directory's log that have entries, or may have.
func segmentsOf(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	must(t, err)
	return paths
}

// auditHarmed opens a directory and checks that all transfers are there, once.
func auditHarmed(t *testing.T, dir string) {
	t.Helper()
	e := open(t, harmOptions(dir))
	want := map[int]int64{}
	for i := range 400 {
		id := fmt.Sprint(i, strings.Repeat("-", 400))
		must(t, e.Do(ctx, bank.TransferTx.As(id, bank.Transfer{From: account(i % 4), To: account((i + 1) % 4), Amount: int64(1 + i%3)})))
		want[i%4] -= int64(1 + i%3)
		want[(i+1)%4] += int64(1 + i%3)
	}
	for i := range 4 {
		if got := ask(t, e, bank.Balance.On(account(i))); got != 1000+want[i] {
			t.Errorf("%s has %d, want %d", account(i), got, 1000+want[i])
		}
	}
	must(t, e.Close())
}

// takeAway moves files and directories away, and returns what puts them back.
func takeAway(t *testing.T, paths ...string) (undo func()) {
	t.Helper()
	aside := t.TempDir()
	for _, path := range paths {
		must(t, os.Rename(path, filepath.Join(aside, filepath.Base(path))))
	}
	return func() {
		for _, path := range paths {
			must(t, os.RemoveAll(path))
			must(t, os.Rename(filepath.Join(aside, filepath.Base(path)), path))
		}
	}
}

// putInPlace writes something in the place of a file, and returns what puts back what was there.
func putInPlace(t *testing.T, path, content string) (undo func()) {
	t.Helper()
	was := readFile(t, path)
	writeFile(t, path, content)
	return func() { writeFile(t, path, was) }
}

// TestHarmedDirectories: a directory of which something is missing, cut or another's is refused, each time, with an error that names the
// file or the directory. Nothing is lost by that: once the harm is undone it opens and has everything.
func TestHarmedDirectories(t *testing.T) {
	killed, closed := harmDir(t)
	other, _ := harmDir(t)
	segment := func(of func(paths []string) string) func(t *testing.T, dir string) (func(), string) {
		return func(t *testing.T, dir string) (func(), string) {
			path := of(segmentsOf(t, dir))
			return takeAway(t, path), filepath.Base(path)
		}
	}
	for name, c := range map[string]struct {
		harm   func(t *testing.T, dir string) (undo func(), names string)
		says   []string
		want   error
		killed bool // only one that was: in one that was closed there is no such thing
	}{
		"no log": {
			harm: func(t *testing.T, dir string) (func(), string) { return takeAway(t, filepath.Join(dir, "log")), dir },
			says: []string{"the log of", "is missing"},
		},
		"an empty log": {
			harm: func(t *testing.T, dir string) (func(), string) {
				paths, err := filepath.Glob(filepath.Join(dir, "log", "*"))
				must(t, err)
				return takeAway(t, paths...), dir
			},
			says: []string{"the log of", "is missing"},
		},
		"no table": {
			harm: func(t *testing.T, dir string) (func(), string) {
				paths, err := filepath.Glob(filepath.Join(dir, "*"))
				must(t, err)
				return takeAway(t, slices.DeleteFunc(paths, func(path string) bool { return filepath.Base(path) == "log" })...), dir
			},
			says: []string{"a log, and no table that it belongs to"},
		},
		"another's log": {
			harm: func(t *testing.T, dir string) (func(), string) {
				undo := takeAway(t, filepath.Join(dir, "log"))
				must(t, os.CopyFS(filepath.Join(dir, "log"), os.DirFS(filepath.Join(other, "log"))))
				return undo, filepath.Base(segmentsOf(t, dir)[0])
			},
			says: []string{"another log"},
		},
		"no first segment":  {harm: segment(func(paths []string) string { return paths[0] }), says: []string{"missing"}, killed: true},
		"no second segment": {harm: segment(func(paths []string) string { return paths[1] }), says: []string{"is missing"}, killed: true},
		"no last segment":   {harm: segment(func(paths []string) string { return paths[len(paths)-1] }), says: []string{"was synced", "is not there"}, killed: true},
		"its only segment": {
			harm: func(t *testing.T, dir string) (func(), string) {
				return takeAway(t, segmentsOf(t, dir)...), filepath.Join(dir, "log")
			},
			says: []string{"log"},
		},
		"a segment that is cut": {
			harm: func(t *testing.T, dir string) (func(), string) {
				path := segmentsOf(t, dir)[0]
				return putInPlace(t, path, readFile(t, path)[:3000]), filepath.Base(path)
			},
			says: []string{"at ", "damaged"},
		},
		"a segment that is empty": {
			harm: func(t *testing.T, dir string) (func(), string) {
				path := segmentsOf(t, dir)[0]
				return putInPlace(t, path, ""), "log"
			},
			says: []string{"damaged"},
		},
		"two segments that have changed places": {
			harm: func(t *testing.T, dir string) (func(), string) {
				paths := segmentsOf(t, dir)
				one, two := putInPlace(t, paths[1], readFile(t, paths[2])), putInPlace(t, paths[2], readFile(t, paths[1]))
				return func() { two(); one() }, filepath.Base(paths[0])
			},
			says:   []string{"damaged"},
			killed: true,
		},
		"a newer format": {
			harm: func(t *testing.T, dir string) (func(), string) {
				was := filepath.Join(t.TempDir(), "was")
				must(t, os.CopyFS(was, os.DirFS(dir)))
				writeRow(t, dir, format.Prefix(nil, format.NodeShard, format.KindFormat), map[int]int{1: format.Version + 1, 2: 64})
				return func() {
					must(t, os.RemoveAll(dir))
					must(t, os.CopyFS(dir, os.DirFS(was)))
				}, dir
			},
			says: []string{fmt.Sprint("format version ", format.Version+1), fmt.Sprint("versions ", format.OldestVersion, " to ", format.Version)},
			want: engine.ErrFormat,
		},
	} {
		for how, from := range map[string]string{"killed": killed, "closed": closed} {
			if c.killed && how == "closed" {
				continue
			}
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				must(t, os.CopyFS(dir, os.DirFS(from)))
				undo, names := c.harm(t, dir)
				before := contents(t, filepath.Join(dir, "log"))
				for range 2 {
					refuses(t, harmOptions(dir), c.want, bank.Parts(), append(c.says, names)...)
				}
				if after := contents(t, filepath.Join(dir, "log")); !maps.Equal(before, after) && c.want == nil {
					t.Errorf("the log had %v, and has %v", before, after)
				}
				undo()
				auditHarmed(t, dir)
			})
		}
	}
}

// TestReadOnlyDirectory: a directory on a file system that is read-only is refused with the operating system's error, at whatever it is that
// cannot be written first, and is as it was.
func TestReadOnlyDirectory(t *testing.T) {
	killed, closed := harmDir(t)
	for how, dir := range map[string]string{"killed": killed, "closed": closed, "new": filepath.Join(t.TempDir(), "new")} {
		before := contents(t, dir)
		o := harmOptions(dir)
		o.Seams.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.EROFS}
		}))
		for range 2 {
			refuses(t, o, syscall.EROFS, bank.Parts(), "read-only file system", dir)
		}
		if after := contents(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s: the directory has changed", how)
		}
		if how != "new" {
			auditHarmed(t, dir)
		}
	}
}

// contents are the files below a directory, with their sizes; nil if it is not there.
func contents(t *testing.T, dir string) map[string]int {
	t.Helper()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sizes := map[string]int{}
	for _, name := range filesIn(t, dir) {
		sizes[name] = len(readFile(t, filepath.Join(dir, name)))
	}
	return sizes
}
