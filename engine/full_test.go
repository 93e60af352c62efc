package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
)

// TestFullDiskRefuses: while sealing waits for room on the disk requests are refused with ErrNoSpace, however much space there seems to be; what
// was admitted is done once there is room.
func TestFullDiskRefuses(t *testing.T) {
	disk := newFillingDisk(math.MaxInt64)
	e := open(t, engine.Options{Dir: "data", MemTableBytes: 64 << 10, Logger: new(logLines).logger(), Seams: seams.Set{FS: disk}}, notes)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	disk.left.Store(0)
	var pending []engine.Pending
	var refused error
	eventually(t, "a request is refused", func() bool {
		p, err := e.Submit(jot.On("n", 1))
		if refused = err; err == nil {
			pending = append(pending, p)
		}
		return err != nil
	})
	wantErr(t, refused, engine.ErrNoSpace, "sealing waits for room")
	wantErr(t, refused, syscall.ENOSPC)
	disk.makeRoom()
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	if n := len(ask(t, e, lines.On("n"))); n != len(pending) {
		t.Errorf("%d lines, want %d", n, len(pending))
	}
}

// fillingDisk is a disk in memory that is full from a step on, until there is room. A step is whatever needs space: a file or a directory that
// is made, a write that makes a file larger. What a file has already may be written again on a full disk, and files may be renamed and
// removed. A write that has no room leaves half of what it was to write.
type fillingDisk struct {
	vfs.FS
	left   atomic.Int64
	full   atomic.Bool
	roomy  atomic.Bool   // it has room for good
	filled chan struct{} // closed when it is full
	what   atomic.Pointer[string]
}

func newFillingDisk(steps int64) *fillingDisk {
	d := &fillingDisk{FS: vfs.NewMem(), filled: make(chan struct{})}
	d.left.Store(steps)
	return d
}

// makeRoom lets it have room for good.
func (d *fillingDisk) makeRoom() { d.roomy.Store(true) }

func (d *fillingDisk) isFull() bool { return d.full.Load() && !d.roomy.Load() }

// need is an error if there is no room for a step.
func (d *fillingDisk) need(op, path string) error {
	if d.left.Add(-1) >= 0 || d.roomy.Load() {
		return nil
	}
	if !d.full.Swap(true) {
		what := op + " " + path
		d.what.Store(&what)
		close(d.filled)
	}
	return &fs.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
}

func (d *fillingDisk) needNew(op, path string) error {
	if _, err := d.FS.Stat(path); err == nil {
		return nil
	}
	return d.need(op, path)
}

func (d *fillingDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.needNew("create", name); err != nil {
		return nil, err
	}
	return d.file(name)(d.FS.Create(name, c))
}

func (d *fillingDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := d.needNew("create", name); err != nil {
		return nil, err
	}
	return d.file(name)(d.FS.OpenReadWrite(name, c, opts...))
}

func (d *fillingDisk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(to)(d.FS.ReuseForWrite(from, to, c))
}

func (d *fillingDisk) Link(from, to string) error {
	if err := d.need("link", to); err != nil {
		return err
	}
	return d.FS.Link(from, to)
}

func (d *fillingDisk) MkdirAll(dir string, mode fs.FileMode) error {
	if err := d.needNew("mkdir", dir); err != nil {
		return err
	}
	return d.FS.MkdirAll(dir, mode)
}

func (d *fillingDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	usage := vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 40}
	if d.isFull() {
		usage.AvailBytes = 0
	}
	return usage, nil
}

func (d *fillingDisk) Unwrap() vfs.FS { return d.FS }

func (d *fillingDisk) file(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err != nil {
			return nil, err
		}
		return &fillingFile{f, d, name}, nil
	}
}

type fillingFile struct {
	vfs.File
	disk *fillingDisk
	name string
}

func (f *fillingFile) Write(b []byte) (int, error) {
	if err := f.disk.need("write", f.name); err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, err
	}
	return f.File.Write(b)
}

func (f *fillingFile) WriteAt(b []byte, at int64) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if at+int64(len(b)) > info.Size() {
		if err := f.disk.need("write", f.name); err != nil {
			return 0, err
		}
	}
	return f.File.WriteAt(b, at)
}

// fullRun is a bank on a disk that becomes full.
type fullRun struct {
	t    *testing.T
	disk *fillingDisk
	what string // for messages
	died chan error

	mu    sync.Mutex
	moved map[string]bank.Transfer // acknowledged
}

const fullAccounts = 16

func (r *fullRun) options() engine.Options {
	return engine.Options{
		Dir: "data", MemTableBytes: 64 << 10, ReserveBytes: 1 << 20, Workers: 1, Logger: new(logLines).logger(), CloseTimeout: time.Minute,
		Seams: seams.Set{FS: r.disk},
		Fatal: func(err error) {
			r.died <- err
			select {}
		},
	}
}

// in does something that may not end the process, nor take forever.
func (r *fullRun) in(what string, do func() error) error {
	r.t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case err := <-r.died:
		r.t.Fatalf("%s: %s ends the process: %v", r.what, what, err)
	case <-time.After(30 * time.Second):
		r.t.Fatalf("%s: %s does not come to its end", r.what, what)
	}
	panic("unreachable")
}

// open opens the engine. On a full disk it may fail, and says why, or wait; it opens once there is room.
func (r *fullRun) open() (e *engine.Engine) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go r.makeRoomLater(ctx, 100*time.Millisecond)
	open := func() (err error) {
		e, err = engine.Open(r.options(), bank.Parts()...)
		return err
	}
	err := r.in("Open", open)
	if errors.Is(err, syscall.ENOSPC) {
		r.disk.makeRoom()
		err = r.in("Open", open)
	}
	if err != nil {
		r.t.Fatalf("%s: Open says %v", r.what, err)
	}
	return e
}

// do makes a request until there is room for it.
func (r *fullRun) do(e *engine.Engine, request func() error) {
	for {
		err := request()
		if !errors.Is(err, engine.ErrNoSpace) && !errors.Is(err, engine.ErrOverloaded) {
			if err != nil && !errors.Is(err, bank.ErrInsufficientFunds) {
				r.t.Errorf("%s: a request gets %v", r.what, err)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// load makes transfers. If the disk becomes full, there is room again a little later.
func (r *fullRun) load(e *engine.Engine, life, clients, each int) {
	r.t.Helper()
	err := r.in("the load", func() error {
		for i := range fullAccounts {
			r.do(e, func() error { return e.Do(ctx, bank.Open.On(account(i), 1000).As(fmt.Sprint("open-", i))) })
		}
		var group sync.WaitGroup
		for c := range clients {
			group.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(life), uint64(c)))
				for i := range each {
					from := rng.IntN(fullAccounts)
					id := fmt.Sprint(life, "-", c, "-", i, strings.Repeat("-", 300)) // for a log of some segments
					transfer := bank.Transfer{From: account(from), To: account((from + 1) % fullAccounts), Amount: 1}
					r.do(e, func() error { return e.Do(ctx, bank.TransferTx.As(id, transfer)) })
					r.mu.Lock()
					r.moved[id] = transfer
					r.mu.Unlock()
				}
			})
		}
		group.Wait()
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// audit checks that all that was acknowledged is there, once.
func (r *fullRun) audit(e *engine.Engine) {
	r.t.Helper()
	want := map[string]int64{}
	for i := range fullAccounts {
		want[account(i)] = 1000
	}
	for id, m := range r.moved {
		must(r.t, e.Do(ctx, bank.TransferTx.As(id, m))) // has been done
		want[m.From] -= m.Amount
		want[m.To] += m.Amount
	}
	for name, balance := range want {
		if got := ask(r.t, e, bank.Balance.On(name)); got != balance {
			r.t.Errorf("%s: %s has %d, want %d", r.what, name, got, balance)
		}
	}
}

// makeRoomLater makes room once the disk is full and nothing has been acknowledged for a while, so that all waits that has to.
func (r *fullRun) makeRoomLater(ctx context.Context, while time.Duration) {
	select {
	case <-r.disk.filled:
	case <-ctx.Done():
		return
	}
	for before := -1; before != r.acknowledged(); time.Sleep(while) {
		before = r.acknowledged()
	}
	r.disk.makeRoom()
}

func (r *fullRun) acknowledged() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.moved)
}

// TestFullDiskIsNotOpened: on a disk that is full already Open fails and says so, of a new directory and of an old one, and does not wait; it
// opens when there is room.
func TestFullDiskIsNotOpened(t *testing.T) {
	for _, old := range []bool{false, true} {
		r := &fullRun{t: t, disk: newFillingDisk(1 << 40), what: fmt.Sprint("old: ", old), died: make(chan error, 1), moved: map[string]bank.Transfer{}}
		if old {
			e := r.open()
			r.load(e, 0, 4, 50)
			must(t, e.Close())
		}
		r.disk.left.Store(0)
		for range 2 {
			err := r.in("Open", func() error {
				_, err := engine.Open(r.options(), bank.Parts()...)
				return err
			})
			wantErr(t, err, syscall.ENOSPC, "data", "no space left on device")
		}
		r.disk.makeRoom()
		e := r.open()
		r.load(e, 1, 4, 50)
		r.audit(e)
		must(t, e.Close())
	}
}

// lives opens, uses and closes a directory twice, and reports whether the disk became full.
func (r *fullRun) lives() bool {
	r.t.Helper()
	for life := range 2 {
		e := r.open()
		ctx, cancel := context.WithCancel(context.Background())
		go r.makeRoomLater(ctx, 20*time.Millisecond)
		r.load(e, life, 4, 200)
		err := r.in("Close", func() error { return e.Close() })
		cancel()
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			r.t.Errorf("%s: Close says %v", r.what, err)
		}
	}
	full := r.disk.full.Load()
	r.disk.makeRoom()
	e := r.open()
	r.audit(e)
	must(r.t, e.Close())
	return full
}

// TestFullDiskAtEachStep: a disk that becomes full at any step that needs space (of making a directory, opening one, making segments of the
// log, applying layers, compacting, closing) ends no process and loses nothing: Open says so, everything else goes on once there is room.
func TestFullDiskAtEachStep(t *testing.T) {
	each := int64(1)
	if testing.Short() || racedetector.On {
		each = 17
	}
	met := map[string]int{}
	steps := int64(0)
	for ; ; steps += each {
		r := &fullRun{t: t, disk: newFillingDisk(steps), what: fmt.Sprint("full at step ", steps), died: make(chan error, 1), moved: map[string]bank.Transfer{}}
		full := r.lives()
		if what := r.disk.what.Load(); what != nil {
			met[*what]++
		}
		if !full {
			break
		}
	}
	t.Logf("%d steps: %v", steps, met)
	for _, part := range []string{"mkdir data/log", "create data/log/", "create data/new-", "write data/new-", "link data/", "write data/MANIFEST-", "create data/marker."} {
		if each == 1 && !slices.ContainsFunc(slices.Collect(maps.Keys(met)), func(what string) bool { return strings.HasPrefix(what, part) }) {
			t.Errorf("the disk was never full at %q", part)
		}
	}
}
