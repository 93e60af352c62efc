package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/twopc"
)

// A burst is how much of something a vat does, and with how many bytes each.
type burst struct {
	Messages, Timers, Own, Records, Bytes int
}

var (
	burstOut = functions.Update(vats, "burst", func(ctx *functions.Ctx, _ *crate, b burst) error {
		goods := make([]byte, b.Bytes)
		for range b.Messages {
			ctx.Send(pour.On("sink", goods))
		}
		for range b.Timers {
			ctx.SendAfter(time.Hour, pour.On("sink", goods))
		}
		for range b.Own {
			ctx.SendAfter(time.Hour, pour.On(ctx.Self().ID, goods))
		}
		for range b.Records {
			ctx.Emit(drainIn.Record("", goods))
		}
		return nil
	})
	// bursts are one after the other, on as many vats.
	bursts = twopc.New("test/bursts", func(tx *twopc.Tx, all []burst) error {
		for i, b := range all {
			if err := tx.Do(burstOut.On(fmt.Sprint("v", i%10), b)); err != nil {
				return err
			}
		}
		return nil
	})
)

func openVats(t *testing.T, o engine.Options) *engine.Engine {
	t.Helper()
	e := open(t, o, vats, bursts)
	for i := range 10 {
		must(t, e.Do(ctx, pour.On(fmt.Sprint("v", i), nil)))
	}
	return e
}

func times(n int, b burst) (all []burst) {
	for range n {
		all = append(all, b)
	}
	return all
}

// stuckOut is an egress that takes nothing.
type stuckOut struct{ received }

func newStuckOut() *stuckOut { return &stuckOut{received{refuse: 1 << 40}} }

// letGo lets it take what comes.
func (s *stuckOut) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = 0
}

// TestTransactionsTakeRoom: what the calls of a transaction send, emit and set timers of counts for the bounds before it is decided, and no
// more once it has failed.
func TestTransactionsTakeRoom(t *testing.T) {
	for name, c := range map[string]struct {
		burst burst
		want  error
	}{
		"messages": {burst{Messages: 60}, engine.ErrTooManyMessages},
		"timers":   {burst{Timers: 60}, engine.ErrTooManyTimers},
		"records":  {burst{Records: 60}, engine.ErrEgressFull},
	} {
		t.Run(name, func(t *testing.T) {
			out := newStuckOut()
			e := openVats(t, engine.Options{Workers: 2, MaxMessages: 1000, MaxTimers: 1000, MaxBacklog: 1000, Logger: new(logLines).logger(),
				Egresses: map[string]engine.Egress{"drain": out}})
			defer out.letGo()
			for range 3 {
				wantErr(t, e.Do(ctx, bursts.With(times(17, c.burst))), c.want)
			}
			must(t, e.Do(ctx, bursts.With(times(16, c.burst))))
			eventually(t, "the messages are run", func() bool { return e.Queued() == 0 })
			if n := engine.TimersSet(e); n != 16*c.burst.Timers {
				t.Errorf("%d timers count", n)
			}
			if name != "messages" {
				wantErr(t, e.Do(ctx, bursts.With(times(1, c.burst))), c.want)
			}
		})
	}
}

// TestTimersCountByWeight: a timer with a large argument counts more, until it is taken back, has fired or its instance is deleted; also
// after a restart.
func TestTimersCountByWeight(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), MaxTimers: 100, Seams: seams.Set{Clock: clock}}
	e := openVats(t, o)
	large := burst{Timers: 1, Bytes: 30 << 10}
	for range 3 {
		must(t, e.Do(ctx, burstOut.On("v0", large)))
	}
	wantErr(t, e.Do(ctx, burstOut.On("v0", large)), engine.ErrTooManyTimers)
	e = reopen(t, e, o, vats, bursts)
	wantErr(t, e.Do(ctx, burstOut.On("v0", large)), engine.ErrTooManyTimers)
	clock.move(2 * time.Hour)
	eventually(t, "they have fired", func() bool { return engine.TimersSet(e) == 0 })
	must(t, e.Do(ctx, burstOut.On("v0", burst{Own: 3, Bytes: 30 << 10})))
	wantErr(t, e.Do(ctx, burstOut.On("v1", large)), engine.ErrTooManyTimers)
	must(t, e.Do(ctx, empty.On("v0")))
	if n := engine.TimersSet(e); n != 0 {
		t.Errorf("timers of %d count", n)
	}
	must(t, e.Do(ctx, burstOut.On("v1", large)))
}

// TestOwnTimersAreBounded: an instance has at most as many timers for itself as one operation may have effects, so that its deletion, which
// takes them back, does not hold its worker for long. Those for others, and those of others, do not count.
func TestOwnTimersAreBounded(t *testing.T) {
	e := openVats(t, engine.Options{})
	must(t, e.Do(ctx, burstOut.On("v0", burst{Own: 6000})))
	wantErr(t, e.Do(ctx, burstOut.On("v0", burst{Own: 4001})), engine.ErrTooManyTimers, "test/vat/v0", "10001", "10000")
	must(t, e.Do(ctx, burstOut.On("v0", burst{Timers: 4001})))
	must(t, e.Do(ctx, burstOut.On("v0", burst{Own: 4000})))
	wantErr(t, e.Do(ctx, burstOut.On("v0", burst{Own: 1})), engine.ErrTooManyTimers)
	wantErr(t, e.Do(ctx, bursts.With(times(1, burst{Own: 1}))), engine.ErrTooManyTimers)
	wantErr(t, e.Do(ctx, bursts.With([]burst{9: {}, 1: {Own: 6000}, 11: {Own: 6000}})), engine.ErrTooManyTimers)
	must(t, e.Do(ctx, empty.On("v0")))
	must(t, e.Do(ctx, pour.On("v0", nil)))
	must(t, e.Do(ctx, burstOut.On("v0", burst{Own: 10_000})))
}

// released lets the transactions end that hold a lock.
var released atomic.Bool

// doze takes a while.
var doze = functions.View(vats, "doze", func(*functions.Ctx, crate) (int, error) { time.Sleep(100 * time.Microsecond); return 0, nil })

// hold holds the lock of the vat hot; v0 is there.
var hold = twopc.New("test/hold", func(tx *twopc.Tx, _ int) error {
	if err := tx.Do(pour.On("hot", nil)); err != nil {
		return err
	}
	for !released.Load() {
		if _, err := twopc.Ask(tx, doze.On("v0")); err != nil {
			return err
		}
	}
	return nil
})

// TestUndecidedTransactionsAreBounded: transactions that have changed much and wait for a lock keep at most Options.MaxEpochBytes together.
// One more fails, and says so; those that had room go on. Effects that they attach to their outcomes count too.
func TestUndecidedTransactionsAreBounded(t *testing.T) {
	type change struct {
		N        int
		Attached bool
	}
	wait := twopc.New("test/wait", func(tx *twopc.Tx, c change) error {
		goods := make([]byte, 30_000)
		if c.Attached {
			tx.OnAbort(pour.On("sink", goods))
		} else if err := tx.Do(pour.On(fmt.Sprint("wait", c.N), goods)); err != nil {
			return err
		}
		return tx.Do(pour.On("hot", nil))
	})
	for _, attached := range []bool{false, true} {
		released.Store(false)
		const most, n = 1 << 18, 40
		e := open(t, engine.Options{Workers: 2, MaxBytes: 32 << 10, MaxEpochBytes: most}, vats, hold, wait)
		must(t, e.Do(ctx, pour.On("v0", nil)))
		holds, err := e.Submit(hold.With(0))
		must(t, err)
		eventually(t, "it holds the lock", func() bool { return e.Stats().Epochs > 3 })
		var pending []engine.Pending
		for i := range n {
			p, err := e.Submit(wait.With(change{i, attached}))
			must(t, err)
			pending = append(pending, p)
		}
		failed := func() (n int) {
			for _, p := range pending {
				if p.Done() {
					n++
				}
			}
			return n
		}
		eventually(t, "what has no room fails", func() bool { return failed() >= n-most/30_000-3 })
		released.Store(true)
		must(t, holds.Wait(ctx))
		good := 0
		for _, p := range pending {
			if err := p.Wait(ctx); err != nil {
				wantErr(t, err, functions.ErrTooLarge, "not decided", fmt.Sprint(most), "MaxEpochBytes")
			} else {
				good++
			}
		}
		if good < most/30_000/2 {
			t.Errorf("attached %v: %d have committed", attached, good)
		}
		must(t, e.Do(ctx, wait.With(change{0, attached})))
	}
}

// TestIngressWaitsForItsMessages: an ingress that is faster than what handles its records waits, however often an epoch is cut meanwhile;
// it keeps nobody else from sending. Each record is handled.
func TestIngressWaitsForItsMessages(t *testing.T) {
	released.Store(false)
	const records = 100
	var given atomic.Int64
	begin := make(chan struct{})
	source := ingressFunc(func(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
		<-begin
		for p := after + 1; p <= records; p++ {
			message := functions.Message(pour.On("hot", nil))
			if p%10 == 0 {
				message = fatSaga.With(fatRun{Steps: 1})
			}
			if err := deliver(p, message); err != nil {
				return err
			}
			given.Add(1)
		}
		return nil
	})
	o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxMessages: 80}
	e := open(t, o, vats, fatSaga, hold)
	must(t, e.Do(ctx, pour.On("v0", nil)))
	must(t, e.Do(ctx, pour.On("v1", nil)))
	must(t, e.Close())
	o.Ingresses = map[string]engine.Ingress{"in": source}
	e = open(t, o, vats, fatSaga, hold)
	holds, err := e.Submit(hold.With(0))
	must(t, err)
	eventually(t, "epochs are cut", func() bool { return e.Stats().Epochs > 3 })
	close(begin)
	eventually(t, "records are taken", func() bool { return given.Load() >= 10 })
	epochs := e.Stats().Epochs
	eventually(t, "epochs are cut", func() bool { return e.Stats().Epochs > epochs+5 })
	if n := given.Load(); n != 10+1 { // each tenth begins at once
		t.Errorf("%d records were taken, and one is handled", n)
	}
	must(t, e.Do(ctx, burstOut.On("v1", burst{Messages: 50})))
	released.Store(true)
	must(t, holds.Wait(ctx))
	eventually(t, "all records are taken", func() bool { return given.Load() == records })
	must(t, e.Do(ctx, pour.On("hot", nil)))
	eventually(t, "the messages are run", func() bool { return e.Queued() == 0 })
}
