package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/saga"
)

// fickle is a log that takes no more epochs once it is told to: it says so by its channel, and to whoever seals.
type fickle struct {
	seams.Log
	down chan struct{}
	held atomic.Bool   // whoever seals waits for down
	in   chan struct{} // has a token when somebody does
}

func newFickle() *fickle { return &fickle{down: make(chan struct{}), in: make(chan struct{}, 1)} }

func (f *fickle) over(own seams.Log) seams.Log {
	f.Log = own
	return f
}

func (f *fickle) Down() <-chan struct{} { return f.down }

func (f *fickle) Seal(epoch uint64, batch *table.Batch) error {
	if f.held.Load() {
		f.in <- struct{}{}
		<-f.down
	}
	select {
	case <-f.down:
		return fmt.Errorf("epoch %d: %w", epoch, seams.ErrStepDown)
	default:
		return f.Log.Seal(epoch, batch)
	}
}

// ending is a log that says by a channel of a test's that it takes no more epochs.
type ending struct {
	seams.Log
	down chan struct{}
}

func (l ending) Down() <-chan struct{} { return l.down }

// TestStepDown lets the log refuse the k-th epoch for every k, before it has written anything or after it has written all, or says after the
// k-th that it takes no more. The process lives: nothing is acknowledged that is not sealed, nothing more is taken or written, and Close
// gives the directory back, which goes on.
func TestStepDown(t *testing.T) {
	for _, how := range []string{"refused", "written and refused", "the last one"} {
		last := how == "the last one"
		var count sim.RecoveryCounts
		k := 1
		for ; ; k++ {
			what := fmt.Sprintf("after seal %d was %s", k, how)
			d := sim.NewDriver(11)
			over, ended := d.Options.Seams.Log, make(chan struct{})
			d.Options.Seams.Log = func(own seams.Log) seams.Log { return ending{over(own), ended} }
			d.Options.Fatal = func(err error) { t.Errorf("%s the process ends: %v", what, err) }
			n, down, after := 0, false, 0
			d.Dead = func() bool { return down }
			d.SealBy = func(_ uint64, _ *table.Batch, write func() error) error {
				if down {
					after++
				}
				if n++; n != k {
					return write()
				}
				switch how {
				case "refused":
					down = true
					return seams.ErrStepDown
				case "written and refused":
					down = true
					return errors.Join(write(), seams.ErrStepDown)
				}
				return write()
			}
			d.AfterSeal = func() {
				if last && n == k && !down {
					down = true
					close(ended)
				}
			}
			must(t, d.Open())
			must(t, errors.Join(d.Run(80), d.Settle(), d.Wrong()))
			if !down { // or not before it closes
				must(t, d.Engine.Close())
			}
			if n < k {
				break
			}
			if !last {
				for _, o := range d.Acknowledged() {
					t.Errorf("%s %s was acknowledged", what, o.ID)
				}
				if err := d.Engine.Do(ctx, sim.LookTill.On(d.World.Till(0)).Into(new(sim.TillState))); !errors.Is(err, engine.ErrClosed) {
					t.Errorf("%s a request gets %v, not ErrClosed", what, err)
				}
			}
			if err := d.Engine.Close(); err != nil || after > 0 {
				t.Errorf("%s Close returns %v, and %d epochs were sealed", what, err, after)
			}
			r := sim.NewRecovery(1)
			if err := r.Run(d.Snapshot(what, 0, 1), sim.MaxDepth); err != nil {
				t.Error(err)
			}
			count.Add(r.Counts)
			if t.Failed() {
				return
			}
		}
		if k < 20 {
			t.Errorf("only %d seals: the test tests too little", k)
		}
	}
}

// TestStepDownUnderLoad is the same with workers and clients on goroutines of their own, at any time: while an epoch is sealed, and between
// two. Every client is let go, and the next engine in the same process goes on with what was sealed.
func TestStepDownUnderLoad(t *testing.T) {
	for round := range 12 {
		s := sim.NewDriver(uint64(round))
		log := newFickle()
		s.Options.Seams = seams.Set{Log: log.over}
		s.Options.Fatal = func(err error) { t.Errorf("round %d: the process ends: %v", round, err) }
		must(t, s.Open())
		for _, o := range s.World.SetUp() {
			must(t, s.Engine.Do(ctx, o.Request(new(int64))))
			s.Orders, s.Outcomes[o.ID] = append(s.Orders, o), "ok 0"
		}
		load := &sealLoad{t: t, sim: s}
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		var group sync.WaitGroup
		for c := range loadClients {
			group.Go(func() { load.client(limited, c, rand.New(rand.NewPCG(uint64(c), uint64(round)))) })
		}
		for sealed := s.Engine.Stats().Epochs + uint64(round); s.Engine.Stats().Epochs < sealed; {
			time.Sleep(100 * time.Microsecond)
		}
		close(log.down)
		group.Wait()
		if limited.Err() != nil {
			t.Fatalf("round %d: a client waits although the engine has stepped down", round)
		}
		must(t, s.Engine.Close())
		shot := s.Snapshot(fmt.Sprintf("after round %d", round), 0, uint64(round)).WithoutLedger()
		s.Options.Seams.Log = nil
		must(t, s.Open()) // the directory is free, in this process
		must(t, s.Engine.Close())
		shot.Now = time.Now()
		if err := sim.NewRecovery(uint64(round)).Run(shot, sim.MaxDepth); err != nil {
			t.Error(err)
		}
	}
}

// TestStepDownWhileCodeRuns: an engine steps down while an operation holds a worker, a saga sleeps, an egress and a walk are at work. Whoever
// waits is let go at once, whatever runs; Close names what it cannot stop, and gives the directory back when that has returned. The saga goes
// on in the next engine.
func TestStepDownWhileCodeRuns(t *testing.T) {
	for name, sealing := range map[string]bool{"sealing": true, "between": false} {
		t.Run(name, func(t *testing.T) {
			entered, release := blocked(t)
			var woken atomic.Int64
			sleeper := saga.New("test/sleeper", func(s *saga.Run, d time.Duration) error {
				if err := s.Sleep(d); err != nil {
					return err
				}
				woken.Add(1)
				return nil
			})
			writes := make(chan struct{}, 100)
			far := engine.Callback(func(ctx context.Context, _ engine.Record) error {
				writes <- struct{}{}
				<-ctx.Done() // it is told to stop
				return ctx.Err()
			})
			log := newFickle()
			o := engine.Options{
				Dir: t.TempDir(), Workers: 1, CloseTimeout: 10 * time.Millisecond,
				Egresses: map[string]engine.Egress{"wire": far}, Seams: seams.Set{Log: log.over},
				Fatal: func(err error) { t.Errorf("the process ends: %v", err) },
			}
			e := open(t, o, desks, tellers, sleeper)
			for _, id := range []string{"a", "b", "c"} {
				must(t, e.Do(ctx, newDesk.On(id, false)))
			}
			must(t, e.Do(ctx, newTeller.On("a", 0)))
			must(t, e.Do(ctx, tell.On("a", 3)))
			<-writes
			_, err := e.Submit(sleeper.As("sleeps", 100*time.Millisecond))
			must(t, err)
			eventually(t, "the saga sleeps", func() bool { all, err := e.Sagas(ctx); return err == nil && len(all) == 1 })
			var waiting []engine.Pending
			submit := func(p engine.Pending, err error) {
				must(t, err)
				waiting = append(waiting, p)
			}
			if sealing {
				log.held.Store(true)
				submit(e.Submit(take.On("b", 1).As("held")))
				<-log.in
			}
			submit(e.Submit(block.On("a", 1)))
			<-entered
			submit(e.Submit(take.On("c", 1).As("behind")))
			began := time.Now()
			close(log.down)
			for _, p := range waiting {
				wantErr(t, p.Wait(ctx), engine.ErrUnknown)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("whoever waits is let go after %v", took)
			}
			wantErr(t, e.Do(ctx, take.On("c", 1)), engine.ErrClosed)
			err = e.Close()
			wantErr(t, err, err, "test/desk.block(a)", "locked")
			release()
			o.Seams, o.Egresses = seams.Set{}, map[string]engine.Egress{"wire": new(received)}
			var next *engine.Engine
			eventually(t, "the directory is free", func() bool {
				next, err = engine.Open(o, desks, tellers, sleeper)
				return !errors.Is(err, engine.ErrInUse)
			})
			must(t, err)
			eventually(t, "the saga goes on", func() bool { return woken.Load() == 1 })
			must(t, next.Close(ctx))
		})
	}
}
