package table_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small are options for layers of a few entries and segments of some.
func small(t testing.TB, disk vfs.FS, dir string) table.Options {
	return table.Options{
		Dir: dir, FS: disk, Position: []byte("\xffposition"), LayerBytes: 1 << 10, SegmentBytes: 4 << 10, Apart: [][]byte{[]byte("k20"), []byte("k2x"), []byte("k45")},
		Fatal: func(err error) { t.Errorf("fatal: %v", err); select {} },
	}
}

// state is the rows that a table should have.
type state map[string]string

func key(n int) string { return fmt.Sprintf("k%02d", n) }

// change adds some changes to a batch, and returns the state with them.
func (s state) change(b *table.Batch, rng *rand.Rand) state {
	s = maps.Clone(s)
	for range 1 + rng.IntN(6) {
		k := key(rng.IntN(60))
		switch rng.IntN(8) {
		case 0:
			b.Delete([]byte(k))
			delete(s, k)
		case 1:
			upper := key(rng.IntN(70))
			b.DeleteRange([]byte(k), []byte(upper))
			maps.DeleteFunc(s, func(other, _ string) bool { return k <= other && other < upper })
		case 2:
			s[k] = ""
			b.Set([]byte(k), nil)
		default:
			s[k] = strings.Repeat(fmt.Sprint(rng.IntN(1000)), 1+rng.IntN(20))
			b.SetDeferred(len(k), len(s[k]), func(key, value []byte) { copy(key, k); copy(value, s[k]) })
		}
	}
	return s
}

// reader is a table or a view.
type reader interface {
	Get(key []byte) ([]byte, bool, error)
}

// check reports where a table or a view is not in a state.
func (s state) check(r reader, scan func(lower, upper []byte, visit func(key, value []byte) error) error, rng *rand.Rand) error {
	for range 10 {
		k := key(rng.IntN(60))
		value, found, err := r.Get([]byte(k))
		if want, ok := s[k]; err != nil || found != ok || string(value) != want {
			return fmt.Errorf("%s is %q, %v, %v, want %q, %v", k, value, found, err, want, ok)
		}
	}
	lower, upper := key(rng.IntN(70)), key(rng.IntN(70))
	if rng.IntN(3) == 0 {
		lower, upper = "k", "l"
	}
	var want, got []string
	for _, k := range slices.Sorted(maps.Keys(s)) {
		if lower <= k && k < upper {
			want = append(want, k+"="+s[k])
		}
	}
	err := scan([]byte(lower), []byte(upper), func(key, value []byte) error {
		got = append(got, string(key)+"="+string(value))
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		return fmt.Errorf("from %s to %s there are %q, %v, want %q", lower, upper, got, err, want)
	}
	return nil
}

func scanView(v table.View) func(lower, upper []byte, visit func(key, value []byte) error) error {
	return func(lower, upper []byte, visit func(key, value []byte) error) error {
		rows, err := v.Rows(lower, upper)
		if err != nil {
			return err
		}
		for rows.Next() {
			value, err := rows.Value()
			if err := errors.Join(err, visit(rows.Key(), value)); err != nil {
				return err
			}
		}
		return rows.Close()
	}
}

// readOnly opens a table for reading, on a disk where nothing may change, and checks that it is in one of the states: it says in which. It
// is -1 if there is no table.
func readOnly(o table.Options, disk *sim.Disk, states []state, rng *rand.Rand) (n int, err error) {
	onOp := disk.OnOp
	defer func() { disk.OnOp = onOp }()
	disk.OnOp = func(op sim.Op) error { return fmt.Errorf("it does this: %v", op) }
	o.ReadOnly = true
	tab, err := table.Open(o)
	if errors.Is(err, store.ErrNone) || errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	n = int(tab.Sealed())
	v := tab.View()
	err = errors.Join(states[n].check(tab, tab.Scan, rng), states[n].check(v, scanView(v), rng), v.Close())
	return n, errors.Join(err, tab.Close())
}

// TestCrashes: after a crash at any operation of the disk a table has all that was sealed, and of the batch that was being sealed all or
// nothing; also after crashes while it is opened again, and whatever was applied by then. Views show what they showed at first. A table
// that is opened for reading shows the same, and changes nothing.
func TestCrashes(t *testing.T) {
	seeds := racedetector.Fewer(uint64(40), 10)
	lives, replayed := 0, uint64(0)
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 2))
		disk := sim.NewDisk()
		states := []state{{}} // by the number of batches that were sealed
		least, most := 0, 0   // batches that the disk has
		for life := range 5 {
			var crashed *sim.Disk
			keep, crashSeed := []int{0, 50, 90, 100}[rng.IntN(4)], rng.Uint64()
			left, leastThen, mostThen := 1+rng.IntN(400), 0, 0
			disk.OnOp = func(op sim.Op) error {
				if op.Kind == sim.OpRemove && !strings.Contains(op.Path, "/log/") {
					return nil // of the store's old files: up to a goroutine of its own, and of no consequence
				}
				if left--; left == 0 {
					crashed, leastThen, mostThen = disk.CrashClone(keep, crashSeed), least, most
				}
				return nil
			}
			o := small(t, disk, "data")
			o.Stepped = true
			read, err := readOnly(o, disk, states, rng)
			if err != nil {
				t.Fatalf("seed %d, life %d: read without a change: %v", seed, life, err)
			}
			tab, err := table.Open(o)
			if err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			lives++
			n := int(tab.Sealed())
			if read >= 0 && read != n {
				t.Fatalf("seed %d, life %d: it has %d batches, and had %d when it was only read", seed, life, n, read)
			}
			if n < least || n > most {
				t.Fatalf("seed %d, life %d: it has %d batches, of at least %d and at most %d", seed, life, n, least, most)
			}
			states, least, most = states[:n+1], n, n
			if err := states[n].check(tab, tab.Scan, rng); err != nil {
				t.Fatalf("seed %d, life %d: after Open: %v", seed, life, err)
			}
			replayed += uint64(n)
			views := map[int]table.View{}
			for crashed == nil {
				var b table.Batch
				states = append(states, states[n].change(&b, rng))
				most = n + 1
				must(t, tab.Seal(&b))
				n, least = n+1, n+1
				if rng.IntN(3) == 0 {
					must(t, tab.Quiet())
				}
				if rng.IntN(30) == 0 {
					must(t, tab.Apply())
				}
				if rng.IntN(10) == 0 {
					views[n] = tab.View()
				}
				err := states[n].check(tab, tab.Scan, rng)
				for at, v := range views {
					err = errors.Join(err, states[at].check(v, scanView(v), rng))
				}
				if err != nil {
					t.Fatalf("seed %d, life %d, %d batches: %v", seed, life, n, err)
				}
			}
			for _, v := range views {
				must(t, v.Close())
			}
			must(t, tab.Abandon())
			disk, least, most = crashed, leastThen, mostThen
		}
	}
	if lives < int(seeds)*5 || replayed == 0 {
		t.Errorf("%d lives, %d batches: it tries nothing", lives, replayed)
	}
}

// TestReadersSeeWholeBatches: while batches are sealed and applied, readers on other goroutines see each whole or not at all.
func TestReadersSeeWholeBatches(t *testing.T) {
	tab, err := table.Open(small(t, nil, t.TempDir()))
	must(t, err)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			last := ""
			for !stop.Load() {
				v := tab.View()
				var values []string
				must(t, scanView(v)([]byte("a"), []byte("z"), func(_, value []byte) error {
					values = append(values, string(value))
					return nil
				}))
				must(t, v.Close())
				if len(values) == 0 {
					continue
				}
				if len(values) != 5 || values[0] != values[4] || len(values[0]) < len(last) {
					t.Errorf("a view shows %q after %q", values, last)
					return
				}
				last = values[0]
				if value, found, err := tab.Get([]byte("c")); err != nil || !found || len(value) < len(last) {
					t.Errorf("c is %q, %v, %v, and was %q", value, found, err, last)
					return
				}
			}
		})
	}
	for n := range 500 {
		var b table.Batch
		if n%3 == 0 {
			b.DeleteRange([]byte("a"), []byte("z"))
		}
		for _, k := range []string{"a", "b", "c", "d", "e"} {
			b.Set([]byte(k), bytes.Repeat([]byte{'x'}, n/3))
		}
		must(t, tab.Seal(&b))
	}
	stop.Store(true)
	readers.Wait()
	must(t, tab.Close())
}

// filled makes a table in a directory, with a log of some segments of which the first entries are applied.
func filled(t *testing.T, dir string) (sealed uint64) {
	t.Helper()
	tab, err := table.Open(small(t, nil, dir))
	must(t, err)
	for n := range 200 {
		var b table.Batch
		b.Set([]byte(key(n%60)), bytes.Repeat([]byte{byte(n)}, 100))
		must(t, tab.Seal(&b))
		if n == 100 {
			must(t, tab.Apply())
		}
	}
	must(t, tab.Close())
	return 200
}

// TestForeignParts: a log without its table, a table without its log, a log of another table, a log that lacks entries: each is an error
// that says so, and nothing is changed by it.
func TestForeignParts(t *testing.T) {
	other := t.TempDir()
	filled(t, other)
	for _, c := range []struct {
		name string
		harm func(t *testing.T, dir string)
		want string
	}{
		{"no log", func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, "log"))) }, "the log of"},
		{"an empty log", func(t *testing.T, dir string) {
			for _, name := range files(t, filepath.Join(dir, "log")) {
				must(t, os.Remove(name))
			}
		}, "is missing"},
		{"no table", func(t *testing.T, dir string) {
			for _, name := range files(t, dir) {
				must(t, os.Remove(name))
			}
		}, "no table that it belongs to"},
		{"another's log", func(t *testing.T, dir string) {
			must(t, os.RemoveAll(filepath.Join(dir, "log")))
			must(t, os.CopyFS(filepath.Join(dir, "log"), os.DirFS(filepath.Join(other, "log"))))
		}, "another log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir)
			c.harm(t, dir)
			for range 2 {
				tab, err := table.Open(small(t, nil, dir))
				if err == nil {
					must(t, tab.Close())
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("it opens with %v, want %q", err, c.want)
				}
			}
		})
	}
}

// files are the paths of the files in a directory, without those in directories below it.
func files(t *testing.T, dir string) (paths []string) {
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if !e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// TestReopened: a table that was closed has all that was sealed, applied, and its log is short; it goes on where it was.
func TestReopened(t *testing.T) {
	dir := t.TempDir()
	sealed := filled(t, dir)
	if n := len(files(t, filepath.Join(dir, "log"))); n > 5 { // a segment, spares, and the mark
		t.Errorf("the log has %d files", n)
	}
	tab, err := table.Open(small(t, nil, dir))
	must(t, err)
	if n := tab.Sealed(); n != sealed {
		t.Errorf("%d batches were sealed, want %d", n, sealed)
	}
	var b table.Batch
	b.Set([]byte("more"), []byte("x"))
	must(t, tab.Seal(&b))
	if b.Count() != 0 || b.Len() != 0 || tab.Sealed() != sealed+1 {
		t.Errorf("after Seal the batch has %d changes, and %d were sealed", b.Count(), tab.Sealed())
	}
	must(t, tab.Seal(&b)) // an empty one is none
	rows := 0
	must(t, tab.Scan([]byte("k"), nil, func(_, _ []byte) error { rows++; return nil }))
	if rows != 61 || tab.Sealed() != sealed+1 {
		t.Errorf("%d rows, %d batches", rows, tab.Sealed())
	}
	must(t, tab.Close())
}

// TestBoundOfTheOverlay: Seal waits where applying does not keep up, so that memory has a bound; what is larger than that goes through alone.
func TestBoundOfTheOverlay(t *testing.T) {
	o := small(t, nil, t.TempDir())
	o.OverlayBytes = 4 << 10
	tab, err := table.Open(o)
	must(t, err)
	for n := range 300 {
		var b table.Batch
		size := 100
		if n%50 == 49 {
			size = 10 << 10
		}
		b.Set([]byte(key(n%60)), make([]byte, size))
		must(t, tab.Seal(&b))
		if bytes := tab.OverlayBytes(); bytes > o.OverlayBytes && bytes > int64(size)+100 {
			t.Fatalf("the overlay has %d bytes, at most %d", bytes, o.OverlayBytes)
		}
	}
	must(t, tab.Close())
}

// TestReplayIsBounded: what is read from the log at Open is in memory up to the bound, and applied beyond it, also if more of it was there before;
// the rest is applied as soon as the table is open.
func TestReplayIsBounded(t *testing.T) {
	o := small(t, nil, t.TempDir())
	o.LayerBytes, o.OverlayBytes = 1<<20, 2<<20
	tab, err := table.Open(o)
	must(t, err)
	for n := range 200 {
		var b table.Batch
		b.Set([]byte(key(n%60)), fmt.Append(bytes.Repeat([]byte{'x'}, 100+20*(n%50)), n))
		must(t, tab.Seal(&b))
	}
	sealed := tab.OverlayBytes()
	must(t, tab.Abandon())
	for _, bytes := range []int64{2 << 20, 8 << 10, 500} { // the last is less than an entry
		o.LayerBytes, o.OverlayBytes, o.Stepped = bytes/4, bytes, true
		tab, err = table.Open(o)
		must(t, err)
		if got := tab.OverlayBytes(); got > bytes && got > 1200 || bytes > sealed && got != sealed {
			t.Errorf("of %d bytes %d are in memory, at most %d", sealed, got, bytes)
		}
		for n := 140; n < 200; n++ {
			value, found, err := tab.Get([]byte(key(n % 60)))
			if err != nil || !found || !strings.HasSuffix(string(value), fmt.Sprint("x", n)) {
				t.Errorf("%s is %q, %v, %v", key(n%60), value, found, err)
			}
		}
		must(t, tab.Abandon())
	}
	o.LayerBytes, o.OverlayBytes, o.Stepped = 1<<20, 2<<20, false
	tab, err = table.Open(o)
	must(t, err)
	for end := time.Now().Add(20 * time.Second); tab.OverlayBytes() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("what was replayed is not applied: %d bytes", tab.OverlayBytes())
		}
	}
	must(t, tab.Close())
}

// TestDiskFailsMeanwhile: while no table can be written, or no segment of the log made, what was sealed is there, and sealing goes on once it
// can; also if the table is closed before.
func TestDiskFailsMeanwhile(t *testing.T) {
	for suffix, err := range map[string]error{".sst": errors.New("the disk is broken"), ".log": syscall.ENOSPC} {
		var failing atomic.Bool
		failed := make(chan struct{}, 1)
		disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !failing.Load() || !strings.HasSuffix(op.Path, suffix) || (op.Kind != errorfs.OpCreate && op.Kind != errorfs.OpOpen) {
				return nil
			}
			select {
			case failed <- struct{}{}:
			default:
			}
			return err
		}))
		o := small(t, disk, "data")
		o.Logger = slog.New(slog.DiscardHandler)
		o.OverlayBytes = 8 << 10
		tab, err := table.Open(o)
		must(t, err)
		const batches = 300 // of more than the overlay has room for
		fill := func() {
			for n := range batches {
				var b table.Batch
				b.Set([]byte(key(n%60)), fmt.Append(bytes.Repeat([]byte{'x'}, 100), n))
				must(t, tab.Seal(&b))
			}
		}
		failing.Store(true)
		done := make(chan struct{})
		go func() { fill(); close(done) }()
		<-failed
		select {
		case <-done:
			t.Errorf("%s: the overlay has no bound", suffix)
		case <-time.After(20 * time.Millisecond):
		}
		failing.Store(false)
		<-done
		check := func() {
			for n := batches - 60; n < batches; n++ {
				value, found, err := tab.Get([]byte(key(n % 60)))
				if want := fmt.Append(bytes.Repeat([]byte{'x'}, 100), n); err != nil || !found || !bytes.Equal(value, want) {
					t.Errorf("%s: %s is %q, %v, %v", suffix, key(n%60), value, found, err)
				}
			}
		}
		check()
		failing.Store(true)
		var b table.Batch
		b.Set([]byte("last"), nil)
		if suffix == ".sst" {
			must(t, tab.Seal(&b))
			if err := tab.Close(); err == nil {
				t.Error("Close could not apply what was sealed, and says nothing")
			}
		} else {
			must(t, tab.Close())
		}
		failing.Store(false)
		tab, err = table.Open(o)
		must(t, err)
		check()
		if _, found, err := tab.Get([]byte("last")); found != (suffix == ".sst") || err != nil {
			t.Errorf("%s: the last row is there: %v, %v", suffix, found, err)
		}
		must(t, tab.Close())
	}
}
