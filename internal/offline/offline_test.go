package offline_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/offline"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
)

const errNever functions.Failure = "test: it cannot be undone"

// Boxes hold a number; they can tell of it, remind each other of it, and refuse to be emptied.
var (
	wire  = functions.NewEgress[int]("wire")
	boxes = functions.NewType[int]("test/box")
	lids  = functions.NewType[string]("test/lid")
	put   = functions.Upsert(boxes, "put", func(_ *functions.Ctx, box *int, n int) error { *box = n; return nil })
	tell  = functions.Upsert(boxes, "tell", func(ctx *functions.Ctx, _ *int, n int) error {
		ctx.Emit(wire.Record(ctx.Self().ID, n))
		return nil
	})
	remind = functions.Upsert(boxes, "remind", func(ctx *functions.Ctx, _ *int, n int) error {
		ctx.SendAfter(time.Duration(n)*time.Hour, put.On(ctx.Self().ID, n))
		return nil
	})
	refuse = functions.Upsert(boxes, "refuse", func(*functions.Ctx, *int, int) error { return errNever })
	cover  = functions.Upsert(lids, "cover", func(_ *functions.Ctx, lid *string, with string) error { *lid = with; return nil })
	wait   = saga.New("test/wait", func(s *saga.Run, n int) error {
		return errors.Join(s.Do(put.On("waits", n), put.On("waits", 0)), s.Sleep(time.Hour))
	})
	stick = saga.New("test/stick", func(s *saga.Run, n int) error {
		if err := s.Do(put.On("sticks", n), refuse.On("sticks", n)); err != nil {
			return err
		}
		return s.Do(refuse.On("sticks", n), put.On("sticks", 0))
	})
)

func parts() []functions.Part { return []functions.Part{boxes, lids, wait, stick} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// options are those of an engine whose egress takes three records, cannot take the fourth, and does not come to the fifth.
func options(dir string) engine.Options {
	return engine.Options{
		Dir: dir, Shards: 8, ReserveBytes: -1, MaxUndoTries: 1, Logger: slog.New(slog.DiscardHandler), CloseTimeout: 50 * time.Millisecond,
		Egresses: map[string]engine.Egress{"wire": engine.Callback(func(_ context.Context, r engine.Record) error {
			switch {
			case r.Seq <= 3:
				return nil
			case r.Seq == 4:
				return engine.Refuse(0, errors.New("not to my taste"))
			}
			return errors.New("not now")
		})},
		Ingresses: map[string]engine.Ingress{"mail": mail{}},
	}
}

// mail is an ingress of one record, at position 9.
type mail struct{}

func (mail) Run(_ context.Context, after uint64, deliver func(position uint64, m functions.Message) error) error {
	if after >= 9 {
		return nil
	}
	return deliver(9, put.On("letter", 1))
}

// filled makes a directory, with something of everything, and a copy of it as it was while the engine ran, that has nothing applied that
// was sealed. The engine may be left open.
func filled(t *testing.T) (e *engine.Engine, dir, copied string) {
	t.Helper()
	dir, copied = filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "copy")
	e, err := engine.Open(options(dir), parts()...)
	must(t, err)
	ctx := t.Context()
	for i := range 20 {
		must(t, e.Do(ctx, put.On(fmt.Sprint("box-", i), i).As(fmt.Sprint("put-", i))))
		must(t, e.Do(ctx, cover.On(fmt.Sprint("lid-", i), strings.Repeat("x", 500))))
	}
	for i := range 6 {
		must(t, e.Do(ctx, tell.On("box-1", i)))
	}
	must(t, e.Do(ctx, remind.On("box-2", 5)))
	must(t, e.Do(ctx, remind.On("box-3", 3)))
	_, err = e.Submit(wait.As("waiting", 1))
	must(t, err)
	if err := e.Do(ctx, stick.As("sticking", 1)); !errors.Is(err, saga.ErrStuck) {
		t.Fatalf("the saga that is to be stuck: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		parked, err := e.ParkedRecords(ctx, "wire")
		must(t, err)
		all, err := e.Sagas(ctx)
		must(t, err)
		if len(parked) == 1 && len(all) == 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are %d parked records and %d sagas", len(parked), len(all))
		}
	}
	must(t, e.Do(ctx, put.On("box-0", 0))) // what is seen by now is sealed
	must(t, os.CopyFS(copied, os.DirFS(dir)))
	return e, dir, copied
}

// hashes are the names below a directory with the hashes of what they hold.
func hashes(t *testing.T, dir string) (all []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			all = append(all, path)
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, fmt.Sprintf("%s %x", path, sha256.Sum256(data)))
		return err
	}))
	return all
}

// TestInspect: the report says what there is, of a directory whose process has died, of a backup and of one that was closed; nothing in
// any of them is changed.
func TestInspect(t *testing.T) {
	e, dir, died := filled(t)
	backup := filepath.Join(t.TempDir(), "backup")
	must(t, e.Backup(t.Context(), backup))
	_ = e.Close() // it tells of records that were not delivered
	behind := map[string]bool{died: true, backup: true}
	for _, dir := range []string{died, backup, dir} {
		before := hashes(t, dir)
		r, err := offline.Inspect(t.Context(), offline.Options{Dir: dir})
		must(t, err)
		v, err := offline.Verify(t.Context(), offline.Options{Dir: dir})
		must(t, err)
		if after := hashes(t, dir); !slices.Equal(before, after) {
			t.Errorf("it changed %q to %q", before, after)
		}
		if v.Damaged != 0 || v.Entries == 0 || v.Files == 0 || v.Rows == 0 {
			t.Errorf("nothing is damaged, and it finds %+v", v)
		}
		if r.Format != format.Version || r.Shards != 8 || len(r.ID) != 16 || r.Epochs < 40 || r.Sealed == "" {
			t.Errorf("the report begins with %+v", r)
		}
		if (r.Log.Behind > 40) != behind[dir] || r.Log.Last < 40 || r.Table.Files == 0 || r.Table.Bytes == 0 {
			t.Errorf("the log has %+v, the table %+v", r.Log, r.Table)
		}
		rows := map[string]int64{}
		for _, c := range append(r.Rows, r.Instances...) {
			if rows[c.Name] = c.Rows; c.Bytes < 3*c.Rows {
				t.Errorf("%d rows of %s have %d bytes", c.Rows, c.Name, c.Bytes)
			}
		}
		for name, want := range map[string]int64{
			"test/box": 23, "test/lid": 20, "instances": 43, "outcomes": 20, "timers": 2, "runs": 2, "parked records": 1,
			"ingress positions": 1, "format": 1, "watermark": 1,
		} {
			if rows[name] != want {
				t.Errorf("there are %d %s, want %d", rows[name], name, want)
			}
		}
		due, err := time.Parse(time.RFC3339Nano, r.Timers.Earliest)
		if left := time.Until(due); err != nil || r.Timers.Count != 2 || left > 3*time.Hour || left < 2*time.Hour {
			t.Errorf("the timers are %+v, %v", r.Timers, err)
		}
		if len(r.Runs) != 2 || len(r.Stuck.Sagas) != 1 {
			t.Fatalf("the runs are %+v, stuck are %+v", r.Runs, r.Stuck)
		}
		stuck, waits, saga := r.Runs[0], r.Runs[1], r.Stuck.Sagas[0]
		if stuck.Function != "test/stick" || stuck.Runs != 1 || stuck.Stuck != 1 || stuck.Oldest == waits.Oldest {
			t.Errorf("the runs are %+v", r.Runs)
		}
		if waits != (offline.Runs{Function: "test/wait", Runs: 1, Journals: 1, Oldest: waits.Oldest}) || waits.Oldest == 0 {
			t.Errorf("the runs are %+v", r.Runs)
		}
		if saga.RequestID != "sticking" || saga.ID != stuck.Oldest || r.Stuck.Count != 1 || !strings.Contains(saga.Failure, "cannot be undone") {
			t.Errorf("stuck are %+v", r.Stuck)
		}
		if len(r.Egresses) != 1 || r.Egresses[0].Last != 6 || r.Egresses[0].Parked != 1 || r.Egresses[0].Waiting < 2 {
			t.Errorf("the egresses are %+v", r.Egresses)
		}
		if len(r.Ingresses) != 1 || r.Ingresses[0] != (offline.Ingress{Name: "mail", Position: 9}) {
			t.Errorf("the ingresses are %+v", r.Ingresses)
		}
	}
}

// TestOtherDirectories: what is no directory of an engine's data that nobody has open is told as what it is, and stays as it is.
func TestOtherDirectories(t *testing.T) {
	e, used, copied := filled(t)
	file, empty, foreign := filepath.Join(t.TempDir(), "file"), t.TempDir(), t.TempDir()
	must(t, os.WriteFile(file, nil, 0o644))
	db, err := pebble.Open(foreign, &pebble.Options{})
	must(t, err)
	must(t, errors.Join(db.Set([]byte("a"), nil, nil), db.Close()))
	unfinished, part := filepath.Join(t.TempDir(), "unfinished"), filepath.Join(t.TempDir(), "part")
	for _, dir := range []string{unfinished, part} {
		must(t, os.CopyFS(dir, os.DirFS(copied)))
	}
	must(t, os.WriteFile(filepath.Join(unfinished, store.UnfinishedName), nil, 0o644))
	markers, err := filepath.Glob(filepath.Join(part, "marker.manifest*"))
	must(t, err)
	must(t, os.Remove(markers[0]))
	newer := filepath.Join(t.TempDir(), "newer")
	must(t, os.CopyFS(newer, os.DirFS(copied)))
	setRow(t, newer, format.Prefix(nil, format.NodeShard, format.KindFormat), format.Format{Version: format.Version + 1, Shards: 8})
	for _, c := range []struct {
		dir  string
		is   error
		want string
	}{
		{filepath.Join(empty, "missing"), fs.ErrNotExist, "missing"},
		{file, nil, "not a directory"},
		{empty, offline.ErrFormat, "not Concordat's"},
		{foreign, offline.ErrFormat, "not Concordat's"},
		{used, store.ErrInUse, used},
		{unfinished, store.ErrUnfinished, unfinished},
		{part, store.ErrPart, "part of a store only"},
		{newer, offline.ErrFormat, fmt.Sprint("version ", format.Version+1)},
	} {
		_, inspected := offline.Inspect(t.Context(), offline.Options{Dir: c.dir})
		_, verified := offline.Verify(t.Context(), offline.Options{Dir: c.dir})
		for _, err := range []error{inspected, verified} {
			if err == nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %v, %q", c.dir, err, c.is, c.want)
			}
		}
	}
	must(t, e.Do(t.Context(), put.On("box-0", 1))) // the directory that is in use is still its engine's
	if _, err := engine.Open(options(used), parts()...); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("a second engine opens it with %v", err)
	}
	_ = e.Close()
}

// setRow writes a row into the store of a directory.
func setRow(t *testing.T, dir string, key []byte, value any) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir, NoLog: true, Fatal: func(err error) { t.Error(err) }})
	must(t, err)
	data, isData := value.([]byte)
	if !isData {
		data, err = values.Encode(value)
		must(t, err)
	}
	b := s.NewBatch()
	b.Set(key, data)
	must(t, errors.Join(b.Seal(), s.Flush(), s.Close()))
}

// flip changes a byte of a file.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	data[at] ^= 0x10
	must(t, os.WriteFile(path, data, 0o644))
}

func filesOf(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	must(t, err)
	if len(paths) == 0 {
		t.Fatalf("there is no %s", pattern)
	}
	return paths
}

// TestVerifyFindsDamage: a flipped byte of any entry or table file, a missing segment and a missing table are told with file and place,
// several of them all, and what is behind them is read.
func TestVerifyFindsDamage(t *testing.T) {
	e, dir, died := filled(t)
	_ = e.Close()
	whole, err := offline.Verify(t.Context(), offline.Options{Dir: died})
	must(t, err)
	copyOf := func(of string) string {
		dir := filepath.Join(t.TempDir(), "copy")
		must(t, os.CopyFS(dir, os.DirFS(of)))
		return dir
	}
	damage := func(dir string) (v offline.Verification, text string) {
		v, err := offline.Verify(t.Context(), offline.Options{Dir: dir})
		must(t, err)
		out, err := json.Marshal(v.Damage)
		must(t, err)
		return v, string(out)
	}
	log := func(dir string) string { return filesOf(t, filepath.Join(dir, "log", "*.log"))[0] }
	end := logEnd(t, log(died))
	for at := 0; at < end; at += racedetector.Fewer(97, 997) {
		dir := copyOf(died)
		flip(t, log(dir), at)
		v, text := damage(dir)
		if v.Damaged == 0 || !strings.Contains(text, log(dir)) || v.Entries < whole.Entries-1 {
			t.Errorf("byte %d of the log: %d of %d entries are read, %s", at, v.Entries, whole.Entries, text)
		}
		if _, err := offline.Inspect(t.Context(), offline.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("byte %d of the log: inspected with %v", at, err)
		}
	}
	two := copyOf(died)
	flip(t, log(two), end/3)
	flip(t, log(two), 2*end/3)
	if v, text := damage(two); v.Damaged < 2 || v.Entries != whole.Entries-2 {
		t.Errorf("two bytes of the log: %d of %d entries are read, %s", v.Entries, whole.Entries, text)
	}
	for _, table := range filesOf(t, filepath.Join(dir, "*.sst")) {
		info, err := os.Stat(table)
		must(t, err)
		for at := 0; at < int(info.Size()); at += 1 + int(info.Size())/20 {
			dir := copyOf(dir)
			flip(t, filepath.Join(dir, filepath.Base(table)), at)
			if v, text := damage(dir); v.Damaged == 0 || !strings.Contains(text, filepath.Base(table)) {
				t.Errorf("byte %d of %s: %s", at, table, text)
			}
		}
	}
	for _, pattern := range []string{"*.sst", "log/*.log", "MANIFEST-*"} {
		dir := copyOf(dir)
		paths := filesOf(t, filepath.Join(dir, pattern))
		gone := slices.DeleteFunc(paths, func(path string) bool { return strings.HasSuffix(path, ".synced") })
		gone = gone[len(gone)-1:]
		must(t, os.Remove(gone[0]))
		if v, text := damage(dir); v.Damaged == 0 {
			t.Errorf("without %s: %s", gone[0], text)
		}
	}
}

// logEnd is where the entries of a segment end: what is behind them is zero.
func logEnd(t *testing.T, path string) int {
	data, err := os.ReadFile(path)
	must(t, err)
	return len(strings.TrimRight(string(data), "\x00"))
}

// TestVerifyFindsBadRows: rows that cannot be, in files whose sums are right, are told by their keys, all of them.
func TestVerifyFindsBadRows(t *testing.T) {
	e, dir, _ := filled(t)
	_ = e.Close()
	shard := format.InstanceShard(format.NameHash("test/box"), "x", 8)
	bad := map[string]any{
		string(format.InstanceKey(nil, (shard+1)%8, "test/box", "x")):                   1,
		string(format.InstanceKey(nil, shard, "test/box", "x")):                         []byte{0xff},
		string(format.Prefix(nil, shard, format.KindInstance)) + "nothing":              1,
		string(format.Prefix(nil, shard, 'x')):                                          1,
		string(format.Prefix(nil, 8, format.KindInstance)) + "test/box\x00x":            1,
		string(format.TimerKey(nil, shard, 1, 1)):                                       []byte{0xff},
		string(format.TimerKey(nil, shard, 1, 2)) + "x":                                 format.Timer{},
		string(format.NumberedKey(nil, shard, format.KindMessage, 5)):                   []byte("no message"),
		string(format.NumberedKey(nil, shard, format.KindCoordinator, 5)):               []byte{},
		string(format.JournalKey(nil, shard, 77)):                                       format.JournalHead{},
		string(format.StartsKey(format.NumberedKey(nil, shard, format.KindMessage, 7))): format.Starts{Starts: 2},
		string(format.OutcomeIn(nil, 1, shard, format.Request{ID: "x"})):                []byte("short"),
		string(format.EgressKey(nil, "wire", 99)):                                       []byte{1},
		string(format.Prefix(nil, format.NodeShard, format.KindEgress)) + "x":           format.Record{},
		string(format.ParkedKey(nil, "wire", 99)):                                       []byte{1},
		string(format.IngressKey(nil, "letters")):                                       "nine",
		string(format.Prefix(nil, format.NodeShard, 'x')):                               1,
		"a": 1,
	}
	for key, value := range bad {
		setRow(t, dir, []byte(key), value)
	}
	v, err := offline.Verify(t.Context(), offline.Options{Dir: dir})
	must(t, err)
	if int(v.Damaged) != len(bad) {
		t.Errorf("%d rows are bad, and %d damaged", len(bad), v.Damaged)
	}
	for key := range bad {
		if !slices.ContainsFunc(v.Damage, func(d offline.Damage) bool { return d.Key == fmt.Sprintf("%q", key) }) {
			t.Errorf("it does not tell of %q", key)
		}
	}
	for _, d := range v.Damage {
		t.Log(d)
	}
	if _, err := offline.Inspect(t.Context(), offline.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("inspected with %v", err)
	}
}

// TestEndedContexts: whoever does not wait for the end is told that.
func TestEndedContexts(t *testing.T) {
	e, dir, _ := filled(t)
	_ = e.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	_, inspected := offline.Inspect(ctx, offline.Options{Dir: dir})
	_, verified := offline.Verify(ctx, offline.Options{Dir: dir})
	if !errors.Is(inspected, enough) || !errors.Is(verified, enough) {
		t.Errorf("inspected with %v, verified with %v", inspected, verified)
	}
}
