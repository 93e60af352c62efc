package log_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/racedetector"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small are options for many segments.
func small(fs vfs.FS, dir string) log.Options {
	return log.Options{Dir: dir, FS: fs, ID: 7, SegmentBytes: 4 << 10}
}

// model is what a log should have.
type model struct {
	entries []log.Entry // acknowledged
	trying  []log.Entry // of an append that was not
	from    uint64      // of a DeleteBack that was not acknowledged; 0 if there is none
	below   uint64      // of a DeleteFront that was not acknowledged; 0 if there is none
}

// check reports what a log has that it should not, or not what it should. What was being appended may be there as far as it got.
func (m *model) check(l *log.Log) error {
	first, last := l.First(), l.Last()
	want := append(slices.Clone(m.entries), m.trying...)
	atLeast := uint64(0) // the last is this or greater
	if n := len(m.entries); n > 0 {
		atLeast = m.entries[n-1].Index
	}
	if m.from != 0 {
		if atLeast = m.from - 1; m.from == m.entries[0].Index {
			atLeast = 0
		}
	}
	switch {
	case last == 0 && (atLeast == 0 || atLeast < m.below):
		m.entries = nil
		return nil
	case last == 0:
		return fmt.Errorf("it is empty, want entries up to %d", atLeast)
	case last < atLeast:
		return fmt.Errorf("the last is %d, want %d", last, atLeast)
	case first != want[0].Index && first != m.below:
		return fmt.Errorf("the first is %d, want %d, or %d if those below were deleted", first, want[0].Index, m.below)
	}
	if m.from != 0 && last != m.from-1 && last != m.entries[len(m.entries)-1].Index {
		return fmt.Errorf("the last is %d while those from %d on were deleted", last, m.from)
	}
	for index := first; index <= last; index++ {
		got, err := l.Read(index, nil)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(want, func(e log.Entry) bool { return e.Index == index })
		if i < 0 || got.Term != want[i].Term || !bytes.Equal(got.Data, want[i].Data) {
			return fmt.Errorf("entry %d is term %d, %d bytes, and was never appended so", index, got.Term, len(got.Data))
		}
	}
	m.entries = want[slices.IndexFunc(want, func(e log.Entry) bool { return e.Index == first }):]
	m.entries = m.entries[:last-first+1]
	return nil
}

// next makes entries to follow those of the model.
func (m *model) next(rng *rand.Rand) (entries []log.Entry) {
	index, term := 1+rng.Uint64N(3)*1000, uint64(1)
	if n := len(m.entries); n > 0 {
		index, term = m.entries[n-1].Index+1, m.entries[n-1].Term
	}
	for range 1 + rng.IntN(4)*rng.IntN(2) {
		size := rng.IntN(600)
		if rng.IntN(20) == 0 {
			size = rng.IntN(9000)
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		term += uint64(rng.IntN(10) / 9)
		entries = append(entries, log.Entry{Index: index, Term: term, Data: data})
		index++
	}
	return entries
}

// inParts is entries, some of them in parts.
func inParts(entries []log.Entry, rng *rand.Rand) []log.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		for len(e.Data) > 0 && rng.IntN(3) == 0 {
			at := rng.IntN(len(e.Data) + 1)
			e.Data, e.More = e.Data[:at], slices.Insert(e.More, 0, e.Data[at:])
		}
	}
	return entries
}

// act does something to a log and the model.
func (m *model) act(l *log.Log, rng *rand.Rand) error {
	n := len(m.entries)
	switch what := rng.IntN(12); {
	case what == 0 && n > 0:
		m.below = m.entries[rng.IntN(n)].Index + uint64(rng.IntN(2))
		if err := l.DeleteFront(m.below); err != nil {
			return err
		}
		m.entries = m.entries[m.below-m.entries[0].Index:]
		m.below = 0
		return m.check(l)
	case what == 1 && n > 0:
		m.from = m.entries[n-1-rng.IntN(min(n, 12))].Index
		if rng.IntN(8) == 0 {
			m.from = m.entries[0].Index
		}
		if err := l.DeleteBack(m.from); err != nil {
			return err
		}
		m.entries = m.entries[:m.from-m.entries[0].Index]
		m.from = 0
		return nil
	}
	m.trying = m.next(rng)
	if err := l.Append(inParts(m.trying, rng)...); err != nil {
		return err
	}
	m.entries, m.trying = append(m.entries, m.trying...), nil
	return nil
}

// onlyRead reads and verifies a log on a disk where nothing may change.
func onlyRead(disk *sim.Disk) (first, last uint64, err error) {
	disk.OnOp = func(op sim.Op) error { return fmt.Errorf("it does this: %v", op) }
	o := small(disk, "")
	o.ReadOnly = true
	l, err := log.Open(o)
	if err != nil {
		return 0, 0, err
	}
	first, last = l.First(), l.Last()
	for i := first; i != 0 && i <= last && err == nil; i++ {
		_, err = l.Read(i, nil)
	}
	if appended := l.Append(log.Entry{Index: last + 1}); !errors.Is(appended, log.ErrReadOnly) {
		err = errors.Join(err, fmt.Errorf("it is written to: %w", appended))
	}
	v, verified := log.Verify(o, func(log.Entry) error { return nil }, func(d log.Damage) { err = errors.Join(err, errors.New(d.String())) })
	if v.First != first || v.Last != last || (last > 0 && v.Entries != last-first+1) {
		err = errors.Join(err, fmt.Errorf("verified are %+v, read the entries %d to %d", v, first, last))
	}
	return first, last, errors.Join(err, verified, l.Close())
}

// verify reads a log, and returns which entries are whole, and where it is damaged.
func verify(t *testing.T, dir string) (entries []log.Entry, damage []log.Damage) {
	t.Helper()
	_, err := log.Verify(small(nil, dir), func(e log.Entry) error {
		entries = append(entries, log.Entry{Index: e.Index, Term: e.Term, Data: bytes.Clone(e.Data)})
		return nil
	}, func(d log.Damage) { damage = append(damage, d) })
	must(t, err)
	return entries, damage
}

// TestPowerFailures: after a power failure at any operation of the disk, a log has all that was acknowledged, as it was, and nothing else
// but what was being appended; it opens without an error, and goes on. So it does after the next failure, also one while it is opened.
// Whoever only reads it finds the same, no damage, and changes nothing.
func TestPowerFailures(t *testing.T) {
	for seed := range racedetector.Fewer(uint64(3000), 300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := sim.NewDisk()
		m := &model{}
		for life := range 6 {
			readFirst, readLast, readErr := onlyRead(disk)
			left := 1 + rng.IntN(120)
			errPower := errors.New("power failure")
			disk.OnOp = func(sim.Op) error {
				if left--; left < 0 {
					return errPower
				}
				return nil
			}
			l, err := log.Open(small(disk, ""))
			if err == nil {
				if err := m.check(l); err != nil {
					t.Fatalf("seed %d, life %d: %v", seed, life, err)
				}
				if readErr != nil || readFirst != l.First() || readLast != l.Last() {
					t.Fatalf("seed %d, life %d: only read it had the entries %d to %d, %v, and has %d to %d",
						seed, life, readFirst, readLast, readErr, l.First(), l.Last())
				}
				m.trying, m.from, m.below = nil, 0, 0
				for err == nil {
					if err = m.act(l, rng); err == nil && rng.IntN(60) == 0 {
						break
					}
				}
				closed := l.Close()
				if err == nil && closed == nil && rng.IntN(2) == 0 {
					continue
				}
				err = errors.Join(err, closed)
			}
			if err != nil && !errors.Is(err, errPower) {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			disk.OnOp = nil
			disk = disk.CrashClone([]int{0, 30, 50, 80, 100}[rng.IntN(5)], rng.Uint64())
		}
	}
}

// TestSegmentTwiceBegun: a spare that was to become a segment when the power failed, and again at the next start behind other entries, is
// not taken for what the first time had made of it.
func TestSegmentTwiceBegun(t *testing.T) {
	disk, errPower := sim.NewDisk(), errors.New("power failure")
	l, err := log.Open(small(disk, ""))
	must(t, err)
	index, data := uint64(0), make([]byte, 900)
	add := func(bytes int) error {
		index++
		return l.Append(log.Entry{Index: index, Data: data[:bytes]})
	}
	for range 17 { // four to a segment
		must(t, add(900))
	}
	must(t, l.DeleteFront(9)) // leaves spares
	for range 3 {
		must(t, add(900))
	}
	failAt := func(kind sim.OpKind) {
		failing := false
		disk.OnOp = func(op sim.Op) error {
			if failing = failing || op.Kind == kind; failing {
				return errPower
			}
			return nil
		}
	}
	failAt(sim.OpSyncDir) // the segment has its header, and not its name
	if err := add(900); !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	_ = l.Close() // the disk is gone
	disk.OnOp = nil
	disk = disk.CrashClone(0, 1)
	l, err = log.Open(small(disk, ""))
	must(t, err)
	index = 20
	must(t, add(100)) // which the last segment has room for
	renamed := false
	disk.OnOp = func(op sim.Op) error { // the segment has its name again, or is made anew, and not its header
		if renamed {
			return errPower
		}
		renamed = op.Kind == sim.OpRename || op.Kind == sim.OpCreate
		return nil
	}
	if err := add(900); !errors.Is(err, errPower) {
		t.Fatal(err)
	}
	_ = l.Close()
	disk.OnOp = nil
	disk = disk.CrashClone(100, 1)
	l, err = log.Open(small(disk, ""))
	must(t, err)
	if first, last := l.First(), l.Last(); first != 9 || last != 21 {
		t.Errorf("it has the entries %d to %d, want 9 to 21", first, last)
	}
	index = 21
	must(t, add(900))
	must(t, l.Close())
}

// filled makes a log of some segments in a directory.
func filled(t *testing.T, dir string, n int) (entries []log.Entry) {
	t.Helper()
	l, err := log.Open(small(nil, dir))
	must(t, err)
	m, rng := &model{}, rand.New(rand.NewPCG(9, 9))
	for len(m.entries) < n {
		m.entries = append(m.entries, m.next(rng)...)
	}
	for _, e := range m.entries {
		must(t, l.Append(e))
	}
	must(t, l.Close())
	return m.entries
}

// read opens a log and reads all of it.
func read(dir string) (entries []log.Entry, err error) {
	l, err := log.Open(small(nil, dir))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	for i := l.First(); i != 0 && i <= l.Last(); i++ {
		e, err := l.Read(i, nil)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func sameEntries(a, b []log.Entry) bool {
	return slices.EqualFunc(a, b, func(x, y log.Entry) bool {
		return x.Index == y.Index && x.Term == y.Term && bytes.Equal(x.Data, y.Data)
	})
}

// TestFlippedBytes: each byte of a log that was written is looked at. One that is flipped is an error that names the file, or everything is
// served.
func TestFlippedBytes(t *testing.T) {
	dir := t.TempDir()
	entries := filled(t, dir, 30)
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, file := range files {
		path := filepath.Join(dir, file.Name())
		data, err := os.ReadFile(path)
		must(t, err)
		step := racedetector.Fewer(1, 17)
		found := 0
		for at := 0; at < len(data); at += step {
			damaged := slices.Clone(data)
			damaged[at] ^= 1 << (at % 8)
			must(t, os.WriteFile(path, damaged, 0o644))
			mark := keep(t, dir)
			whole, damage := verify(t, dir)
			got, err := read(dir)
			mark()
			switch isIn := func(e log.Entry) bool {
				return slices.ContainsFunc(entries, func(was log.Entry) bool { return sameEntries([]log.Entry{was}, []log.Entry{e}) })
			}; {
			case (err == nil) != (len(damage) == 0):
				t.Fatalf("%s, a flipped byte at %d: opened with %v, verified %v", file.Name(), at, err, damage)
			case len(whole) < len(entries)-1, slices.ContainsFunc(whole, func(e log.Entry) bool { return !isIn(e) }):
				t.Fatalf("%s, a flipped byte at %d: of %d entries %d are whole", file.Name(), at, len(entries), len(whole))
			case err != nil && damage[0].File != path:
				t.Fatalf("%s, a flipped byte at %d: it is told of %v", file.Name(), at, damage)
			}
			switch {
			case err == nil && !sameEntries(got, entries):
				t.Fatalf("%s: a flipped byte at %d goes unnoticed", file.Name(), at)
			case err != nil && (!errors.Is(err, log.ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(dir))):
				t.Fatalf("%s, a flipped byte at %d: %v", file.Name(), at, err)
			case err != nil:
				found++
			}
		}
		must(t, os.WriteFile(path, data, 0o644))
		if file.Name() != "MARK" && found == 0 {
			t.Errorf("%s: no flipped byte was found", file.Name())
		}
	}
}

// keep returns what puts the files of a directory back as they are.
func keep(t *testing.T, dir string) func() {
	t.Helper()
	was := map[string][]byte{}
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		must(t, err)
		was[f.Name()] = data
	}
	return func() {
		for name, data := range was {
			must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
		}
	}
}

// TestMissingSegments: a segment that is missing, wherever it stood, is an error that says so.
func TestMissingSegments(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 60)
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	must(t, err)
	if len(names) < 4 {
		t.Fatalf("there are only %d segments", len(names))
	}
	for _, gone := range [][]string{names[:1], names[1:2], names[len(names)-1:], names} {
		back := keep(t, dir)
		for _, name := range gone {
			must(t, os.Remove(name))
		}
		if _, damage := verify(t, dir); len(damage) == 0 {
			t.Errorf("without %v nothing is damaged", gone)
		}
		if _, err := read(dir); !errors.Is(err, log.ErrDamaged) {
			t.Errorf("without %v: %v", gone, err)
		}
		back()
	}
	if _, err := log.Open(log.Options{Dir: dir, ID: 8, SegmentBytes: 4 << 10}); !errors.Is(err, log.ErrDamaged) || !strings.Contains(err.Error(), "another log") {
		t.Errorf("the log of another directory: %v", err)
	}
}

// TestOrder: entries that do not follow are refused, and harm nothing.
func TestOrder(t *testing.T) {
	l, err := log.Open(small(vfs.NewMem(), ""))
	must(t, err)
	must(t, l.Append(log.Entry{Index: 5, Term: 2}))
	for _, e := range []log.Entry{{Index: 5, Term: 2}, {Index: 7, Term: 2}, {Index: 6, Term: 1}} {
		if err := l.Append(e); !errors.Is(err, log.ErrOrder) {
			t.Errorf("entry %d of term %d: %v", e.Index, e.Term, err)
		}
	}
	if _, err := l.Read(4, nil); !errors.Is(err, log.ErrNotThere) {
		t.Errorf("entry 4: %v", err)
	}
	must(t, l.Append(log.Entry{Index: 6, Term: 2}, log.Entry{Index: 7, Term: 3}))
	must(t, l.DeleteFront(100))
	if first, last := l.First(), l.Last(); first != 0 || last != 0 {
		t.Errorf("it has entries %d to %d, want none", first, last)
	}
	must(t, l.Append(log.Entry{Index: 101, Term: 3}))
	must(t, l.Close())
}

// TestChain: a frame of another log in the place of one of this, whole and with the right number, is damage: it does not follow what is before
// it.
func TestChain(t *testing.T) {
	var files [2]string
	for i, text := range []string{"one", "two"} {
		dir := t.TempDir()
		l, err := log.Open(small(nil, dir))
		must(t, err)
		must(t, l.Append(log.Entry{Index: 1, Data: []byte(text)}))
		must(t, l.Append(log.Entry{Index: 2, Data: []byte(text)}))
		must(t, l.Close())
		files[i] = filepath.Join(dir, "0000000000000001.log")
	}
	one, err := os.ReadFile(files[0])
	must(t, err)
	two, err := os.ReadFile(files[1])
	must(t, err)
	const second = 48 + 40 + 3
	must(t, os.WriteFile(files[0], append(one[:second], two[second:]...), 0o644))
	must(t, os.Remove(filepath.Join(filepath.Dir(files[0]), "MARK"))) // which would tell, too
	if got, err := read(filepath.Dir(files[0])); !errors.Is(err, log.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprint(" at ", second)) {
		t.Errorf("it has %d entries: %v", len(got), err)
	}
}

// TestUsedAgain: a log that was not closed is read in no time although a segment that was used again is full of what it had before, which may
// be anything.
func TestUsedAgain(t *testing.T) {
	o := log.Options{Dir: t.TempDir(), ID: 7, SegmentBytes: 16 << 20}
	l, err := log.Open(o)
	must(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 1<<20)
	index := uint64(0)
	add := func(bytes int) {
		for at := 0; at < bytes; at += 4 { // each could be the length of an entry
			binary.LittleEndian.PutUint32(data[at:], rng.Uint32N(8<<20))
		}
		index++
		must(t, l.Append(log.Entry{Index: index, Data: data[:bytes]}))
	}
	for range 33 {
		add(len(data))
	}
	must(t, l.DeleteFront(index)) // two segments are kept to be used again
	for range 16 {
		add(len(data))
	}
	if old, err := filepath.Glob(filepath.Join(o.Dir, "*.old")); err != nil || len(old) != 1 {
		t.Fatalf("of two segments that were cut off %d wait to be used again, %v", len(old), err)
	}
	killed := t.TempDir()
	must(t, os.CopyFS(killed, os.DirFS(o.Dir)))
	must(t, l.Close())
	o.Dir = killed
	start := time.Now()
	l, err = log.Open(o)
	must(t, err)
	if took := time.Since(start); took > 10*time.Second { // 0.1 s; hours if each frame that could be one is summed up
		t.Errorf("it takes %v", took)
	}
	if last := l.Last(); last != index {
		t.Errorf("the last entry is %d, want %d", last, index)
	}
	must(t, l.Close())
}

// TestMadeAhead: a log that has its segments made ahead, in the background, has what it would have, also when it is closed while one is
// made, and when it is opened again.
func TestMadeAhead(t *testing.T) {
	o := log.Options{Dir: t.TempDir(), ID: 7, SegmentBytes: 64 << 10, Ahead: true}
	data := make([]byte, 1000)
	last := uint64(0)
	for round := range 5 {
		l, err := log.Open(o)
		must(t, err)
		for index := max(1, l.First()); index <= last; index++ {
			e, err := l.Read(index, nil)
			must(t, err)
			if e.Index != index || len(e.Data) != len(data) || e.Data[0] != byte(index) {
				t.Fatalf("entry %d is %d, %v", index, e.Index, e.Data[:1])
			}
		}
		if l.Last() != last {
			t.Fatalf("the last entry is %d, want %d", l.Last(), last)
		}
		for range 165 { // to the middle of a segment, and a little further
			last++
			data[0] = byte(last)
			must(t, l.Append(log.Entry{Index: last, Data: data}))
		}
		if last > 300 {
			must(t, l.DeleteFront(last-200))
		}
		must(t, l.Close())
		if made, err := filepath.Glob(filepath.Join(o.Dir, "8*.old")); round == 0 && len(made) != 1 {
			t.Errorf("of the segments %d were made ahead, %v", len(made), err)
		}
	}
}
