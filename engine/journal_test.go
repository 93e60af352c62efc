package engine_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/saga"
)

// reached is how many steps the longest stroll has made since somebody has set it to 0.
var reached atomic.Int64

// strollSaga takes desk a and takes a nap, so many times, and then fails if it is told to.
type stroll struct {
	Steps int
	Note  string
	Fail  bool
	Undo  bool
	Nap   time.Duration
}

var strollSaga = saga.New("test/stroll", func(s *saga.Run, a stroll) error {
	undo := saga.NoUndo
	if a.Undo {
		undo = give.On("a", 1)
	}
	for i := range int64(a.Steps) {
		reached.Store(max(reached.Load(), i))
		if err := s.Do(take.On("a", 1), undo); err != nil {
			return err
		}
		if err := s.Sleep(a.Nap); err != nil {
			return err
		}
	}
	if a.Fail {
		return errRude
	}
	return nil
})

func openStroll(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	e := open(t, o, notes, desks, strollSaga)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	return e
}

// TestJournalsAreWrittenByEntry: what a step of a saga costs on the disk does not depend on how many went before, nor on the size of the
// saga's input, which is written once; also while it is undone. When it is over nothing of it is left.
func TestJournalsAreWrittenByEntry(t *testing.T) {
	var written atomic.Int64
	clock := newPassingClock()
	o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: clock, Stepped: true}} // so each step has an epoch of its own
	o.Seams.Log = seams.Over(func(_ uint64, b *table.Batch, write func() error) error { written.Add(int64(b.Len())); return write() })
	e := open(t, o, notes, desks, strollSaga)
	do := func(r functions.Request) error {
		p, err := e.Submit(r)
		must(t, err)
		for !p.Done() {
			if !e.Step(func(int) int { return 0 }) {
				clock.pass(time.Millisecond)
			}
		}
		return p.Wait(ctx)
	}
	must(t, do(newDesk.On("a", false)))
	perStep := func(a stroll) float64 {
		a.Nap = time.Millisecond
		written.Store(0)
		if err := do(strollSaga.With(a)); err != nil != a.Fail {
			t.Fatal(err)
		}
		return float64(written.Load()) / float64(a.Steps)
	}
	few, many := perStep(stroll{Steps: 50, Undo: true, Fail: true}), perStep(stroll{Steps: 800, Undo: true, Fail: true})
	if few < 50 || many > 1.5*few {
		t.Errorf("a step of 50 takes %.0f bytes, one of 800 takes %.0f", few, many)
	}
	if large := perStep(stroll{Steps: 800, Note: strings.Repeat("x", 100_000)}); large > many+2*100_000/800 {
		t.Errorf("a step of 800 takes %.0f bytes, with an input of 100,000 bytes %.0f", many, large)
	}
	t.Logf("%.0f and %.0f bytes a step", few, many)
	must(t, e.Close())
	for key := range rowsOf(t, o.Dir) {
		if kind := key[2]; kind == format.KindCoordinator || kind == format.KindJournal {
			t.Errorf("the row %q is left", key)
		}
	}
}

// rowsOf reads all rows of a directory that no engine has open.
func rowsOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	s, err := openRows(t, dir)
	must(t, err)
	rows := map[string][]byte{}
	must(t, s.Scan(nil, nil, func(key, value []byte) error { rows[string(key)] = bytes.Clone(value); return nil }))
	must(t, s.Close())
	return rows
}

// TestLongSagaOverARestart: a saga with thousands of steps goes on after a restart in the midst, makes and undoes each step once, and
// leaves no rows. How far it is is told by what its body has reached: that only grows, so that it does not matter when the test looks.
func TestLongSagaOverARestart(t *testing.T) {
	reached.Store(0)
	dir := t.TempDir()
	o := engine.Options{Dir: dir}
	e := openStroll(t, o)
	long := strollSaga.As("long", stroll{Steps: 3000, Undo: true, Fail: true, Nap: 10 * time.Microsecond})
	_, err := e.Submit(long)
	must(t, err)
	for _, part := range []int64{200, 1500, 2500} {
		eventually(t, "it is so far", func() bool { return reached.Load() >= part })
		e = reopen(t, e, o, notes, desks, strollSaga)
	}
	wantErr(t, e.Do(ctx, long), errRude)
	if n := ask(t, e, taken.On("a")); n != 0 {
		t.Errorf("%d steps are not undone, or too many", n)
	}
	must(t, e.Close())
	for key := range rowsOf(t, dir) {
		if key[2] == format.KindJournal {
			t.Errorf("the row %q is left", key)
		}
	}
}

// TestJournalBound: a saga that needs more than Options.MaxJournalBytes fails with an error that says so, and is undone.
func TestJournalBound(t *testing.T) {
	e := openStroll(t, engine.Options{MaxJournalBytes: 100_000})
	must(t, e.Do(ctx, strollSaga.With(stroll{Steps: 200, Undo: true})))
	wantErr(t, e.Do(ctx, strollSaga.With(stroll{Steps: 2000, Undo: true})), functions.ErrTooLarge, "100000", "MaxJournalBytes")
	if n := ask(t, e, taken.On("a")); n != 200 {
		t.Errorf("the desk holds %d, want 200", n)
	}
	noSagas(t, e)
}

// TestListsAreBounded: of a saga with many steps the list shows those up to where it is; a stuck one names a few of the compensations
// that fail, in its error and in the list.
func TestListsAreBounded(t *testing.T) {
	many := saga.New("test/many", func(s *saga.Run, at int) error {
		steps := make([]saga.Step, 300)
		for i := range steps {
			steps[i] = saga.Step{Do: take.On("a", 1), Undo: give.On("a", 1)}
			if i >= at {
				steps[i].Undo = saga.NoUndo
			}
		}
		if err := s.All(steps...); err != nil {
			return err
		}
		return errRude
	})
	e := open(t, engine.Options{MaxUndoTries: 1, Logger: new(logLines).logger()}, notes, desks, many)
	must(t, e.Do(ctx, newDesk.On("a", true)))
	err := e.Do(ctx, many.With(200))
	wantErr(t, err, saga.ErrStuck, "and 190 more")
	if len(err.Error()) > 4000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	info := theSaga(t, e, "stuck")
	if len(info.Steps) != engine.MaxListedSteps || info.StepCount != 300 || info.FirstStep != 100 || info.Steps[99].Tries != 1 {
		t.Errorf("%d steps from %d of %d, the last %+v", len(info.Steps), info.FirstStep, info.StepCount, info.Steps[99])
	}
	must(t, e.DecideSaga(ctx, info.ID, saga.MarkDone))
	noSagas(t, e)
}

// TestManySagasAreListed: a list that is made in portions has each saga once, in order.
func TestManySagasAreListed(t *testing.T) {
	e := openErrands(t, engine.Options{Workers: 2})
	for i := range 700 {
		_, err := e.Submit(errandSaga.As(fmt.Sprint(i), errand{Wait: time.Hour}))
		must(t, err)
	}
	var all []engine.SagaInfo
	eventually(t, "all are listed", func() (done bool) {
		var err error
		all, err = e.Sagas(ctx)
		must(t, err)
		return len(all) == 700
	})
	if !slices.IsSortedFunc(all, func(a, b engine.SagaInfo) int { return int(a.ID) - int(b.ID) }) {
		t.Error("not in order")
	}
	ids := map[string]bool{}
	for _, info := range all {
		ids[info.RequestID] = true
	}
	if len(ids) != 700 {
		t.Errorf("%d sagas of 700", len(ids))
	}
}

// TestDirectoryOfVersion1: sagas that an engine of format version 1 left, with the whole journal in one row each, go on: one that slept
// and one that is stuck. From then on the directory is of this version.
func TestDirectoryOfVersion1(t *testing.T) {
	dir := t.TempDir()
	writeRows(t, dir, "testdata/rows-1.txt")
	clock := newHandClock()
	o := engine.Options{Dir: dir, Logger: new(logLines).logger(), MaxUndoTries: 1}
	o.Seams.Clock = clock
	e := open(t, o, errandParts()...)
	wantTaken(t, e, 4, 3, 2)
	all, err := e.Sagas(ctx)
	must(t, err)
	if len(all) != 2 || all[0].Phase != "running" || all[1].Phase != "stuck" || len(all[0].Steps) != 4 || all[1].Steps[1].Tries != 1 {
		t.Fatalf("sagas %+v", all)
	}
	e = reopen(t, e, o, errandParts()...)
	must(t, e.Do(ctx, stubborn.On("c", false)))
	must(t, e.DecideSaga(ctx, all[1].ID, saga.Retry))
	err = e.Do(ctx, errandSaga.As("stuck", errand{Desks: []string{"b", "c"}, Wait: time.Millisecond, Fail: true}))
	wantErr(t, err, errRude)
	e = reopen(t, e, o, errandParts()...)
	wantTaken(t, e, 4, 2, 0)
	clock.move(365 * 24 * time.Hour)
	must(t, e.Do(ctx, errandSaga.As("sleeps", errand{Desks: []string{"a", "b", "a"}, Wait: 24 * time.Hour})))
	wantTaken(t, e, 4, 2, 0)
	must(t, e.Close())
	rows := rowsOf(t, dir)
	for key := range rows {
		if key[2] == format.KindJournal || key[2] == format.KindCoordinator {
			t.Errorf("the row %q is left", key)
		}
	}
	var row format.Format
	must(t, codec.Decode(rows[string(format.Prefix(nil, format.NodeShard, format.KindFormat))], &row))
	if row.Version != format.Version {
		t.Errorf("the format is %v", row)
	}
}

// TestDirectoryOfVersion4: what an engine of format version 4 left when it was killed, some of it in Pebble's own log, is all there; what
// somebody asks for again under its id is not done again, and the saga that slept goes on. From then on the directory is of this version.
func TestDirectoryOfVersion4(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "testdata/version-4.tar.gz", dir)
	clock, said := newHandClock(), new(logLines)
	o := engine.Options{Dir: dir, MemTableBytes: 64 << 10, Logger: said.logger(), KeepOutcomes: -1}
	o.Seams.Clock = clock
	e := open(t, o, requestParts()...)
	if said.line("newer format", "was=4") == "" {
		t.Errorf("that the directory was raised is not said: %s", said)
	}
	check := func() {
		t.Helper()
		for i := range 20 {
			if got := ask(t, e, lines.On(fmt.Sprint(i))); !slices.Equal(got, []int{i, i + 1}) {
				t.Errorf("note %d has %v", i, got)
			}
			must(t, e.Do(ctx, take.On("a", 1).As(fmt.Sprint("id-", i))))
			must(t, e.Do(ctx, take.On("a", 1).As(fmt.Sprint("more-", i))))
		}
		wantErr(t, e.Do(ctx, take.On("missing", 1).As("failed")), functions.ErrNotFound)
		if n := ask(t, e, taken.On("a")); n != 41 { // one of them by the saga
			t.Errorf("it was taken %d times, want 41", n)
		}
	}
	check()
	e = reopen(t, e, o, requestParts()...)
	check()
	clock.move(365 * 24 * time.Hour)
	must(t, e.Do(ctx, errandSaga.As("sleeps", errand{Desks: []string{"a"}, Wait: 24 * time.Hour})))
	check()
	noSagas(t, e)
}

// unpack unpacks a directory.
func unpack(t *testing.T, path, dir string) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	must(t, err)
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		must(t, err)
		data, err := io.ReadAll(files)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, header.Name), data, 0o600))
	}
}

// writeRows makes a directory with the rows in a file: a line for each, key and value in hexadecimal.
func writeRows(t *testing.T, dir, path string) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	s, err := openRows(t, dir)
	must(t, err)
	batch := new(table.Batch)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var key, value []byte
		if _, err := fmt.Sscanf(lines.Text(), "%x %x", &key, &value); err != nil {
			t.Fatal(err)
		}
		batch.Set(key, value)
	}
	must(t, s.Seal(batch))
	must(t, s.Close())
}

// TestDamagedJournals: rows of journals that cannot be are found when the directory is opened.
func TestDamagedJournals(t *testing.T) {
	dir := t.TempDir()
	e := openErrands(t, engine.Options{Dir: dir})
	_, err := e.Submit(errandSaga.As("s", errand{Desks: []string{"a", "b"}, Wait: time.Hour}))
	must(t, err)
	theSaga(t, e, "running")
	must(t, e.Close())
	rows := rowsOf(t, dir)
	var run string
	entries := make([]string, 0, 3)
	for key := range rows {
		switch key[2] {
		case format.KindCoordinator:
			run = key
		case format.KindJournal:
			entries = append(entries, key)
		}
	}
	slices.Sort(entries)
	if len(entries) != 3 || run == "" {
		t.Fatalf("the journal has the rows %q, the run %q", entries, run)
	}
	for name, change := range map[string]func(b *table.Batch){
		"an entry is missing":     func(b *table.Batch) { b.Delete([]byte(entries[1])) },
		"an entry is no entry":    func(b *table.Batch) { b.Set([]byte(entries[1]), []byte{0xff}) },
		"the run is missing":      func(b *table.Batch) { b.Delete([]byte(run)) },
		"a head is no head":       func(b *table.Batch) { b.Set([]byte(entries[0][:11]), []byte{1}) },
		"it is over":              func(b *table.Batch) { b.Set([]byte(entries[0][:11]), []byte{0xa2, 1, 3, 4, 0xa0}) },
		"a key is none":           func(b *table.Batch) { b.Set([]byte(entries[0]+"x"), rows[entries[0]]) },
		"a key has another shard": func(b *table.Batch) { b.Set([]byte("\x00\x3f"+entries[0][2:]), rows[entries[0]]) },
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			s, err := openRows(t, copied)
			must(t, err)
			b := new(table.Batch)
			for key, value := range rows {
				b.Set([]byte(key), value)
			}
			change(b)
			must(t, errors.Join(s.Seal(b), s.Close()))
			refuses(t, engine.Options{Dir: copied}, engine.ErrDamaged, errandParts())
		})
	}
}

// openRows opens the rows of a directory that no engine has open.
func openRows(t *testing.T, dir string) (*table.Table, error) {
	return table.Open(table.Options{
		Dir: dir, Position: format.Prefix(nil, format.NodeShard, format.KindPosition), Fatal: func(err error) { t.Error(err) },
	})
}
