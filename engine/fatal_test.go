package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
)

// doomed is a sim that runs on a goroutine of its own until an injected error ends it: Options.Fatal must not return, so it ends
// the goroutine that it is called on.
type doomed struct {
	*sim.Driver
	fatal chan error    // what Options.Fatal was told
	ended chan struct{} // closed when the sim's goroutine is over
	over  atomic.Bool   // Options.Fatal was called
	err   error         // of a run that came to its end
}

func newDoomed(seed uint64) *doomed {
	d := &doomed{Driver: sim.NewDriver(seed), fatal: make(chan error, 100), ended: make(chan struct{})}
	d.Options.Fatal = func(err error) {
		d.over.Store(true)
		d.fatal <- err
		runtime.Goexit()
	}
	return d
}

// start runs n orders. It returns what Fatal was told, or nil if the run came to its end.
func (d *doomed) start(n int) error {
	go func() {
		defer close(d.ended)
		d.AfterStep = func() {
			if d.over.Load() {
				runtime.Goexit() // told on another goroutine
			}
		}
		if d.err = d.Open(); d.err == nil {
			d.err = errors.Join(d.Run(n), d.Settle(), d.Wrong())
		}
	}()
	select {
	case err := <-d.fatal:
		select {
		case <-d.ended:
		case <-time.After(100 * time.Millisecond): // hangs in the write that failed
		}
		return err
	case <-d.ended:
		select {
		case err := <-d.fatal:
			return err
		default:
			return nil
		}
	}
}

// check makes sure that nothing was acknowledged after the error, that nothing more is taken, and that what was acknowledged is
// on the disk.
func (d *doomed) check(t *testing.T, what string, count *sim.RecoveryCounts) {
	t.Helper()
	if d.Engine != nil {
		select {
		case <-d.ended:
			for _, o := range d.Acknowledged() {
				t.Errorf("%s: %s was acknowledged", what, o.ID)
			}
		default:
		}
		if err := d.Engine.Do(context.Background(), sim.LookTill.On(d.World.Till(0)).Into(new(sim.TillState))); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%s: afterwards a request gets %v, not ErrClosed", what, err)
		}
	}
	r := sim.NewRecovery(1)
	if err := r.Run(d.Snapshot(what, 0, 1), sim.MaxDepth); err != nil {
		t.Error(err)
	}
	count.Add(r.Counts)
}

var errSync = errors.New("the disk fails")

// TestFailedSync lets the k-th sync of the file system fail, once, for every k: the engine tells Fatal and acknowledges nothing
// more, and what it had acknowledged is there after a power failure.
func TestFailedSync(t *testing.T) {
	var count sim.RecoveryCounts
	fatal, syncs := 0, 0
	for k := 1; ; k++ {
		d := newDoomed(7)
		d.Options.MemTableBytes = 4 << 20 // no second log: if the first cannot be closed, Pebble ends the process by itself
		injected, n, over := 0, 0, false
		var mu sync.Mutex
		d.Disk.OnOp = func(op sim.Op) error {
			if op.Kind != sim.OpSync { // of a directory: Pebble panics, on any goroutine, which ends a process too
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if over {
				return nil // Close has syncs of its own
			}
			if n++; n != k {
				return nil
			}
			injected++
			return fmt.Errorf("sync %d of %s: %w", k, op.Path, errSync)
		}
		err := d.start(80)
		mu.Lock()
		failed := injected
		over = true
		mu.Unlock()
		if failed == 0 {
			must(t, d.err)
			must(t, d.Engine.Close())
			break
		}
		syncs++
		switch {
		case err != nil:
			fatal++
		case d.err == nil:
			t.Logf("sync %d: not told, but not needed", k)
		case !strings.Contains(d.err.Error(), errSync.Error()):
			t.Errorf("sync %d: %v", k, d.err)
		}
		if err != nil || d.Engine == nil {
			d.check(t, fmt.Sprintf("after sync %d failed with %v, %v", k, err, d.err), &count)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d syncs failed, %d of them were fatal", syncs, fatal)
	if fatal < 20 {
		t.Error("the test tests too little")
	}
}

// TestFailedSeal lets the sealing of the k-th epoch fail, for every k, before it has written anything or after it has written
// all: what is told to clients must not depend on which.
func TestFailedSeal(t *testing.T) {
	errBroken := errors.New("the log is broken")
	for _, written := range []bool{false, true} {
		var count sim.RecoveryCounts
		k := 1
		for ; ; k++ {
			d := newDoomed(11)
			n := 0
			d.SealBy = func(_ uint64, batch *table.Batch, write func() error) error {
				if n++; n != k {
					return write()
				}
				if written {
					return errors.Join(write(), errBroken)
				}
				return errBroken
			}
			err := d.start(80)
			if err == nil {
				must(t, d.err)
				err := d.Engine.Close()
				if n < k {
					must(t, err)
					break
				}
				if !errors.Is(err, errBroken) { // what was sealed while it closed
					t.Fatalf("the seal of epoch %d failed (written: %v) and nobody was told", k, written)
				}
				d.check(t, fmt.Sprintf("after closing failed (written: %v)", written), &count)
				continue
			}
			if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "seal epoch") {
				t.Errorf("seal %d: Fatal was told %v", k, err)
			}
			d.check(t, fmt.Sprintf("after seal %d failed (written: %v)", k, written), &count)
			if t.Failed() {
				return
			}
		}
		if k < 20 {
			t.Errorf("only %d seals: the test tests too little", k)
		}
	}
}

// TestFailedSealUnderLoad is the same with workers and clients on goroutines of their own: every client that waits is told that
// the outcome is unknown, and none waits forever.
func TestFailedSealUnderLoad(t *testing.T) {
	for k := 2; k <= 40; k += 6 {
		s := sim.NewDriver(uint64(k))
		s.Options.Seams = seams.Set{}
		s.Options.Fatal = func(error) { runtime.Goexit() }
		load := &sealLoad{t: t, sim: s, failAt: int64(k)}
		s.Options.Seams.Log = seams.Over(load.seal)
		must(t, s.Open())
		ctx, cancel := context.WithCancel(context.Background()) // who cannot be cancelled waits until the process ends
		defer cancel()
		for _, o := range s.World.SetUp() {
			must(t, s.Engine.Do(ctx, o.Request(new(int64))))
			s.Orders, s.Outcomes[o.ID] = append(s.Orders, o), "ok 0"
		}
		load.began.Store(true)
		var group sync.WaitGroup
		for c := range loadClients {
			group.Go(func() { load.client(ctx, c, rand.New(rand.NewPCG(uint64(c), uint64(k)))) })
		}
		group.Wait()
		load.last(ctx, true)
		shot := s.Snapshot(fmt.Sprintf("after seal %d failed", k), 0, uint64(k)).WithoutLedger()
		shot.Now = time.Now()
		if err := sim.NewRecovery(uint64(k)).Run(shot, sim.MaxDepth); err != nil {
			t.Error(err)
		}
	}
}

// loadClients is how many clients ask at once in TestFailedSealUnderLoad.
const loadClients = 16

// sealLoad is many clients, and a seal that fails at its failAt-th time once they have begun.
type sealLoad struct {
	t       *testing.T
	sim     *sim.Driver
	mu      sync.Mutex // of what the clients know
	failAt  int64
	began   atomic.Bool
	seals   atomic.Int64
	failing atomic.Bool
	last    func(ctx context.Context, doomed bool) // waits for what the failing seal asked for
}

// seal fails after it has asked for something itself, which can only be answered with a later seal. While the clients go on with
// the next epoch, it must not let anything out.
func (l *sealLoad) seal(_ uint64, batch *table.Batch, write func() error) error {
	if !l.began.Load() || l.seals.Add(1) != l.failAt {
		return write()
	}
	l.failing.Store(true)
	l.last = l.ask(sim.Order{Kind: "deposit", ID: "w:last", Asked: true, To: l.sim.World.Till(4), Amount: 1})
	for range 2000 {
		runtime.Gosched()
	}
	return errors.New("the log is broken")
}

// client asks one thing after the other until the engine is closed.
func (l *sealLoad) client(ctx context.Context, number int, rng *rand.Rand) {
	for i := 0; ; i++ {
		doomed := l.failing.Load()
		asked := l.ask(l.sim.World.Next(rng, 1000*number+i))
		if asked == nil {
			return
		}
		asked(ctx, doomed)
	}
}

// ask submits an order. The function that it returns waits for the answer, which must not be one if the order is doomed: asked for
// under an id when the seal was failing already. It returns nil if the engine is closed.
func (l *sealLoad) ask(o sim.Order) (wait func(ctx context.Context, doomed bool)) {
	s := l.sim
	l.mu.Lock()
	s.Orders = append(s.Orders, o)
	l.mu.Unlock()
	value := new(int64)
	pending, err := s.Engine.Submit(o.Request(value))
	if errors.Is(err, engine.ErrClosed) {
		return nil
	}
	return func(ctx context.Context, doomed bool) {
		if err == nil {
			err = pending.Wait(ctx)
		}
		if doomed && o.Asked && !errors.Is(err, engine.ErrUnknown) {
			l.t.Errorf("seal %d: %s was answered with %v, and not told that the outcome is unknown", l.failAt, o.ID, err)
		}
		l.mu.Lock()
		s.Learn(o.ID, sim.OutcomeText(*value, err))
		l.mu.Unlock()
	}
}

// heldSeals lets a test hold the sealer before it writes, while hold is set.
type heldSeals struct {
	hold          atomic.Bool
	held, release chan struct{}
}

func newHeldSeals() *heldSeals {
	return &heldSeals{held: make(chan struct{}), release: make(chan struct{})}
}

func (h *heldSeals) seal(_ uint64, _ *table.Batch, write func() error) error {
	if h.hold.Load() {
		h.held <- struct{}{}
		<-h.release
	}
	return write()
}

// letGo ends the holding for good.
func (h *heldSeals) letGo() {
	h.hold.Store(false)
	close(h.release)
}

// TestRepeatWaitsForSeal: a request that comes again is answered with the seal of its outcome, not before, like the first.
func TestRepeatWaitsForSeal(t *testing.T) {
	seals := newHeldSeals()
	s := sim.NewDriver(1)
	s.Options.Workers = 1
	s.Options.Seams = seams.Set{Log: seams.Over(seals.seal)}
	must(t, s.Open())
	ctx := context.Background()
	till, other := s.World.Till(0), s.World.Till(1)
	must(t, s.Engine.Do(ctx, sim.OpenTill.On(till, 1)))
	must(t, s.Engine.Do(ctx, sim.OpenTill.On(other, 1)))
	seals.hold.Store(true)
	first, err := s.Engine.Submit(sim.TouchTill.On(till, 0).As("id"))
	must(t, err)
	<-seals.held // its outcome is on its way to the disk
	again, err := s.Engine.Submit(sim.TouchTill.On(till, 0).As("id"))
	must(t, err)
	must(t, s.Engine.Do(ctx, sim.CashTill.On(other).Into(new(int64)))) // the worker has looked at what was asked before
	if first.Done() || again.Done() {
		t.Errorf("before the seal, the request is answered: %v, its repeat: %v", first.Done(), again.Done())
	}
	seals.letGo()
	must(t, first.Wait(ctx))
	must(t, again.Wait(ctx))
	must(t, s.Engine.Close())
}

// TestReadWaitsForSeal: a read is answered at once if what it saw is durable, and with the seal if it is not.
func TestReadWaitsForSeal(t *testing.T) {
	seals := newHeldSeals()
	s := sim.NewDriver(1)
	s.Options.Seams = seams.Set{Log: seams.Over(seals.seal)}
	must(t, s.Open())
	ctx := context.Background()
	changed, other := s.World.Till(0), s.World.Till(1)
	must(t, s.Engine.Do(ctx, sim.OpenTill.On(changed, 1)))
	must(t, s.Engine.Do(ctx, sim.OpenTill.On(other, 1)))
	seals.hold.Store(true)
	update, err := s.Engine.Submit(sim.TouchTill.On(changed, 0))
	must(t, err)
	<-seals.held // the update is on its way to the disk
	early, err := s.Engine.Submit(sim.CashTill.On(changed).Into(new(int64)))
	must(t, err)
	must(t, s.Engine.Do(ctx, sim.CashTill.On(other).Into(new(int64)))) // answered while the disk is busy
	time.Sleep(20 * time.Millisecond)                                  // a read of what is not durable is not, however long one waits
	if early.Done() || update.Done() {
		t.Errorf("before the seal, the read is answered: %v, the update: %v", early.Done(), update.Done())
	}
	seals.letGo()
	must(t, update.Wait(ctx))
	must(t, early.Wait(ctx))
	must(t, s.Engine.Close())
}
