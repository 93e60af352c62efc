package raftlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/log/raftlog"
	"github.com/concordat-dev/concordat/internal/proof/sim"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// small are options for many segments.
func small(fs vfs.FS, dir string) log.Options {
	return log.Options{Dir: dir, FS: fs, ID: 7, SegmentBytes: 4 << 10}
}

// entry makes an entry with a bit of everything.
func entry(rng *rand.Rand, index, term uint64) *raft.Log {
	some := func(most int) []byte {
		b := make([]byte, rng.IntN(most)*rng.IntN(2))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	l := &raft.Log{Index: index, Term: term, Type: raft.LogType(rng.IntN(6)), Data: some(700), Extensions: some(300)}
	if rng.IntN(3) > 0 {
		l.AppendedAt = time.Unix(rng.Int64N(1<<33)-1<<32, rng.Int64N(1e9))
	}
	return l
}

// model is what a store should have.
type model struct {
	*raft.InmemStore
	trying []*raft.Log // of a StoreLogs that was not acknowledged: the first of them may be there
	cut    [2]uint64   // of a DeleteRange that was not acknowledged: it has happened or not
}

// bounds are the first and the last entry.
func bounds(s raft.LogStore) (first, last uint64, err error) {
	first, err = s.FirstIndex()
	last, err2 := s.LastIndex()
	return first, last, errors.Join(err, err2)
}

// same reports where a store differs from the model.
func (m *model) same(s raft.LogStore) error {
	first, last, err := bounds(s)
	wantFirst, wantLast, _ := bounds(m)
	if err != nil || first != wantFirst || last != wantLast {
		return fmt.Errorf("it has the entries %d to %d, %v, want %d to %d", first, last, err, wantFirst, wantLast)
	}
	for index := max(first, 1) - 1; index <= last+1; index++ {
		var got, want raft.Log
		wantErr := m.GetLog(index, &want)
		if err := s.GetLog(index, &got); err != wantErr { // raft compares so, too
			return fmt.Errorf("entry %d: %v, want %v", index, err, wantErr)
		}
		if got.Index != want.Index || got.Term != want.Term || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) ||
			!bytes.Equal(got.Extensions, want.Extensions) || !got.AppendedAt.Equal(want.AppendedAt) || got.AppendedAt.IsZero() != want.AppendedAt.IsZero() {
			return fmt.Errorf("entry %d is %+v, want %+v", index, got, want)
		}
	}
	return nil
}

// takeCrash lets the model have what a store has after a crash, of what was being done.
func (m *model) takeCrash(s raft.LogStore) {
	first, last, _ := bounds(s)
	wantFirst, wantLast, _ := bounds(m)
	if m.cut[1] != 0 && (first != wantFirst || last != wantLast) {
		_ = m.DeleteRange(m.cut[0], m.cut[1])
	}
	for _, l := range m.trying {
		if l.Index <= last {
			_ = m.StoreLog(l)
		}
	}
	m.trying, m.cut = nil, [2]uint64{}
}

// act does something to a store and the model.
func (m *model) act(s *raftlog.Store, rng *rand.Rand) error {
	first, last, _ := bounds(m)
	if rng.IntN(5) == 0 {
		return m.delete(s, rng, first, last)
	}
	var before raft.Log
	_ = m.GetLog(last, &before)
	index, term := last+1, before.Term
	if last == 0 && rng.IntN(2) == 0 {
		index += rng.Uint64N(1000)
	}
	for range 1 + rng.IntN(8)*rng.IntN(2) {
		term += uint64(rng.IntN(10) / 9)
		m.trying = append(m.trying, entry(rng, index, term))
		index++
	}
	if err := s.StoreLogs(m.trying); err != nil {
		return err
	}
	_ = m.StoreLogs(m.trying)
	m.trying = nil
	return nil
}

// delete deletes some entries: from the front, from the back, all, none, or some in the middle, which is refused.
func (m *model) delete(s *raftlog.Store, rng *rand.Rand, first, last uint64) error {
	if last == 0 {
		return s.DeleteRange(0, rng.Uint64N(100))
	}
	at := func() uint64 { return first + rng.Uint64N(last-first+1) }
	from, to := max(first-min(rng.Uint64N(2), first), 1), at() // raft's own store has a hole at 0
	switch rng.IntN(6) {
	case 0:
		from, to = last-min(rng.Uint64N(20), last-first), last+rng.Uint64N(2)
	case 1:
		from, to = at(), at()
		if first < from && from <= to && to < last {
			if err := s.DeleteRange(from, to); !errors.Is(err, raftlog.ErrHole) {
				return fmt.Errorf("deleting %d to %d of %d to %d: %w", from, to, first, last, err)
			}
			return nil
		}
	case 2:
		if rng.IntN(3) == 0 {
			from, to = first, last
		}
	}
	if from > to { // the model takes that for something
		return s.DeleteRange(from, to)
	}
	m.cut = [2]uint64{from, to}
	if err := s.DeleteRange(from, to); err != nil {
		return err
	}
	_ = m.DeleteRange(from, to)
	m.cut = [2]uint64{}
	return nil
}

// TestStoreIsRafts: whatever is stored and deleted, a store has what raft's own in memory has, to the entry; also after the log was opened
// again, and after power failures at any operation of the disk, but for what was being done then.
func TestStoreIsRafts(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 100
	}
	failures := 0
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 3))
		disk := sim.NewDisk()
		m := &model{InmemStore: raft.NewInmemStore()}
		for life := range 5 {
			left, errPower := 1+rng.IntN(150), errors.New("power failure")
			disk.OnOp = func(sim.Op) error {
				if left--; left < 0 {
					return errPower
				}
				return nil
			}
			l, err := log.Open(small(disk, ""))
			if err == nil {
				s := raftlog.New(l)
				m.takeCrash(s)
				for err = m.same(s); err == nil && rng.IntN(100) > 0; {
					if err = m.act(s, rng); err == nil {
						err = m.same(s)
					}
				}
				err = errors.Join(err, l.Close())
			}
			if err == nil && rng.IntN(2) == 0 {
				continue
			}
			if err != nil && !errors.Is(err, errPower) {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			failures++
			disk.OnOp = nil
			disk = disk.CrashClone([]int{0, 30, 50, 80, 100}[rng.IntN(5)], rng.Uint64())
		}
	}
	if failures < int(seeds)*3 {
		t.Errorf("only %d power failures", failures)
	}
}

// TestOneSync: entries that are stored together take one write and one sync of the log, however many there are; and a write of its mark,
// which nobody waits for.
func TestOneSync(t *testing.T) {
	disk := sim.NewDisk()
	l, err := log.Open(log.Options{FS: disk, ID: 7})
	must(t, err)
	s, rng := raftlog.New(l), rand.New(rand.NewPCG(1, 1))
	must(t, s.StoreLog(entry(rng, 1, 1))) // makes a segment
	next := uint64(2)
	for _, n := range []uint64{1, 2, 64, 500} {
		var ops []string
		disk.OnOp = func(op sim.Op) error {
			ops = append(ops, fmt.Sprint(op.Kind, " ", op.File()))
			return nil
		}
		var logs []*raft.Log
		for range n {
			logs = append(logs, entry(rng, next, 1))
			next++
		}
		must(t, s.StoreLogs(logs))
		if got := strings.Join(ops, ", "); got != "write log, sync log, write other" {
			t.Errorf("%d entries: %s", n, got)
		}
	}
	disk.OnOp = nil
	must(t, l.Close())
}

// TestNoRoomForEntries: where the disk is full, of the entries that are stored together none is there, also if some had room; once there is room
// they can be stored.
func TestNoRoomForEntries(t *testing.T) {
	full := false
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && op.Kind == errorfs.OpOpen && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	}))
	l, err := log.Open(small(disk, ""))
	must(t, err)
	s := raftlog.New(l)
	next := uint64(1)
	batch := func(n int) (logs []*raft.Log) {
		for i := range uint64(n) {
			logs = append(logs, &raft.Log{Index: next + i, Term: 1, Data: make([]byte, 900)})
		}
		return logs
	}
	for _, n := range []int{6, 10} { // from an empty log, and from a segment that has room for some
		full = n > 6
		if full {
			if err := s.StoreLogs(batch(n)); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, log.ErrFailed) {
				t.Fatalf("on a full disk: %v", err)
			}
			if first, last, err := bounds(s); first != 1 || last != next-1 || err != nil {
				t.Errorf("it has the entries %d to %d, %v, want 1 to %d", first, last, err, next-1)
			}
			full = false
		}
		must(t, s.StoreLogs(batch(n)))
		next += uint64(n)
	}
	if first, last, _ := bounds(s); first != 1 || last != 16 {
		t.Errorf("it has the entries %d to %d, want 1 to 16", first, last)
	}
	must(t, l.Close())
}

// TestForeignEntries: an entry of a log that is none of raft's is an error, and not an entry of something.
func TestForeignEntries(t *testing.T) {
	l, err := log.Open(small(vfs.NewMem(), ""))
	must(t, err)
	for i, data := range [][]byte{nil, make([]byte, 12), make([]byte, 13), append(make([]byte, 13), 5, 1, 2, 3, 4), append(make([]byte, 13), bytes.Repeat([]byte{0xff}, 11)...)} {
		index := uint64(i + 1)
		must(t, l.Append(log.Entry{Index: index, Data: data}))
		if err := raftlog.New(l).GetLog(index, new(raft.Log)); !errors.Is(err, log.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprint("entry ", index)) {
			t.Errorf("%x: %v", data, err)
		}
	}
	must(t, l.Close())
}

// BenchmarkStoreLogs stores entries of 1 KiB, so many together, on the disk of the temporary directory.
func BenchmarkStoreLogs(b *testing.B) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l, err := log.Open(log.Options{Dir: b.TempDir(), ID: 7, Ahead: true})
			must(b, err)
			s := raftlog.New(l)
			data, next := make([]byte, 1<<10), uint64(1)
			for b.Loop() {
				logs := make([]*raft.Log, n)
				for i := range logs {
					logs[i] = &raft.Log{Index: next, Term: 1, Data: data}
					next++
				}
				must(b, s.StoreLogs(logs))
				if next%(64<<10) < uint64(n) {
					must(b, s.DeleteRange(1, next-1000))
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "entries/s")
			must(b, l.Close())
		})
	}
}
