package table_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

// failure is a disk as a power failure has left it in the midst of a backup.
type failure struct {
	disk    *sim.Disk
	at      sim.Op
	sealed  int // batches
	backups int // that were over
}

// ended is the number of the backup that is ended while it is made.
const ended = 1

// backedUp makes a table, and backups of it in backup-0, backup-1 and backup-2, while batches are sealed and applied at the backups' operations. It
// returns what power failures leave at each of these, and the states of the table by the number of batches; and for each backup, how many
// batches had been sealed when it began.
func backedUp(t *testing.T, seed uint64) (failures []failure, states []state, began []int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	disk := sim.NewDisk()
	o := small(t, disk, "data")
	o.Stepped = true
	var tab *table.Table
	states = []state{{}}
	seal := func() {
		n := len(states)
		var b table.Batch
		states = append(states, states[n-1].change(&b, rng))
		must(t, tab.Seal(&b))
		if rng.IntN(4) == 0 {
			must(t, tab.Quiet())
		}
	}
	backups, sealing, left := 0, false, 0
	under, end := context.WithCancel(t.Context())
	disk.OnOp = func(op sim.Op) error {
		if (!strings.HasPrefix(op.Path, "backup-") && !strings.HasPrefix(op.Path, "data/pin-")) || sealing {
			return nil
		}
		clone := disk.CrashClone([]int{0, 50, 90, 100}[rng.IntN(4)], rng.Uint64())
		failures = append(failures, failure{clone, op, len(states) - 1, backups})
		if sealing = rng.IntN(4) == 0; sealing {
			seal()
			sealing = false
		}
		if left--; left == 0 {
			end()
		}
		return nil
	}
	tab, err := table.Open(o)
	must(t, err)
	for ; backups < 3; backups++ {
		for range rng.IntN(60) {
			seal()
		}
		began = append(began, len(states)-1)
		if backups != ended {
			must(t, tab.Backup(t.Context(), fmt.Sprint("backup-", backups)))
			continue
		}
		left = 1 + rng.IntN(40)
		if err := tab.Backup(under, fmt.Sprint("backup-", backups)); !errors.Is(err, context.Canceled) {
			t.Errorf("a backup whose context ends: %v", err)
		}
	}
	failures = append(failures, failure{disk.CrashClone(0, 1), sim.Op{}, len(states) - 1, backups})
	must(t, tab.Close())
	return failures, states, began
}

// TestBackupCrashes: whatever operation of a backup the power fails at, the table that was backed up loses nothing, and the backup is
// whole, with all that was sealed when it began and nothing of half a batch, or it is refused; it is whole once Backup has returned.
func TestBackupCrashes(t *testing.T) {
	whole, refused, none := 0, 0, 0
	for seed := range racedetector.Fewer(uint64(4), 1) {
		failures, states, began := backedUp(t, seed)
		rng := rand.New(rand.NewPCG(seed, 4))
		for _, f := range failures {
			n, err := opened(f.disk, "data", t, states, rng)
			if err != nil || n != f.sealed {
				t.Fatalf("seed %d: power failed at %v: the table has %d batches, %v, want %d", seed, f.at, n, err, f.sealed)
			}
			for i, least := range began[:min(f.backups+1, len(began))] {
				dir := fmt.Sprint("backup-", i)
				names, err := f.disk.List(dir)
				switch {
				case (i == f.backups || i == ended) && (errors.Is(err, fs.ErrNotExist) || len(names) == 0 || slices.Equal(names, []string{"LOCK"})):
					none++
					continue
				}
				n, err := opened(f.disk, dir, t, states, rng)
				switch {
				case (i == f.backups || i == ended) && errors.Is(err, store.ErrUnfinished):
					refused++
				case i == ended, err != nil || n < least || n > f.sealed:
					t.Fatalf("seed %d: power failed at %v: %s, which began at %d batches, has %d, %v", seed, f.at, dir, least, n, err)
				default:
					whole++
				}
			}
		}
	}
	if whole == 0 || refused == 0 || none == 0 {
		t.Errorf("%d backups were whole, %d refused, %d had not begun: it tries nothing", whole, refused, none)
	}
}

// opened opens a directory, checks that it is in one of the states, and says in which.
func opened(disk *sim.Disk, dir string, t *testing.T, states []state, rng *rand.Rand) (n int, err error) {
	o := small(t, disk, dir)
	o.Stepped = true
	tab, err := table.Open(o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, tab.Close()) }()
	if n = int(tab.Sealed()); n >= len(states) {
		return n, fmt.Errorf("it has %d batches, and there were %d", n, len(states)-1)
	}
	names, err := disk.List(dir)
	if i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "pin-") }); i >= 0 {
		err = errors.Join(err, fmt.Errorf("%s is left", names[i]))
	}
	return n, errors.Join(err, states[n].check(tab, tab.Scan, rng))
}

// elsewhere is a file system on which no file gets a name in another directory, as if that were on another disk.
type elsewhere struct{ vfs.FS }

func (e elsewhere) Link(from, to string) error {
	if strings.Contains(to, "backup") {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EXDEV}
	}
	return e.FS.Link(from, to)
}

func (e elsewhere) Unwrap() vfs.FS { return e.FS }

// TestBackups: backups that are made while batches are sealed and applied have whole batches, also on another file system, and more
// than one at once; they go on as tables of their own.
func TestBackups(t *testing.T) {
	for name, disk := range map[string]vfs.FS{"links": vfs.Default, "copies": elsewhere{vfs.Default}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := small(t, disk, filepath.Join(dir, "data"))
			tab, err := table.Open(o)
			must(t, err)
			var stop atomic.Bool
			var n atomic.Int64
			sealed := make(chan struct{})
			put := func(tab *table.Table, n int64) {
				var b table.Batch
				for _, k := range []string{"a", "b", "c", "d", "e"} {
					b.Set([]byte(k), fmt.Append(bytes.Repeat([]byte{'x'}, 100), n))
				}
				must(t, tab.Seal(&b))
			}
			go func() {
				for !stop.Load() {
					put(tab, n.Load())
					n.Add(1)
				}
				close(sealed)
			}()
			check := func(tab *table.Table, least int64) {
				var values []string
				must(t, tab.Scan([]byte("a"), []byte("z"), func(_, value []byte) error {
					values = append(values, string(value))
					return nil
				}))
				if uint64(least) > tab.Sealed() || (len(values) > 0 && (len(values) != 5 || len(slices.Compact(values)) != 1)) {
					t.Errorf("of %d batches at least there are %d: %q", least, tab.Sealed(), values)
				}
			}
			made := make(chan error, 2)
			for round := range 3 {
				to := []string{filepath.Join(dir, fmt.Sprint("backup-", round)), filepath.Join(dir, fmt.Sprint("backup-more-", round))}
				least := n.Load()
				for _, to := range to {
					go func() { made <- tab.Backup(t.Context(), to) }()
				}
				must(t, errors.Join(<-made, <-made))
				for _, to := range to {
					o := small(t, disk, to)
					copied, err := table.Open(o)
					must(t, err)
					check(copied, least)
					put(copied, 0)
					must(t, copied.Close())
				}
			}
			stop.Store(true)
			<-sealed
			check(tab, n.Load())
			must(t, tab.Close())
			if names, err := filepath.Glob(filepath.Join(dir, "data", "pin-*")); len(names) > 0 || err != nil {
				t.Errorf("%q is left", names)
			}
		})
	}
}

// TestLogIsCutAfterABackup: what a backup has kept in the log while the table has got further goes when it is over.
func TestLogIsCutAfterABackup(t *testing.T) {
	disk := sim.NewDisk()
	o := small(t, disk, "data")
	o.Stepped = true
	segments := func() (n int) {
		names, err := disk.List("data/log")
		must(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, ".log") {
				n++
			}
		}
		return n
	}
	var tab *table.Table
	kept := 0
	disk.OnOp = func(op sim.Op) error {
		if kept == 0 && strings.HasPrefix(op.Path, "backup/log/") {
			must(t, tab.Apply())
			kept = segments()
		}
		return nil
	}
	tab, err := table.Open(o)
	must(t, err)
	for n := range 100 {
		var b table.Batch
		b.Set([]byte(key(n%60)), make([]byte, 100))
		must(t, tab.Seal(&b))
	}
	must(t, tab.Backup(t.Context(), "backup"))
	if left := segments(); kept < 3 || left != 1 {
		t.Errorf("the log had %d segments, and has %d", kept, left)
	}
	must(t, tab.Close())
}

// TestBadTargets: a backup goes only to where nothing is that could get lost, and says why not elsewhere; nothing is changed by it.
func TestBadTargets(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	filled(t, data)
	tab, err := table.Open(small(t, nil, data))
	must(t, err)
	full, file, unfinished := filepath.Join(dir, "full"), filepath.Join(dir, "file"), filepath.Join(dir, "unfinished")
	for _, dir := range []string{full, unfinished} {
		must(t, os.Mkdir(dir, 0o755))
	}
	must(t, os.WriteFile(filepath.Join(full, "letter"), []byte("dear"), 0o644))
	must(t, os.WriteFile(file, []byte("dear"), 0o644))
	must(t, os.WriteFile(filepath.Join(unfinished, store.UnfinishedName), nil, 0o644))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(data, link))
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no more time"))
	for _, c := range []struct {
		ctx  context.Context
		to   string
		want string
	}{
		{t.Context(), full, "not empty: it has letter"},
		{t.Context(), file, "not a directory"},
		{t.Context(), data, "not empty"},
		{t.Context(), filepath.Join(data, "backup"), "in the directory that is to be copied"},
		{t.Context(), filepath.Join(link, "log", "backup"), "in the directory that is to be copied"},
		{t.Context(), unfinished, "unfinished backup"},
		{over, filepath.Join(dir, "late"), "no more time"},
	} {
		before := tree(t, dir)
		if err := tab.Backup(c.ctx, c.to); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("to %s: %v, want %q", c.to, err, c.want)
		}
		after := tree(t, dir)
		for _, path := range after {
			if !slices.Contains(before, path) {
				t.Errorf("to %s: it has made %s", c.to, path)
			}
		}
		for _, path := range before { // the table, which is open, deletes files of its own that are obsolete
			if !slices.Contains(after, path) && !strings.HasPrefix(path, data+string(filepath.Separator)) {
				t.Errorf("to %s: it has deleted %s", c.to, path)
			}
		}
	}
	empty := filepath.Join(dir, "empty")
	must(t, os.Mkdir(empty, 0o700))
	must(t, tab.Backup(t.Context(), empty))
	must(t, tab.Close())
}

// tree is the names below a directory, but for those of the log's spare segments, which come and go.
func tree(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if !strings.HasSuffix(path, ".old") {
			names = append(names, path)
		}
		return err
	}))
	return names
}

// TestBackupFails: whatever operation of a backup fails, but for a link, in the place of which a table is copied, that is an error, the
// directory is empty or marked, and the table goes on; another backup succeeds.
func TestBackupFails(t *testing.T) {
	errBroken := errors.New("the disk is broken")
	for k := 1; ; k++ {
		disk := vfs.NewMem()
		left := 0
		failing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			isBackups := strings.HasPrefix(op.Path, "backup") || strings.HasPrefix(op.Path, "data/pin-")
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpLink || !isBackups {
				return nil
			}
			if left--; left == 0 {
				return errBroken
			}
			return nil
		}))
		o := small(t, failing, "data")
		o.Stepped = true
		tab, err := table.Open(o)
		must(t, err)
		for n := range 60 {
			var b table.Batch
			b.Set([]byte(key(n)), make([]byte, 100))
			must(t, tab.Seal(&b))
		}
		left = k
		err = tab.Backup(t.Context(), "backup")
		if left > 0 { // it has fewer operations
			must(t, err)
			must(t, tab.Close())
			if k < 20 {
				t.Errorf("a backup has %d operations: it tries nothing", k-1)
			}
			return
		}
		left = 0
		if err == nil {
			t.Errorf("operation %d failed, and the backup says nothing", k)
		}
		names, _ := disk.List("backup")
		if len(names) > 0 && !slices.Contains(names, store.UnfinishedName) && !slices.Equal(names, []string{"LOCK"}) {
			t.Errorf("operation %d failed, and %q are left", k, names)
		}
		must(t, tab.Backup(t.Context(), "backup-2"))
		must(t, tab.Close())
	}
}

// isStoreLog reports whether a file is the log of the store, which is empty.
func isStoreLog(path string) bool {
	return filepath.Dir(path) == "/" && strings.HasSuffix(path, ".log")
}

// rowsOf are the rows of a table that is not open.
func rowsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	tab, err := table.Open(small(t, nil, dir))
	must(t, err)
	rows := map[string]string{}
	must(t, tab.Scan(nil, nil, func(key, value []byte) error { rows[string(key)] = string(value); return nil }))
	must(t, tab.Close())
	return rows
}

// TestHalfABackup: of a backup of which not all was copied, whichever file is missing, nothing is opened and nothing lost: with the one file
// that was missing it has all rows.
func TestHalfABackup(t *testing.T) {
	dir := t.TempDir()
	filled(t, filepath.Join(dir, "data"))
	tab, err := table.Open(small(t, nil, filepath.Join(dir, "data")))
	must(t, err)
	for n := range 20 {
		var b table.Batch
		b.Set([]byte(key(n)), make([]byte, 100))
		must(t, tab.Seal(&b))
	}
	backup := filepath.Join(dir, "backup")
	must(t, tab.Backup(t.Context(), backup))
	must(t, tab.Close())
	copied := filepath.Join(dir, "copied")
	must(t, os.CopyFS(copied, os.DirFS(backup)))
	want := rowsOf(t, copied)
	var paths []string
	must(t, filepath.WalkDir(backup, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			paths = append(paths, strings.TrimPrefix(path, backup))
		}
		return err
	}))
	optional := []string{"LOCK", "MARK", "OPTIONS-"} // without them it is all there
	for i, missing := range paths {
		for what, keep := range map[string]func(j int) bool{
			"all but": func(j int) bool { return j != i },
			"only":    func(j int) bool { return j == i },
			"up to":   func(j int) bool { return j <= i },
			"from":    func(j int) bool { return j >= i },
		} {
			half := filepath.Join(dir, "half")
			must(t, os.RemoveAll(half))
			kept := 0
			for j, path := range paths {
				if keep(j) {
					kept++
					data, err := os.ReadFile(backup + path)
					must(t, err)
					must(t, os.MkdirAll(filepath.Dir(half+path), 0o755))
					must(t, os.WriteFile(half+path, data, 0o644))
				}
			}
			is := func(names ...string) bool {
				return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(filepath.Base(missing), name) })
			}
			needless := is(optional...) || strings.HasSuffix(missing, ".synced") || isStoreLog(missing)
			if kept == len(paths) || (what == "all but" && needless) {
				continue
			}
			if what != "all but" && kept == 1 && is("LOCK", "MARK", "MANIFEST-000001") {
				continue // what any directory has
			}
			before := tree(t, half)
			tab, err := table.Open(small(t, nil, half))
			if err == nil {
				must(t, tab.Close())
				t.Errorf("%s %s: it opens", what, missing)
			}
			if what == "all but" { // the store may have been opened, and have put other tables in the place of some
				data, err := os.ReadFile(backup + missing)
				must(t, err)
				must(t, os.MkdirAll(filepath.Dir(half+missing), 0o755))
				must(t, os.WriteFile(half+missing, data, 0o644))
				if rows := rowsOf(t, half); !maps.Equal(rows, want) {
					t.Errorf("without %s, and with it again, it has %d rows, want %d", missing, len(rows), len(want))
				}
				continue
			}
			after := tree(t, half)
			for _, name := range before {
				hasRows := strings.HasSuffix(name, ".sst") || filepath.Base(filepath.Dir(name)) == "log"
				if hasRows && !slices.Contains(after, name) {
					t.Errorf("%s %s: %v, and %s is gone", what, missing, err, name)
				}
			}
		}
	}
}
