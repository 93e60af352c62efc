package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/concordat-dev/concordat/internal/format"
)

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := tryOpen(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryOpen(o Options) (*Store, error) {
	if o.Dir == "" {
		o.Dir = "data"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	return Open(o)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, s *Store, rows ...string) {
	t.Helper()
	b := s.NewBatch()
	for _, row := range rows {
		key, value, _ := strings.Cut(row, "=")
		b.Set([]byte(key), []byte(value))
	}
	ok(t, b.Seal())
}

func rows(t testing.TB, s *Store, lower, upper string) (all []string) {
	t.Helper()
	bound := func(key string) []byte {
		if key == "" {
			return nil
		}
		return []byte(key)
	}
	ok(t, s.Scan(bound(lower), bound(upper), func(key, value []byte) error {
		all = append(all, string(key)+"="+string(value))
		return nil
	}))
	return all
}

func TestSealAndRead(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem()})
	b := s.NewBatch()
	b.Set([]byte("a"), []byte("1"))
	b.Set([]byte("b"), nil)
	b.SetDeferred(1, 2, func(key, value []byte) { copy(key, "c"); copy(value, "33") })
	b.Set([]byte("d"), []byte("4"))
	b.Delete([]byte("d"))
	if b.Count() != 5 || b.Len() == 0 {
		t.Errorf("the batch has %d rows in %d bytes", b.Count(), b.Len())
	}
	if _, found, err := s.Get([]byte("a")); found || err != nil {
		t.Errorf("a row is there before it is sealed: %v, %v", found, err)
	}
	ok(t, b.Seal())
	if got := fmt.Sprint(rows(t, s, "", "")); got != "[a=1 b= c=33]" {
		t.Errorf("sealed %s", got)
	}
	value, found, err := s.Get([]byte("b"))
	if value == nil || len(value) != 0 || !found || err != nil {
		t.Errorf("an empty value is read as %v, %v, %v: nil stands for no row", value, found, err)
	}
	if _, found, err := s.Get([]byte("d")); found || err != nil {
		t.Errorf("a deleted row is found: %v, %v", found, err)
	}
	ok(t, s.Close())
}

func TestClosedBatchIsDropped(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem()})
	b := s.NewBatch()
	b.Set([]byte("a"), []byte("1"))
	ok(t, b.Close())
	if got := rows(t, s, "", ""); len(got) != 0 {
		t.Errorf("there is %v", got)
	}
	ok(t, s.Close())
}

// TestGetGivesTheValueAway: what Get returned stays as it is, whatever happens to the row.
func TestGetGivesTheValueAway(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem()})
	put(t, s, "a=first")
	value, _, err := s.Get([]byte("a"))
	ok(t, err)
	put(t, s, "a=other")
	if string(value) != "first" {
		t.Errorf("the value became %q", value)
	}
	ok(t, s.Close())
}

// TestScan: from lower, included, to upper, excluded, in order; an error of visit ends it and comes back.
func TestScan(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem()})
	put(t, s, "a=1", "b=2", "b\x00=3", "b\xff=4", "b\xff\xff=5", "c=6")
	for _, test := range []struct{ lower, upper, want string }{
		{"", "", "a b b\x00 b\xff b\xff\xff c"},
		{"a", "c", "a b b\x00 b\xff b\xff\xff"},
		{"b", string(format.Upper([]byte("b"))), "b b\x00 b\xff b\xff\xff"},
		{"b\xff", string(format.Upper([]byte("b\xff"))), "b\xff b\xff\xff"},
		{"b\x00", "b\xff", "b\x00"},
		{"b", "b", ""},
		{"c\x00", "", ""},
		{"", "a", ""},
	} {
		var keys []string
		for _, row := range rows(t, s, test.lower, test.upper) {
			keys = append(keys, row[:strings.LastIndex(row, "=")])
		}
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("from %q to %q: %q, want %q", test.lower, test.upper, got, test.want)
		}
	}
	errEnough := errors.New("enough")
	seen := 0
	err := s.Scan(nil, nil, func(_, _ []byte) error { seen++; return errEnough })
	if !errors.Is(err, errEnough) || seen != 1 {
		t.Errorf("after the first row visit said enough; Scan went on to %d rows and returned %v", seen, err)
	}
	ok(t, s.Close())
}

func TestDeleteRange(t *testing.T) {
	s := open(t, Options{FS: vfs.NewMem()})
	put(t, s, "a=1", "b=2", "c=3", "d=4")
	b := s.NewBatch()
	b.DeleteRange([]byte("b"), []byte("d"))
	b.Delete([]byte("e"))
	var told []string
	ok(t, b.Each(func(key, value []byte) { told = append(told, fmt.Sprintf("%s=%s", key, value)) },
		func(lower, upper []byte) { told = append(told, fmt.Sprintf("%s to %s", lower, upper)) }))
	if got := strings.Join(told, ", "); got != "b to d, e=" {
		t.Errorf("the batch is %s", got)
	}
	ok(t, b.Seal())
	if got := fmt.Sprint(rows(t, s, "", "")); got != "[a=1 d=4]" {
		t.Errorf("left is %s", got)
	}
	ok(t, s.Close())
}

// TestInUse: a directory that is open, here or in another process, is ErrInUse, and can be opened once it is flushed.
func TestInUse(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, Options{Dir: dir, FS: fs})
			if _, err := tryOpen(Options{Dir: dir, FS: fs}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
				t.Errorf("opening it twice gives %v", err)
			}
			ok(t, s.Close())
			ok(t, open(t, Options{Dir: dir, FS: fs}).Close())
		})
	}
}

// TestFailedOpenFreesTheDirectory: the lock does not outlive an Open that failed.
func TestFailedOpenFreesTheDirectory(t *testing.T) {
	fs := vfs.NewMem()
	ok(t, open(t, Options{FS: fs}).Close())
	names, err := fs.List("data")
	ok(t, err)
	manifests := map[string][]byte{}
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST-") {
			manifests["data/"+name] = read(t, fs, "data/"+name)
			write(t, fs, "data/"+name, nil)
		}
	}
	for range 2 {
		if _, err := tryOpen(Options{FS: fs}); err == nil || errors.Is(err, ErrInUse) {
			t.Fatalf("opening it without a manifest gives %v", err)
		}
	}
	for name, data := range manifests {
		write(t, fs, name, data)
	}
	ok(t, open(t, Options{FS: fs}).Close())
}

// TestNewestFormat: a new directory has Pebble's newest format, and one with an older format is brought to it. At the older ones a
// flipped bit can silently drop what was synced.
func TestNewestFormat(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{FS: fs})
	if got := s.db.FormatMajorVersion(); got != pebble.FormatNewest {
		t.Errorf("a new directory has format %v, not %v", got, pebble.FormatNewest)
	}
	ok(t, s.Close())

	ok(t, fs.MkdirAll("old", 0o755))
	db, err := pebble.Open("old", &pebble.Options{FS: fs})
	ok(t, err)
	ok(t, db.Set([]byte("a"), []byte("1"), pebble.Sync))
	ok(t, db.Close())
	s = open(t, Options{FS: fs, Dir: "old"})
	if got := s.db.FormatMajorVersion(); got != pebble.FormatNewest || fmt.Sprint(rows(t, s, "", "")) != "[a=1]" {
		t.Errorf("an old directory has format %v and rows %v", got, rows(t, s, "", ""))
	}
	ok(t, s.Close())
}

// TestFatalfDoesNotReturn: even if Options.Fatal does, so that Pebble cannot go on after a failed write.
func TestFatalfDoesNotReturn(t *testing.T) {
	told := make(chan error, 1)
	returned := make(chan struct{})
	go func() {
		logger{slog.Default(), func(err error) { told <- err }}.Fatalf("broken: %d", 7)
		close(returned)
	}()
	if err := <-told; err.Error() != "pebble: broken: 7" {
		t.Errorf("Fatal was told %v", err)
	}
	for range 1000 {
		runtime.Gosched()
	}
	select {
	case <-returned:
		t.Error("Fatalf returned")
	case <-time.After(10 * time.Millisecond):
	}
}

// TestFatalCanUnwind: Options.Fatal may end its goroutine, as tests do.
func TestFatalCanUnwind(t *testing.T) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		logger{slog.Default(), func(error) { runtime.Goexit() }}.Fatalf("broken")
	}()
	<-ended
}

// TestParentsAreSynced: a new directory below others that were missing too is there after a power failure.
func TestParentsAreSynced(t *testing.T) {
	for _, dir := range []string{"data", "a/data", "a/b/c/data", "/a/b/data"} {
		fs := vfs.NewCrashableMem()
		s := open(t, Options{FS: fs, Dir: dir})
		put(t, s, "a=1")
		left := open(t, Options{FS: fs.CrashClone(vfs.CrashCloneCfg{}), Dir: dir})
		if got := fmt.Sprint(rows(t, left, "", "")); got != "[a=1]" {
			t.Errorf("after a power failure %s has %s", dir, got)
		}
		ok(t, errors.Join(left.Close(), s.Close()))
	}
}

// TestSealedSurvivesPowerFailure: sealed batches are there, all or none of an unsealed one's rows, whatever part of the unsynced
// bytes reached the disk.
func TestSealedSurvivesPowerFailure(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 0))
		fs := vfs.NewCrashableMem()
		s := open(t, Options{FS: fs, MemTableBytes: 1 << 16})
		sealed := 1 + rng.IntN(40)
		for n := range sealed {
			put(t, s, batchRows(n)...)
		}
		b := s.NewBatch()
		for _, row := range batchRows(sealed) {
			key, value, _ := strings.Cut(row, "=")
			b.Set([]byte(key), []byte(value))
		}
		ok(t, b.b.Commit(pebble.NoSync)) // on its way to the disk
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 90}[seed%3], RNG: rng})
		left := open(t, Options{FS: clone})
		got := len(rows(t, left, "", ""))
		if got != sealed*rowsPerBatch && got != (sealed+1)*rowsPerBatch {
			t.Errorf("seed %d: %d batches of %d rows were sealed, %d rows are left", seed, sealed, rowsPerBatch, got)
		}
		ok(t, errors.Join(left.Close(), b.Close(), s.Close()))
	}
}

const rowsPerBatch = 20

func batchRows(n int) (rows []string) {
	for i := range rowsPerBatch {
		rows = append(rows, fmt.Sprintf("row-%03d-%02d=%s", n, i, strings.Repeat("x", 100+n)))
	}
	return rows
}

// TestFlippedByte flips one bit of each file of a directory in turn, at many places: opening and reading all gives an error, or
// every row that was sealed; never less, and never other bytes.
//
// There is one exception, which only Pebble could lift: in the last block of the log, 32 KiB, it cannot tell a flipped bit from
// a write that a crash cut short, and drops what follows.
func TestFlippedByte(t *testing.T) {
	const batches, blockBytes = 40, 32 << 10
	for _, flushed := range []bool{false, true} { // rows in the log only; rows in tables
		fs := vfs.NewCrashableMem()
		s := open(t, Options{FS: fs})
		for n := range batches {
			put(t, s, batchRows(n)...)
		}
		if flushed {
			ok(t, s.db.Flush())
		}
		image := fs.CrashClone(vfs.CrashCloneCfg{})
		ok(t, s.Close())
		names, err := image.List("data")
		ok(t, err)
		rng := rand.New(rand.NewPCG(1, 2))
		dropped := 0
		refused, served := map[string]int{}, map[string]int{}
		for _, name := range names {
			data := read(t, image, "data/"+name)
			for range min(len(data), 150) {
				at, bit := rng.IntN(len(data)), byte(1)<<rng.IntN(8)
				damaged := image.CrashClone(vfs.CrashCloneCfg{})
				changed := append([]byte(nil), data...)
				changed[at] ^= bit
				write(t, damaged, "data/"+name, changed)
				kind := strings.TrimLeft(strings.TrimRight(name, "0123456789"), "0123456789")
				lastBlock := kind == ".log" && at >= len(data)/blockBytes*blockBytes
				if err := readAll(damaged, batches); errors.Is(err, errLess) && lastBlock {
					dropped++
				} else if errors.Is(err, errLess) {
					t.Errorf("%s, bit %x of byte %d of %d: %v", name, bit, at, len(data), err)
				} else if err != nil {
					refused[kind]++
				} else {
					served[kind]++
				}
			}
		}
		t.Logf("flushed %v: refused %v, served all %v, cut short %d", flushed, refused, served, dropped)
		if kind := map[bool]string{false: ".log", true: ".sst"}[flushed]; refused[kind] < 100 {
			t.Errorf("only %d of the files %s were refused: the test tests too little", refused[kind], kind)
		}
	}
}

var errLess = errors.New("less than was sealed")

// readAll opens a directory and reads every row. It returns errLess if that works but something is missing or wrong.
func readAll(fs vfs.FS, batches int) error {
	result := make(chan error, 10) // of readRows, or what Fatal was told on any goroutine
	go func() {
		defer func() {
			if r := recover(); r != nil {
				result <- fmt.Errorf("panic: %v", r)
			}
		}()
		result <- readRows(fs, batches, func(err error) {
			result <- err
			runtime.Goexit()
		})
	}()
	return <-result
}

func readRows(fs vfs.FS, batches int, fatal func(error)) (err error) {
	s, err := tryOpen(Options{FS: fs, Fatal: fatal})
	if err != nil {
		return err
	}
	want := map[string]string{}
	for n := range batches {
		for _, row := range batchRows(n) {
			key, value, _ := strings.Cut(row, "=")
			want[key] = value
		}
	}
	seen := 0
	err = s.Scan(nil, nil, func(key, value []byte) error {
		seen++
		if want[string(key)] != string(value) {
			return fmt.Errorf("%w: row %q is %q", errLess, key, value)
		}
		return nil
	})
	if err == nil && seen != len(want) {
		err = fmt.Errorf("%w: %d rows of %d", errLess, seen, len(want))
	}
	return errors.Join(err, s.Close())
}

func read(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	ok(t, err)
	data, err := io.ReadAll(f)
	ok(t, errors.Join(err, f.Close()))
	return data
}

func write(t testing.TB, fs vfs.FS, name string, data []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	ok(t, err)
	_, err = f.Write(bytes.Clone(data))
	ok(t, errors.Join(err, f.Sync(), f.Close()))
}
