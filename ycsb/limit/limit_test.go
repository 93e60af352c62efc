package limit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/scratch"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

func open(t testing.TB, o Options) *Limit {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closed(t testing.TB, l *Limit) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, l *Limit, keys int) {
	t.Helper()
	for key := range keys {
		if err := l.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryMix: all kinds of operations at once, with a sum that stays. A directory that was used before is begun anew.
func TestEveryMix(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "below", "d")
	for range 2 {
		l := open(t, Options{Dir: dir, Keys: 30})
		if _, err := l.Balance(t.Context(), 0); !errors.Is(err, functions.ErrNotFound) {
			t.Errorf("a fresh one has a row: %v", err)
		}
		r, err := ycsb.Run(t.Context(), ycsb.Config{
			Keys: 30, Parties: 5, SnapshotKeys: 7, MaxScan: 20, Rollbacks: 0.1,
			Mix:     ycsb.Mix{Read: 0.1, Update: 0.2, Transfer: 0.3, Insert: 0.1, Scan: 0.1, Modify: 0.1, Snapshot: 0.1},
			Driving: ycsb.Driving{Clients: 16, Operations: 3000},
		}, l)
		if err != nil || r.Unknown > 0 || !errors.Is(r.FirstFailure, ycsb.ErrRefused) || len(r.Kinds) != 8 {
			t.Errorf("%+v, %v", r, err)
		}
		for kind, k := range r.Kinds {
			if kind != "transfer" && kind != "all" && k.Failed > 0 {
				t.Errorf("%s: %+v", kind, k.Counts)
			}
		}
		closed(t, l)
	}
}

// TestFailuresChangeNothing.
func TestFailuresChangeNothing(t *testing.T) {
	ctx := t.Context()
	l := open(t, Options{Dir: t.TempDir(), Keys: 3})
	defer closed(t, l)
	load(t, l, 2)
	load(t, l, 2) // are there already
	pay := func(p ycsb.Payment) func() error { return func() error { return l.Pay(ctx, "", p) } }
	transfer := func(t ycsb.Transfer) func() error { return func() error { return l.Transfer(ctx, "", t) } }
	const all = ycsb.OpeningBalance
	for name, test := range map[string]struct {
		do   func() error
		want error
	}{
		"too much":             {transfer(ycsb.Transfer{From: 0, To: 1, Amount: all + 1}), ycsb.ErrInsufficientFunds},
		"refused":              {transfer(ycsb.Transfer{From: 0, To: 1, Amount: 1, Refuse: true}), ycsb.ErrRefused},
		"to nobody":            {transfer(ycsb.Transfer{From: 0, To: 2, Amount: 1}), functions.ErrNotFound},
		"from nobody":          {transfer(ycsb.Transfer{From: 9, To: 0, Amount: 1}), functions.ErrNotFound},
		"pays too much":        {pay(ycsb.Payment{From: 0, To: []int{1, 1}, Amount: all/2 + 1}), ycsb.ErrInsufficientFunds},
		"pays nobody":          {pay(ycsb.Payment{From: 0, To: []int{1, 2}, Amount: 1}), functions.ErrNotFound},
		"nobody pays":          {pay(ycsb.Payment{From: 2, To: []int{1, 0}, Amount: 1}), functions.ErrNotFound},
		"pays what is refused": {pay(ycsb.Payment{From: 0, To: []int{1}, Amount: 1, Refuse: true}), ycsb.ErrRefused},
		"there already":        {func() error { return l.Insert(ctx, "", 1, ycsb.Row{}) }, functions.ErrExists},
		"update of nothing":    {func() error { return l.Update(ctx, "", ycsb.FieldUpdate{Key: 2}) }, functions.ErrNotFound},
		"modify nothing":       {func() error { return l.Modify(ctx, "", ycsb.FieldUpdate{Key: -1}) }, functions.ErrNotFound},
		"overwrite nothing":    {func() error { return l.Overwrite(ctx, "", 2, [ycsb.MaxFields]string{}) }, functions.ErrNotFound},
		"read of nothing":      {func() error { return l.ReadField(ctx, 2, 1) }, functions.ErrNotFound},
		"snapshot of nothing":  {func() error { return l.Snapshot(ctx, []int{0, 2}) }, functions.ErrNotFound},
		"scan behind the last": {func() error { return l.Scan(ctx, 2, 5) }, nil},
	} {
		if err := test.do(); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
	for key := range 2 {
		if balance, err := l.Balance(ctx, key); err != nil || balance != all {
			t.Errorf("balance of %d: %d, %v", key, balance, err)
		}
	}
}

// entries reads what a log below a directory has.
func entries(t *testing.T, fs vfs.FS, dir string) (all []log.Entry) {
	t.Helper()
	l, err := log.Open(table.Options{FS: fs}.Log(fs.PathJoin(dir, logDir), logID))
	if err != nil {
		t.Fatal(err)
	}
	for index := l.First(); index > 0 && index <= l.Last(); index++ {
		e, err := l.Read(index, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// changes are the rows that an entry sets.
func changes(t *testing.T, entry []byte) (keys []string, values map[string][]byte) {
	t.Helper()
	values = make(map[string][]byte)
	err := table.EachChange(entry, func(key, value []byte) {
		keys = append(keys, string(key))
		values[string(key)] = slices.Clone(value)
	}, func(_, _ []byte) { t.Error("a range is deleted") })
	if err != nil {
		t.Fatal(err)
	}
	return keys, values
}

// TestCrash: after a power failure, at any moment, the log has the rows and the outcome of each transfer that was answered, and their
// sum is right.
func TestCrash(t *testing.T) {
	const keys, clients = 20, 8
	disk := vfs.NewCrashableMem()
	if err := errors.Join(disk.MkdirAll("data", 0o755), synced(disk)); err != nil {
		t.Fatal(err)
	}
	l := open(t, Options{Dir: "data", Keys: keys, fs: disk})
	load(t, l, keys)
	var mu sync.Mutex
	answered := make(map[string]bool)
	crash := make(chan struct{})
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(c)))
			for i := range 200 {
				from := rng.IntN(keys)
				id := fmt.Sprintf("%d-%d", c, i)
				to := (from + 1 + rng.IntN(keys-1)) % keys
				if err := l.Transfer(context.Background(), id, ycsb.Transfer{From: from, To: to, Amount: rng.Int64N(100)}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if answered[id] = true; len(answered) == clients*100 {
					close(crash)
				}
				mu.Unlock()
			}
		})
	}
	<-crash
	mu.Lock()
	before := maps.Clone(answered)
	mu.Unlock()
	after := disk.CrashClone(vfs.CrashCloneCfg{})
	all.Wait()
	closed(t, l)

	balances, outcomes := make(map[string]int64), make(map[string]bool)
	for i, e := range entries(t, after, "data") {
		var mark format.Watermark
		rows, values := changes(t, e.Data)
		for _, key := range rows {
			var row ycsb.Row
			switch value := values[key]; key[2] {
			case format.KindInstance:
				if err := functions.Decode(value, &row); err != nil {
					t.Fatal(err)
				}
				balances[key] = row.Balance
			case format.KindOutcome:
				_, _, of, err := format.OutcomeOf([]byte(key))
				if payload, failed := format.Outcome(value).Payload(); err != nil || failed || len(payload) > 0 {
					t.Errorf("outcome of %s: %x, %v", of.ID, value, err)
				}
				outcomes[of.ID] = true
			case format.KindWatermark:
				if err := functions.Decode(value, &mark); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("a row %q", key)
			}
		}
		if e.Index != uint64(i+1) || mark.Epoch != e.Index {
			t.Errorf("entry %d has number %d and epoch %d", i, e.Index, mark.Epoch)
		}
	}
	for id := range before {
		if !outcomes[id] {
			t.Errorf("%s was answered, and is not in the log", id)
		}
	}
	sum := int64(0)
	for _, balance := range balances {
		sum += balance
	}
	if len(balances) != keys || sum != keys*ycsb.OpeningBalance {
		t.Errorf("%d rows, the sum is %d", len(balances), sum)
	}
	if len(before) < clients*100 || len(outcomes) == clients*200 {
		t.Errorf("%d were answered, and the log has %d: it crashed too late", len(before), len(outcomes))
	}
}

// synced makes the names in the root durable.
func synced(fs vfs.FS) error {
	root, err := fs.OpenDir("/")
	if err != nil {
		return err
	}
	return errors.Join(root.Sync(), root.Close())
}

// TestReadsWaitForNoAppend: the reads of a group are answered before its writes are appended, and do not see them.
func TestReadsWaitForNoAppend(t *testing.T) {
	read, answered := &request{done: make(chan struct{}, 1)}, false
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			answered = len(read.done) == 1
		}
		return nil
	}))
	if err := fs.MkdirAll("data/log", 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := openLog(fs, "data")
	if err != nil {
		t.Fatal(err)
	}
	b := newBooks(entries, 1)
	write := &request{done: make(chan struct{}, 1), writes: true, run: func() rules.Status { return b.create(0, ycsb.Row{}) }}
	read.run = func() rules.Status {
		if b.find(0) != nil {
			return rules.Exists
		}
		return rules.NotFound
	}
	b.serve([]*request{write, read})
	if !answered || read.status != rules.NotFound || len(write.done) != 1 || write.err != nil || write.status != rules.Done {
		t.Errorf("answered before the sync: %v; %+v, %+v", answered, read, write)
	}
	if err := entries.Close(); err != nil {
		t.Error(err)
	}
}

// wide is an update of a row whose fields are as long as they may be.
func wide(t *testing.T, l *Limit, key int) {
	t.Helper()
	var fields [ycsb.MaxFields]string
	for i := range fields {
		fields[i] = strings.Repeat("x", ycsb.MaxFieldBytes)
	}
	if err := l.Overwrite(t.Context(), "", key, fields); err != nil {
		t.Fatal(err)
	}
}

// TestLogIsCutOff: however much is written, the log keeps a bounded part of it, and goes on.
func TestLogIsCutOff(t *testing.T) {
	l := open(t, Options{Dir: "data", Keys: 1, fs: vfs.NewMem()})
	defer closed(t, l)
	load(t, l, 1)
	written, most := int64(0), int64(0)
	for written < 2*keptBytes {
		wide(t, l, 0)
		written += ycsb.MaxFields * ycsb.MaxFieldBytes
		most = max(most, l.log.Bytes())
	}
	if bound := int64(keptBytes + 17<<20); most > bound || most < keptBytes { // and a segment, with an entry
		t.Errorf("the log had up to %d bytes, at most %d", most, bound)
	}
	if l.log.First() < 10 {
		t.Errorf("the log still has entry %d", l.log.First())
	}
}

// TestLargeGroups: what many requests changed that waited together is in entries of a bounded size, each with whole requests.
func TestLargeGroups(t *testing.T) {
	const keys = 40 // of 640 KiB each
	disk := vfs.NewMem()
	l := open(t, Options{Dir: "data", Keys: keys, fs: disk})
	load(t, l, keys)
	for key := range keys {
		wide(t, l, key)
	}
	before := l.epoch
	group := make([]*request, keys/2)
	for i := range group {
		group[i] = &request{id: fmt.Sprint(i), writes: true, done: make(chan struct{}, 1), run: func() rules.Status {
			l.change(2*i).Balance--
			l.change(2*i+1).Balance++
			return rules.Done
		}}
	}
	l.serve(group) // no other request is under way
	for i, r := range group {
		if r.err != nil || len(r.done) != 1 {
			t.Errorf("request %d: %v, answered %d times", i, r.err, len(r.done))
		}
	}
	closed(t, l)
	n := 0
	for _, e := range entries(t, disk, "data") {
		if e.Index <= before {
			continue
		}
		n++
		rows, _ := changes(t, e.Data)
		if len(e.Data) > maxEntryBytes+2<<20 || len(rows)%3 != 1 { // two states and an outcome each, and the watermark
			t.Errorf("entry %d has %d bytes and %d rows", e.Index, len(e.Data), len(rows))
		}
	}
	if n < 2 {
		t.Errorf("it took %d entries", n)
	}
}

// TestFailedLog: once the log has failed what was under way is unknown, and nothing changes any more.
func TestFailedLog(t *testing.T) {
	full := errors.New("no space left on device")
	var failing bool // changed while nothing is under way
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing && op.Kind == errorfs.OpFileSyncData {
			return full
		}
		return nil
	}))
	l := open(t, Options{Dir: "data", Keys: 2, fs: fs})
	load(t, l, 2)
	failing = true
	transfer := ycsb.Transfer{From: 0, To: 1, Amount: 1}
	err := l.Transfer(t.Context(), "a", transfer)
	if !errors.Is(err, ycsb.ErrStore) || !errors.Is(err, ycsb.ErrUnknown) || !errors.Is(err, full) {
		t.Errorf("a transfer that the log failed in: %v", err)
	}
	failing = false
	if err := l.Transfer(t.Context(), "b", transfer); !errors.Is(err, ycsb.ErrStore) || errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("a transfer after the failure: %v", err)
	}
	if err := l.Read(t.Context(), 0); !errors.Is(err, ycsb.ErrStore) {
		t.Errorf("a read after the failure: %v", err)
	}
	if h := l.Appends(); h.Count() != 0 {
		t.Error("a failed log tells of appends")
	}
	if err := l.Close(); !errors.Is(err, full) {
		t.Errorf("closed: %v", err)
	}
}

// TestAppends: those of a single write count, once.
func TestAppends(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Keys: 2})
	defer closed(t, l)
	load(t, l, 2)
	for i, want := range []int64{2, 3, 0} { // two were loaded
		if h := l.Appends(); h.Count() != want {
			t.Errorf("look %d: %d appends, want %d", i, h.Count(), want)
		}
		for n := range 3 - 3*i {
			if err := l.Transfer(t.Context(), fmt.Sprint(n), ycsb.Transfer{From: 0, To: 1, Amount: 1}); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestForeignDirectory: what is not a Limit's is left alone, and so is one that is open.
func TestForeignDirectory(t *testing.T) {
	letter := t.TempDir()
	if err := os.WriteFile(filepath.Join(letter, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: letter, Keys: 1}); !errors.Is(err, ErrForeign) {
		t.Errorf("error %v, want ErrForeign", err)
	}
	if names, err := os.ReadDir(letter); err != nil || len(names) != 1 {
		t.Errorf("it has left %v, %v", names, err)
	}
	other := t.TempDir() // has the log of a table, without the table
	if err := os.Mkdir(filepath.Join(other, logDir), 0o700); err != nil {
		t.Fatal(err)
	}
	foreign, err := log.Open(table.Options{}.Log(filepath.Join(other, logDir), 7))
	if err == nil {
		err = errors.Join(foreign.Append(log.Entry{Index: 1}), foreign.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(Options{Dir: other, Keys: 1}); !errors.Is(err, log.ErrDamaged) || !strings.Contains(err.Error(), "another log") {
			t.Errorf("the log of a table: %v", err)
		}
	}
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Keys: 1})
	if _, err := Open(Options{Dir: dir, Keys: 1}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("error %v, want ErrInUse", err)
	}
	closed(t, l)
	for _, keys := range []int{0, -1, ycsb.MaxKeys + 1} {
		if _, err := Open(Options{Dir: dir, Keys: keys}); err == nil {
			t.Errorf("opened with %d keys", keys)
		}
	}
}

// BenchmarkTransfer is one lone client.
func BenchmarkTransfer(b *testing.B) {
	l := open(b, Options{Dir: b.TempDir(), Keys: 5000})
	defer closed(b, l)
	load(b, l, 5000)
	rng := rand.New(rand.NewPCG(1, 1))
	began := time.Now().UnixNano()
	for n := 0; b.Loop(); n++ {
		from := rng.IntN(4999)
		if err := l.Transfer(context.Background(), fmt.Sprint(began, n), ycsb.Transfer{From: from, To: from + 1, Amount: 1}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWrittenByALoneClient: for a transfer the system counts the pages of its entry and of the log's mark, and not a large part of the
// segment, whatever it keeps the file in.
func TestWrittenByALoneClient(t *testing.T) {
	dir, err := scratch.Dir("concordat-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l := open(t, Options{Dir: dir, Keys: 20})
	defer closed(t, l)
	r, err := ycsb.Run(t.Context(), ycsb.Config{Keys: 20, Driving: ycsb.Driving{Clients: 1, Operations: 200}}, l)
	if err != nil {
		t.Fatal(err)
	}
	if r.Written == nil || scratch.InMemory(dir) {
		t.Skip("the system does not tell what is written to a disk")
	}
	const least, most = 2 * ycsb.MaxFields * ycsb.FieldBytes, 32 << 10
	if each := *r.Written / r.Committed; each < least || each > most {
		t.Errorf("%d bytes were written for a transfer, want %d to %d", each, least, most)
	}
}
