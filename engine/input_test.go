package engine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// refuses checks that Open fails, says the words, and leaves the directory free.
func refuses(t *testing.T, o engine.Options, want error, parts []functions.Part, words ...string) {
	t.Helper()
	o.ReserveBytes = -1
	e, err := engine.Open(o, parts...)
	if err == nil {
		must(t, e.Close())
		t.Fatalf("the engine opens; it should have failed with %v %q", want, words)
	}
	if want == nil {
		want = err
	}
	wantErr(t, err, want, words...)
}

// TestDirectoryInUse: a second engine on the same directory is refused, in this process (also by another path to it) and in another
// one, and the first does not notice. After Close it opens.
func TestDirectoryInUse(t *testing.T) {
	const env = "CONCORDAT_TEST_OPEN"
	if dir := os.Getenv(env); dir != "" { // the other process
		_, err := engine.Open(engine.Options{Dir: dir, ReserveBytes: -1}, notes)
		fmt.Printf("in use: %v, %v\n", errors.Is(err, store.ErrInUse), err)
		return
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	e := open(t, engine.Options{Dir: dir}, notes)
	refuses(t, engine.Options{Dir: dir}, store.ErrInUse, nil, "data")
	t.Chdir(parent)
	refuses(t, engine.Options{Dir: "data"}, store.ErrInUse, nil)
	must(t, os.Symlink(dir, filepath.Join(parent, "link")))
	refuses(t, engine.Options{Dir: filepath.Join(parent, "link")}, store.ErrInUse, nil)

	other := exec.Command(os.Args[0], "-test.run=^TestDirectoryInUse$", "-test.v")
	other.Env = append(os.Environ(), env+"="+dir)
	out, err := other.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in use: true") {
		t.Errorf("the other process says: %v, %s", err, out)
	}
	must(t, e.Do(ctx, newNote.On("n", 0)))
	e = reopen(t, e, engine.Options{Dir: filepath.Join(parent, "link")}, notes)
	must(t, e.Do(ctx, jot.On("n", 0)))
}

// TestWrongDirectory: one with another number of shards, another format version, or that is not Concordat's, is refused with an
// error that says so.
func TestWrongDirectory(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, engine.Options{Dir: dir, Shards: 8}, notes).Close())
	refuses(t, engine.Options{Dir: dir, Shards: 9}, engine.ErrFormat, nil, "8 shards", "9")
	e := open(t, engine.Options{Dir: dir}, notes)
	must(t, e.Close())
	must(t, open(t, engine.Options{Dir: dir, Shards: 8}, notes).Close())

	for _, version := range []int{0, format.Version + 1} {
		writeRow(t, dir, format.Prefix(nil, format.NodeShard, format.KindFormat), map[int]int{1: version, 2: 8})
		refuses(t, engine.Options{Dir: dir}, engine.ErrFormat, nil, fmt.Sprint("version ", version), fmt.Sprint("versions 1 to ", format.Version))
	}
	writeRow(t, dir, format.Prefix(nil, format.NodeShard, format.KindFormat), "what")
	refuses(t, engine.Options{Dir: dir}, engine.ErrDamaged, nil, "format")

	foreign := t.TempDir()
	db, err := pebble.Open(foreign, &pebble.Options{})
	must(t, err)
	must(t, db.Set([]byte("somebody's"), []byte("data"), pebble.Sync))
	must(t, db.Close())
	refuses(t, engine.Options{Dir: foreign}, engine.ErrFormat, nil, "not Concordat's")

	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "a file")
	refuses(t, engine.Options{Dir: file}, nil, nil, file)
	refuses(t, engine.Options{}, nil, nil, "Options.Dir is empty")
}

func writeRow(t *testing.T, dir string, key []byte, value any) {
	t.Helper()
	s, err := openRows(t, dir)
	must(t, err)
	data, err := values.Encode(value)
	must(t, err)
	batch := new(table.Batch)
	batch.Set(key, data)
	must(t, s.Seal(batch))
	must(t, s.Close())
}

// TestDamagedRows: a row of unfinished work that does not decode is an error at Open that says what it is; one of an instance or an
// outcome is found by whoever asks for it.
func TestDamagedRows(t *testing.T) {
	for _, c := range []struct {
		key   []byte
		value any
		what  string
	}{
		{format.Prefix(nil, format.NodeShard, format.KindWatermark), "nonsense", "watermark"},
		{format.Prefix(nil, format.NodeShard, format.KindWatermark), map[int]uint64{1: math.MaxUint64}, "watermark"},
		{format.Prefix(nil, format.NodeShard, format.KindFormat), map[int]int{1: 1, 2: 0}, "format"},
		{format.Prefix(nil, format.NodeShard, format.KindFormat), map[int]int{1: 1, 2: -5}, "format"},
		{format.NumberedKey(nil, 3, format.KindMessage, 7), "nonsense", "message"},
		{format.NumberedKey(nil, 3, format.KindMessage, 7), format.Message{Coordinator: "test/tx"}, "for no instance"},
		{append(format.NumberedKey(nil, 3, format.KindMessage, 7), 0), jot.On("n", 1).Envelope().Stored(), "key of 12 bytes"},
		{format.NumberedKey(nil, 3, format.KindCoordinator, 7), "nonsense", "coordinator function"},
		{format.TimerKey(nil, 3, 5, 7), "nonsense", "timer"},
		{format.Prefix(nil, 3, format.KindTimer), "nonsense", "timer"},
		{format.IngressKey(nil, "in"), "nonsense", "ingress"},
	} {
		dir := t.TempDir()
		o := engine.Options{Dir: dir, Ingresses: map[string]engine.Ingress{"in": &tape{}}}
		must(t, open(t, o, notes).Close())
		writeRow(t, dir, c.key, c.value)
		refuses(t, o, engine.ErrDamaged, []functions.Part{notes}, c.what)
	}
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir, Shards: 1}, notes)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Close())
	writeRow(t, dir, format.InstanceKey(nil, 0, "test/note", "n"), "nonsense")
	e = open(t, engine.Options{Dir: dir}, notes)
	_, err := engine.Ask(ctx, e, lines.On("n"))
	wantErr(t, err, functions.ErrBadState)
	wantErr(t, e.Do(ctx, jot.On("n", 1)), functions.ErrBadState)
}

// TestDamagedFiles flips bytes in, and cuts, each file of a closed directory: either Open fails with an error, or everything is
// there. It never serves less, and never panics.
func TestDamagedFiles(t *testing.T) {
	const instances = 300
	o := engine.Options{Dir: t.TempDir(), MemTableBytes: 64 << 10}
	e := open(t, o, notes)
	for i := range instances {
		must(t, e.Do(ctx, newNote.On(fmt.Sprint(i), 0)))
	}
	for round := range 2 {
		for i := range instances {
			must(t, e.Do(ctx, jot.On(fmt.Sprint(i), round)))
		}
		e = reopen(t, e, o, notes)
	}
	for i := range instances {
		must(t, e.Do(ctx, jot.On(fmt.Sprint(i), 2)))
	}
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(o.Dir))) // some rows are in the log only
	must(t, e.Close())
	opened, refused := 0, 0
	for _, name := range filesIn(t, dir) {
		whole := readFile(t, filepath.Join(dir, name))
		places := 8
		if racedetector.On {
			places = 3
		}
		for i := range places {
			at := len(whole) * i / places
			flipped := whole[:at] + string(whole[at]^0x10) + whole[at+1:]
			for what, content := range map[string]string{"flipped": flipped, "cut": whole[:at]} {
				copied := t.TempDir()
				must(t, os.CopyFS(copied, os.DirFS(dir)))
				writeFile(t, filepath.Join(copied, name), content)
				if openDamaged(t, copied, instances, fmt.Sprintf("%s %s at byte %d of %d", name, what, at, len(whole))) {
					opened++
				} else {
					refused++
				}
			}
		}
	}
	if opened == 0 || refused == 0 {
		t.Errorf("of the damaged directories %d opened and %d were refused: some of both were to be expected", opened, refused)
	}
}

// filesIn are the names of all files below a directory that are not empty.
func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// TestDamagedLogEnd flips bits of the log of an engine that was killed. A write that a crash cut short looks like that, but only the last
// one may be; and the log knows how far it had got, and refuses to open.
func TestDamagedLogEnd(t *testing.T) {
	const instances = 40
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir, MemTableBytes: 64 << 10}, notes)
	for i := range instances {
		must(t, e.Do(ctx, newNote.On(fmt.Sprint(i), 0)))
	}
	for round := range 3 {
		for i := range instances {
			must(t, e.Do(ctx, jot.On(fmt.Sprint(i), round)))
		}
	}
	killed := t.TempDir()
	must(t, os.CopyFS(killed, os.DirFS(dir)))
	must(t, e.Close())
	logs, err := filepath.Glob(filepath.Join(killed, "log", "*.log"))
	must(t, err)
	refused := 0
	for _, path := range logs {
		whole := readFile(t, path)
		end := len(strings.TrimRight(whole, "\x00"))
		for i := range 60 {
			at := end - 1 - i*end/60
			copied := t.TempDir()
			must(t, os.CopyFS(copied, os.DirFS(killed)))
			writeFile(t, filepath.Join(copied, "log", filepath.Base(path)), whole[:at]+string(whole[at]^0x10)+whole[at+1:])
			if !openDamaged(t, copied, instances, fmt.Sprintf("%s flipped at byte %d of %d", filepath.Base(path), at, end)) {
				refused++
			}
		}
	}
	if refused < 50 {
		t.Errorf("only %d damaged logs were refused", refused)
	}
}

// openDamaged opens a damaged directory and checks that everything is served, or that it is refused.
func openDamaged(t *testing.T, dir string, instances int, what string) (opened bool) {
	t.Helper()
	died := make(chan error, 1)
	o := engine.Options{Dir: dir, ReserveBytes: -1, Logger: new(logLines).logger(), Fatal: func(err error) {
		died <- err
		select {}
	}}
	refused := make(chan error, 1)
	served := make(chan error, 1)
	go func() {
		e, err := engine.Open(o, notes)
		refused <- err
		if err != nil {
			return
		}
		for i := range instances {
			got, err := engine.Ask(ctx, e, lines.On(fmt.Sprint(i)))
			if err != nil || !slices.Equal(got, []int{0, 1, 2}) {
				served <- fmt.Errorf("instance %d has %v, %w", i, got, err)
				return
			}
		}
		served <- e.Close()
	}()
	select {
	case err := <-refused:
		if err != nil {
			return false
		}
	case err := <-died:
		t.Errorf("%s: Open does not return an error, but ends the process: %v", what, err)
		return false
	}
	select {
	case <-died: // it ends the process rather than serve less
		return false
	case err := <-served:
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return true
	}
}

// smallDisk is a file system with as much space as the test says.
type smallDisk struct {
	vfs.FS
	free atomic.Uint64
}

func (s *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: s.free.Load(), TotalBytes: 1 << 40}, nil
}

// TestNoSpaceWhenTheClockGoesBack: that there is room again is noticed also if the wall clock went back meanwhile, and not only
// once it has caught up.
func TestNoSpaceWhenTheClockGoesBack(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(1 << 10)
	clock := newPassingClock()
	e, err := engine.Open(engine.Options{Dir: "data", ReserveBytes: 1 << 20, Seams: seams.Set{FS: disk, Clock: clock}}, notes)
	must(t, err)
	defer func() { must(t, e.Close()) }()
	wantErr(t, e.Do(ctx, newNote.On("n", 0)), engine.ErrNoSpace)
	clock.move(-4 * time.Hour)
	disk.free.Store(1 << 30)
	clock.pass(time.Second)
	must(t, e.Do(ctx, newNote.On("n", 0)))
}

// TestNoSpace: with less than the reserve left requests are refused at once with ErrNoSpace; reads of the disk's space are not
// needed for each. When there is room again it goes on. Nothing is lost.
func TestNoSpace(t *testing.T) {
	disk := &smallDisk{FS: vfs.Default}
	disk.free.Store(1 << 30)
	clock := newPassingClock()
	o := engine.Options{Dir: t.TempDir(), ReserveBytes: 1 << 20, Seams: seams.Set{FS: disk, Clock: clock}}
	e, err := engine.Open(o, notes)
	must(t, err)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	disk.free.Store(1 << 10)
	last := -1
	for i := range 100_000 { // the space is looked at anew after an eighth of the reserve
		err := e.Do(ctx, newNote.On(strings.Repeat("x", 500)+fmt.Sprint(i), 0))
		if err == nil {
			last = i
			continue
		}
		wantErr(t, err, engine.ErrNoSpace)
		break
	}
	if last > 2000 {
		t.Errorf("it noticed after %d requests", last)
	}
	wantErr(t, e.Do(ctx, jot.On("n", 1)), engine.ErrNoSpace)
	_, err = e.Submit(jot.On("n", 1))
	wantErr(t, err, engine.ErrNoSpace)
	must(t, e.Close())

	e, err = engine.Open(o, notes) // a full disk can be opened
	must(t, err)
	defer e.Close()
	wantErr(t, e.Do(ctx, jot.On("n", 1)), engine.ErrNoSpace)
	disk.free.Store(1 << 30)
	clock.pass(time.Second)
	must(t, e.Do(ctx, jot.On("n", 2)))
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{2}) {
		t.Errorf("the note has %v", got)
	}
	if last >= 0 && !ask(t, e, notes.Exists(strings.Repeat("x", 500)+fmt.Sprint(last))) {
		t.Error("the last request that was acknowledged is lost")
	}
}

// rawRequest is a request that no program can make by mistake: its argument is not what the operation takes.
type rawRequest instances.Envelope

func (r rawRequest) RequestEnvelope() instances.Envelope { return instances.Envelope(r) }

// TestUnknownAndWrong requests are refused with an error that names what is wrong, and have no effect.
func TestUnknownAndWrong(t *testing.T) {
	e := open(t, engine.Options{}, notes, jotTx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	for _, c := range []struct {
		what  string
		r     functions.Request
		err   error
		words []string
	}{
		{"a type that is not among the parts", newTalker.On("x", 0), functions.ErrUnknownOperation, []string{"test/talker.new"}},
		{"a transaction that is not among the parts", unknownTx.With("x"), engine.ErrUnknownCoordinator, []string{"test/unknown-tx"}},
		{"a saga that is not among the parts", jotSaga.As("id", "x"), engine.ErrUnknownCoordinator, []string{"test/jot-saga"}},
		{"an argument of other bytes", rawRequest{Op: jot.On("n", 1).Envelope().Op, ID: "n", Arg: []byte("\x63abc")}, functions.ErrBadArgument, nil},
		{"an argument of bad bytes", rawRequest{Op: jot.On("n", 1).Envelope().Op, ID: "n", Arg: []byte("\xff")}, functions.ErrBadArgument, nil},
		{"no argument", rawRequest{Op: jot.On("n", 1).Envelope().Op, ID: "n"}, functions.ErrBadArgument, nil},
		{"an input of bad bytes", rawRequest{Coordinator: "test/jot-tx", Arg: []byte("\xff")}, functions.ErrBadArgument, nil},
		{"the zero call", functions.Call{}, functions.ErrBadCall, nil},
		{"the zero request", rawRequest{}, engine.ErrUnknownCoordinator, nil},
	} {
		if err := e.Do(ctx, c.r); !errors.Is(err, c.err) {
			t.Errorf("%s: error %v, want %v", c.what, err, c.err)
		} else {
			wantErr(t, err, c.err, c.words...)
		}
	}
	if got := ask(t, e, lines.On("n")); len(got) != 0 {
		t.Errorf("a bad request left %v", got)
	}
}

// TestIDBounds: ids of instances and requests have 1 to 512 bytes, whatever bytes.
func TestIDBounds(t *testing.T) {
	o := engine.Options{Dir: t.TempDir()}
	e := open(t, o, notes)
	longest := strings.Repeat("\xff\x00", 256)
	must(t, e.Do(ctx, newNote.On(longest, 0).As(longest)))
	wantErr(t, e.Do(ctx, newNote.On("", 0)), functions.ErrBadCall, "empty")
	wantErr(t, e.Do(ctx, newNote.On(longest+"x", 0)), functions.ErrTooLarge, "513", "512")
	wantErr(t, e.Do(ctx, newNote.On("n", 0).As("")), functions.ErrBadCall, "request", "empty")
	wantErr(t, e.Do(ctx, newNote.On("n", 0).As(longest+"x")), functions.ErrTooLarge, "request", "513")
	e = reopen(t, e, o, notes)
	must(t, e.Do(ctx, newNote.On(longest, 0).As(longest)))
	if !ask(t, e, notes.Exists(longest)) || ask(t, e, notes.Exists("n")) {
		t.Error("the wrong instances exist")
	}
}

// TestSizeBounds: argument, state and result may have MaxBytes bytes, and not one more; a failure leaves the state as it was.
func TestSizeBounds(t *testing.T) {
	texts := functions.NewType[string]("test/text")
	newText := functions.Create(texts, "new", func(*functions.Ctx, *string, int) error { return nil })
	put := functions.Update(texts, "put", func(_ *functions.Ctx, s *string, text string) error { *s = text; return nil })
	grow := functions.Update(texts, "grow", func(_ *functions.Ctx, s *string, n int) error { *s = strings.Repeat("x", n); return nil })
	long := functions.View1(texts, "long", func(_ *functions.Ctx, _ string, n int) (string, error) { return strings.Repeat("x", n), nil })
	size := functions.View(texts, "size", func(_ *functions.Ctx, s string) (int, error) { return len(s), nil })
	answer := twopc.NewReturning("test/long", func(_ *twopc.Tx, n int) (string, error) { return strings.Repeat("x", n), nil })
	const maxBytes, head = 10_000, 3 // a string of this length has 3 bytes in front
	for _, parts := range [][]functions.Part{{texts, answer}} {
		e := open(t, engine.Options{MaxBytes: maxBytes}, parts...)
		must(t, e.Do(ctx, newText.On("t", 0)))
		must(t, e.Do(ctx, put.On("t", strings.Repeat("y", maxBytes-head))))
		wantErr(t, e.Do(ctx, put.On("t", strings.Repeat("y", maxBytes-head+1))), functions.ErrTooLarge, "argument", "10001", "10000")
		must(t, e.Do(ctx, grow.On("t", maxBytes-head)))
		wantErr(t, e.Do(ctx, grow.On("t", maxBytes-head+1)), functions.ErrTooLarge, "state", "10001")
		if n := ask(t, e, size.On("t")); n != maxBytes-head {
			t.Errorf("the state has %d bytes", n)
		}
		ask(t, e, long.On("t", maxBytes-head))
		_, err := engine.Ask(ctx, e, long.On("t", maxBytes-head+1))
		wantErr(t, err, functions.ErrTooLarge, "result", "10001")
		ask(t, e, answer.With(maxBytes-head))
		_, err = engine.Ask(ctx, e, answer.With(maxBytes-head+1))
		wantErr(t, err, functions.ErrTooLarge, "result", "10001")
	}
}

// TestBadParts: duplicate, empty and overlong names are errors of Open that name them, and so are egresses without a receiver.
func TestBadParts(t *testing.T) {
	dir := t.TempDir()
	body := func(*twopc.Tx, int) error { return nil }
	for _, c := range []struct {
		parts []functions.Part
		words []string
	}{
		{[]functions.Part{notes, functions.NewType[int]("test/note")}, []string{"two function types", `"test/note"`}},
		{[]functions.Part{notes, notes}, []string{"two function types"}},
		{[]functions.Part{twopc.New("same", body), saga.New("same", func(*saga.Run, int) error { return nil })}, []string{"two coordinator functions", `"same"`}},
		{[]functions.Part{functions.NewType[int]("")}, []string{"type", "empty"}},
		{[]functions.Part{functions.NewType[int](strings.Repeat("n", 129))}, []string{"129 bytes", "128"}},
		{[]functions.Part{functions.NewType[int]("a\x00b")}, []string{"zero byte"}},
		{[]functions.Part{twopc.New("", body)}, []string{"coordinator function", "empty"}},
		{[]functions.Part{withTwo("op", "op")}, []string{"two operations", `"op"`}},
		{[]functions.Part{withTwo("op", "")}, []string{"operation", "empty"}},
		{[]functions.Part{notes, nil}, []string{"part 2 is nil"}},
		{[]functions.Part{notes, (*functions.Type[int])(nil)}, []string{"part 2 ", "*functions.Type[int]", "nil"}},
		{[]functions.Part{new(functions.Type[int])}, []string{"part 1 ", "zero value"}},
		{[]functions.Part{(*coordinator.Function[int])(nil), notes, (*coordinator.FunctionReturning[int, int])(nil)}, []string{"part 1 ", "part 3 ", "*coordinator.Function[int]"}},
		{[]functions.Part{new(coordinator.Function[int]), new(coordinator.FunctionReturning[int, int])}, []string{"part 1 ", "part 2 "}},
		{[]functions.Part{(*coordinator.Function[int])(nil), (*coordinator.FunctionReturning[int, int])(nil)}, []string{"part 1 ", "part 2 "}},
		{[]functions.Part{new(coordinator.Function[int]), new(coordinator.FunctionReturning[int, int])}, []string{"part 1 ", "part 2 "}},
		{[]functions.Part{notes, wire, other}, []string{`egress "wire"`, `egress "other"`, "no receiver"}},
		{[]functions.Part{wire, wire}, []string{"part 2 ", "two egresses", `"wire"`}},
		{[]functions.Part{functions.NewEgress[int]("")}, []string{"egress", "empty"}},
		{[]functions.Part{functions.NewEgress[chan int]("wire")}, []string{"record of egress wire", "chan int"}},
		{[]functions.Part{functions.Egress[int]{}}, []string{"part 1 ", "zero value", "NewEgress"}},
		{[]functions.Part{(*wrapped)(nil), wrapped{}}, []string{"part 1 ", "part 2 ", "wrapped"}},
	} {
		refuses(t, engine.Options{Dir: dir}, nil, c.parts, c.words...)
	}
	longest := functions.NewType[int](strings.Repeat("n", 128))
	must(t, open(t, engine.Options{Dir: dir}, longest).Close())
	received := map[string]engine.Egress{"wire": new(received)}
	must(t, open(t, engine.Options{Dir: dir, Egresses: received}, longest, wire).Close())
}

// wrapped is a program's own kind of part.
type wrapped struct{ *functions.Type[int] }

// TestCallsOfWhatNobodyMade are errors that say so, wherever they are made.
func TestCallsOfWhatNobodyMade(t *testing.T) {
	var add functions.Command[int]
	var tx *coordinator.Function[int]
	inTx := twopc.New("test/in-tx", func(tx *twopc.Tx, _ int) error { return tx.Do(add.On("n", 1)) })
	inSaga := saga.New("test/in-saga", func(s *saga.Run, _ int) error { return s.Do(jot.On("n", 1), add.On("n", 1)) })
	e := open(t, engine.Options{}, notes, inTx, inSaga)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	for _, request := range []functions.Request{
		add.On("n", 1), add.On("n", 1).As("id"), tx.With(1), tx.As("id", 1), new(coordinator.Function[int]).With(1), inTx.With(0), inSaga.With(0),
		(*coordinator.FunctionReturning[int, int])(nil).With(1).Drop(), (*coordinator.FunctionReturning[int, int])(nil).With(1).Drop(),
	} {
		wantErr(t, e.Do(ctx, request), functions.ErrBadCall, "zero value")
	}
	for _, err := range engine.Walk[int](e, nil, "") {
		wantErr(t, err, engine.ErrUnknownType)
	}
	if got := ask(t, e, lines.On("n")); len(got) > 0 {
		t.Errorf("something happened: %v", got)
	}
}

// TestOperationMadeAfterOpen: the error names the cause, not another one.
func TestOperationMadeAfterOpen(t *testing.T) {
	sort := functions.NewType[int]("test/sort")
	e := open(t, engine.Options{}, sort)
	op := func(of *functions.Type[int]) functions.Call {
		return functions.Update(of, "late", func(*functions.Ctx, *int, int) error { return nil }).On("x", 0)
	}
	wantErr(t, e.Do(ctx, op(sort)), functions.ErrUnknownOperation, "test/sort.late", "after the engine was opened")
	wantErr(t, e.Do(ctx, op(functions.NewType[int]("test/sort"))), functions.ErrUnknownOperation, "another type of that name")
	wantErr(t, e.Do(ctx, op(functions.NewType[int]("test/other"))), functions.ErrUnknownOperation, "not opened with its type")
}

func withTwo(a, b string) functions.Part {
	t := functions.NewType[int]("test/two")
	for _, name := range []string{a, b} {
		functions.Update(t, name, func(*functions.Ctx, *int, int) error { return nil })
	}
	return t
}

// TestBadOptions are errors of Open that name the option.
func TestBadOptions(t *testing.T) {
	for name, o := range map[string]engine.Options{
		"Workers": {Workers: -1}, "Shards": {Shards: 5000}, "Policy": {Policy: locks.Policy(9)}, "MaxAttempts": {MaxAttempts: -1},
		"MaxUndoTries": {MaxUndoTries: -1}, "MaxInFlight": {MaxInFlight: -1}, "MaxBytes": {MaxBytes: 1 << 40}, "CacheBytes": {CacheBytes: -1},
		"MaxTimers": {MaxTimers: -1}, "MaxDrain": {MaxDrain: -1}, "MemTableBytes": {MemTableBytes: 1 << 40},
		"OverlayBytes": {OverlayBytes: 127 << 20},
		"egress":       {Egresses: map[string]engine.Egress{"": engine.Callback(nil)}}, "ingress": {Ingresses: map[string]engine.Ingress{"": &tape{}}},
	} {
		o.Dir = t.TempDir()
		refuses(t, o, nil, nil, name)
	}
}

// TestUnfinishedWorkForMissingParts: an engine without the functions that unfinished work needs does not open, and says which.
func TestUnfinishedWorkForMissingParts(t *testing.T) {
	o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: newHandClock()}}
	e := openErrands(t, o)
	_, err := e.Submit(errandSaga.As("e1", errand{Desks: []string{"a"}, Wait: time.Hour}))
	must(t, err)
	theSaga(t, e, "running")
	must(t, e.Close())
	refuses(t, o, engine.ErrUnknownCoordinator, []functions.Part{notes, desks}, "test/errand")

	o.Dir = t.TempDir()
	e = openBells(t, o)
	must(t, e.Do(ctx, set.On("b", []alarm{{1, time.Hour}})))
	must(t, e.Close())
	refuses(t, o, functions.ErrUnknownOperation, []functions.Part{bells}, "timer of test/bell/b", "test/note.jot")
}

// TestPanics: a panic of an operation, a transaction's or a saga's body is a failure that says so; its stack is in the log, and the
// state is as before.
func TestPanics(t *testing.T) {
	boom := func(where string) { panic("boom in " + where) }
	tx := twopc.New("test/panic-tx", func(tx *twopc.Tx, in string) error {
		if err := tx.Do(jot.On("n", 1)); err != nil {
			return err
		}
		if in == "operation" {
			return tx.Do(jotPanic.On("n", 2))
		}
		boom(in)
		return nil
	})
	sg := saga.New("test/panic-saga", func(s *saga.Run, in string) error {
		if err := s.Do(jot.On("n", 1), burn.On("n")); err != nil { // its compensation takes the note away
			return err
		}
		if in == "operation" {
			return s.Do(jotPanic.On("n", 2), saga.NoUndo)
		}
		boom(in)
		return nil
	})
	for _, c := range []struct {
		name  string
		r     functions.Request
		text  string
		stack string
		gone  bool
	}{
		{"operation", jotPanic.On("n", 1), "ouch", "kit_test.go", false},
		{"body of a transaction", tx.With("body"), "boom in body", "input_test.go", false},
		{"operation in a transaction", tx.With("operation"), "ouch", "kit_test.go", false},
		{"body of a saga", sg.With("body"), "boom in body", "input_test.go", true},
		{"operation in a saga", sg.With("operation"), "ouch", "kit_test.go", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log logLines
			o := engine.Options{Dir: t.TempDir(), Logger: log.logger()}
			e := open(t, o, notes, tx, sg)
			must(t, e.Do(ctx, newNote.On("n", 0)))
			must(t, e.Do(ctx, jot.On("n", 0)))
			wantErr(t, e.Do(ctx, c.r), functions.ErrPanic, c.text)
			if log.line("panicked", c.text, c.stack) == "" {
				t.Errorf("the log has no stack: %s", log.String())
			}
			if n := strings.Count(log.String(), "panicked"); n != 1 {
				t.Errorf("the panic is in the log %d times", n)
			}
			for range 2 {
				if ask(t, e, notes.Exists("n")) == c.gone {
					t.Errorf("the note exists: %v", !c.gone)
				} else if !c.gone {
					if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{0}) {
						t.Errorf("the panic left %v", got)
					}
				}
				e = reopen(t, e, o, notes, tx, sg)
			}
		})
	}
}
