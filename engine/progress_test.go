package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/twopc"
)

// A mill grinds: its messages take time.
type mill struct {
	Ground int
	Stop   bool
}

// grist is what a mill is told: to grind for so long, and then to tell itself again, so many times; -1: forever.
type grist struct {
	Takes time.Duration
	Again int
}

var (
	mills   = functions.NewType[mill]("test/mill")
	newMill = functions.Create(mills, "new", func(*functions.Ctx, *mill, int) error { return nil })
	grind   = makeGrind()
	fill    = functions.Update(mills, "fill", func(ctx *functions.Ctx, _ *mill, sacks []grist) error {
		for _, s := range sacks {
			ctx.Send(grind.On(ctx.Self().ID, s))
		}
		return nil
	})
	halt   = functions.Update(mills, "halt", func(_ *functions.Ctx, m *mill, _ int) error { m.Stop = true; return nil })
	ground = functions.View(mills, "ground", func(_ *functions.Ctx, m mill) (int, error) { return m.Ground, nil })
	ring   = functions.Update(mills, "ring", func(ctx *functions.Ctx, _ *mill, d time.Duration) error {
		ctx.SendAfter(d, jot.On("bell", int(d/time.Millisecond)))
		return nil
	})
	// bothWays takes the mills in the order given.
	bothWays = twopc.New("test/both-ways", func(tx *twopc.Tx, ids []string) error {
		for _, id := range ids {
			if err := tx.Do(grind.On(id, grist{})); err != nil {
				return err
			}
		}
		return nil
	})
)

func makeGrind() (op functions.Command[grist]) {
	op = functions.Update(mills, "grind", func(ctx *functions.Ctx, m *mill, g grist) error {
		for began := time.Now(); time.Since(began) < g.Takes; {
		}
		m.Ground++
		if g.Again != 0 && !m.Stop {
			ctx.Send(op.On(ctx.Self().ID, grist{g.Takes, max(g.Again-1, -1)}))
		}
		return nil
	})
	return op
}

// TestRequestsAreAnsweredInTime: a request on an instance that is not locked is answered within MaxDrain, two seals and the operation
// that runs, whatever else goes on: a function that sends to itself, a backlog, at any cost of a message. Time is simulated: all that
// takes time is the functions and the seals. When the request comes in is up to a seed.
func TestRequestsAreAnsweredInTime(t *testing.T) {
	const maxDrain, sealTakes = 20 * time.Millisecond, 3 * time.Millisecond
	for _, takes := range []time.Duration{time.Microsecond, 30 * time.Microsecond, time.Millisecond, 15 * time.Millisecond, time.Second} {
		for _, backlog := range []int{0, 300, 20_000} {
			t.Run(fmt.Sprintf("%v-%d", takes, backlog), func(t *testing.T) {
				for seed := range racedetector.Fewer(uint64(4), 1) {
					longest := longestAnswer(t, seed, takes, backlog, maxDrain, sealTakes)
					if bound := maxDrain + 2*sealTakes + takes + takes; longest > bound { // its own operation takes as long
						t.Errorf("seed %d: a request was answered after %v, the bound is %v", seed, longest, bound)
					}
				}
			})
		}
	}
}

// work is what a toil passes the time of, in a test with a clock of its own.
var work atomic.Pointer[passingClock]

// toil is a grind in simulated time, which no other function takes any of.
var toil = makeToil()

func makeToil() (op functions.Command[grist]) {
	op = functions.Update(mills, "toil", func(ctx *functions.Ctx, m *mill, g grist) error {
		if m.Stop {
			return nil
		}
		work.Load().pass(g.Takes)
		ctx.Send(op.On(ctx.Self().ID, g))
		return nil
	})
	return op
}

// twoProcessors steps an engine with one worker as if the worker and the sealer had a processor each: while an epoch is being sealed the
// worker goes on, and if it does something that takes time, the seal is over meanwhile.
type twoProcessors struct {
	clock  *passingClock
	engine *engine.Engine
	takes  time.Duration // a seal
	beside bool          // the worker is at something that takes time
	sealed time.Duration // when the last seal was over
}

// attach is called once the engine is open.
func (p *twoProcessors) attach(e *engine.Engine) {
	p.engine = e
	p.clock.during = func() {
		p.beside = true
		engine.SealNow(p.engine)
		p.beside = false
	}
}

func (p *twoProcessors) choose(n int) int {
	if n > 2 {
		return (n - 1) % 4 % 3
	}
	return 0 // the worker, as long as it has something to do
}

// seal is Seams.Seal.
func (p *twoProcessors) seal(_ uint64, _ *table.Batch, write func() error) error {
	p.sealed = p.clock.Elapsed() + p.takes
	if !p.beside {
		p.clock.elapse(p.takes)
	}
	return write()
}

// TestCrowdsAreAnsweredInTime: the bound holds for each of many requests that come at once, plain ones and transactions: they do not
// wait for a costly message each. Time is simulated, and requests take none of it themselves.
func TestCrowdsAreAnsweredInTime(t *testing.T) {
	const maxDrain, sealTakes, crowd = 20 * time.Millisecond, 3 * time.Millisecond, 64
	payTx := twopc.New("test/two-notes", func(tx *twopc.Tx, n int) error {
		return tx.All(jot.On(fmt.Sprint("n", n), n), jot.On(fmt.Sprint("o", n), n))
	})
	for _, takes := range []time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
		for _, transactions := range []bool{false, true} {
			clock := newPassingClock()
			work.Store(clock)
			o := engine.Options{Dir: "data", Workers: 1, MaxDrain: maxDrain}
			o.Seams = seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}
			two := &twoProcessors{clock: clock, takes: sealTakes}
			o.Seams.Log = seams.Over(two.seal)
			e, err := engine.Open(o, notes, mills, payTx)
			must(t, err)
			two.attach(e)
			submit := func(r functions.Request) engine.Pending {
				p, err := e.Submit(r)
				must(t, err)
				return p
			}
			wait := func(ps ...engine.Pending) {
				for n := 0; slices.ContainsFunc(ps, func(p engine.Pending) bool { return !p.Done() }); n++ {
					if !e.Step(two.choose) || n == 200_000 {
						t.Fatalf("after %d steps there are outcomes missing", n)
					}
				}
				for _, p := range ps {
					must(t, p.Wait(ctx))
				}
			}
			for i := range crowd {
				wait(submit(newNote.On(fmt.Sprint("n", i), 0)), submit(newNote.On(fmt.Sprint("o", i), 0)))
			}
			wait(submit(newMill.On("m", 0)), submit(toil.On("m", grist{Takes: takes})))
			for round := range 20 {
				for range 7 * round {
					e.Step(two.choose)
				}
				var began time.Duration
				var all []engine.Pending
				comes := func() {
					began = clock.Elapsed()
					for i := range crowd {
						if transactions {
							all = append(all, submit(payTx.With(i)))
						} else {
							all = append(all, submit(jot.On(fmt.Sprint("n", i), round)))
						}
					}
				}
				switch round % 3 {
				case 0:
					comes()
				case 1: // just when something has begun that takes time
					clock.once = comes
				case 2: // be it a call of another client
					submit(labour.On("m", takes))
					clock.once = comes
				}
				for all == nil {
					e.Step(two.choose)
				}
				wait(all...)
				if took, bound := two.sealed-began, maxDrain+2*sealTakes+takes; took > bound {
					t.Errorf("%v, transactions %v: the last of %d was answered after %v, the bound is %v", takes, transactions, crowd, took, bound)
				}
			}
			wait(submit(halt.On("m", 0)))
			must(t, e.Close())
		}
	}
}

// TestCostlyAllAtOnce: messages that become costly all at once, behind many that were cheap, keep nobody out until a round is over, which
// would be two hundred of them.
func TestCostlyAllAtOnce(t *testing.T) {
	t.Parallel()
	const takes, bound = 100 * time.Millisecond, 1500 * time.Millisecond // 160 ms are promised; a round would take up to 25 s
	e := open(t, engine.Options{Workers: 1}, notes, mills)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newMill.On("m", 0)))
	work := make([]grist, 3000)
	for i := range work[2000:] {
		work[2000+i].Takes = takes
	}
	for i := range 8 {
		began := time.Now()
		if i == 0 {
			must(t, e.Do(ctx, fill.On("m", work)))
		}
		must(t, e.Do(ctx, jot.On("n", 1)))
		if took := time.Since(began); took > bound {
			t.Fatalf("a request took %v", took)
		}
	}
	must(t, e.Do(ctx, halt.On("m", 0)))
}

// longestAnswer makes requests, one after the other, beside a mill that goes on forever and a backlog.
func longestAnswer(t *testing.T, seed uint64, takes time.Duration, backlog int, maxDrain, sealTakes time.Duration) (longest time.Duration) {
	t.Helper()
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(seed, 0))
	costly := false
	o := engine.Options{Dir: "data", Workers: 1, MaxDrain: maxDrain}
	o.Seams = seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}
	o.Seams.Spent = func(s seams.Spent) {
		if s == seams.SpentOnFunction && costly {
			clock.pass(takes)
		}
	}
	o.Seams.Log = seams.Over(func(_ uint64, _ *table.Batch, write func() error) error {
		clock.pass(sealTakes)
		return write()
	})
	e, err := engine.Open(o, notes, mills)
	must(t, err)
	last := func(n int) int { // the sealer before the worker, and the worker in its own order
		if n == 4 {
			return 0
		}
		return n - 1
	}
	do := func(r functions.Request) time.Duration {
		t.Helper()
		before := clock.Elapsed()
		p, err := e.Submit(r)
		must(t, err)
		for n := 0; !p.Done(); n++ {
			if !e.Step(last) || n == 200_000 {
				t.Fatalf("after %d steps there is no outcome", n)
			}
		}
		must(t, p.Wait(ctx))
		return clock.Elapsed() - before
	}
	do(newNote.On("n", 0))
	do(newMill.On("m", 0))
	do(grind.On("m", grist{Again: -1}))
	for at := 0; at < backlog; at += 5000 {
		do(fill.On("m", make([]grist, min(5000, backlog-at))))
	}
	costly = true
	for i := range 20 {
		for range rng.IntN(500) {
			e.Step(last)
		}
		longest = max(longest, do(jot.On("n", i)))
	}
	costly = false
	do(halt.On("m", 0))
	must(t, e.Close())
	return longest
}

// TestSealerGetsAProcessor: beside functions that take time the sealer, and whoever waits for it, gets a processor when it needs one,
// though there is one only and the worker could have it all the time: Go takes it away after 10 ms, and a request needs it several
// times. What counts is the time that this process has run: other processes may need the processor too.
func TestSealerGetsAProcessor(t *testing.T) {
	e := open(t, engine.Options{Workers: 1}, notes, mills)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newMill.On("m", 0)))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	must(t, e.Do(ctx, fill.On("m", slices.Repeat([]grist{{100 * time.Microsecond, -1}}, 1000))))
	took := make([]time.Duration, 41)
	for i := range took {
		began := cpuTime(t)
		must(t, e.Do(ctx, jot.On("n", i)))
		took[i] = cpuTime(t) - began
	}
	must(t, e.Do(ctx, halt.On("m", 0)))
	slices.Sort(took)
	if median := took[len(took)/2]; median > 25*time.Millisecond {
		t.Errorf("a request took %v in the median, and %v at most", median, took[len(took)-1])
	}
}

// TestNothingIsKeptOut: beside functions that take time and never stop, requests, timers, records of an ingress, transactions that
// deadlock, and people who look after sagas come to their end, each in a time in which they could not if they had to wait for them.
func TestNothingIsKeptOut(t *testing.T) {
	for _, takes := range []time.Duration{0, 4 * time.Microsecond, 50 * time.Microsecond, 2 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			records := make(chan uint64, 1)
			source := ingressFunc(func(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
				for {
					select {
					case n := <-records:
						if err := deliver(n, jot.On("in", int(n))); err != nil {
							return err
						}
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			})
			e := open(t, engine.Options{Workers: 2, Ingresses: map[string]engine.Ingress{"in": source}}, notes, mills, bothWays)
			for _, id := range []string{"n", "in", "bell"} {
				must(t, e.Do(ctx, newNote.On(id, 0)))
			}
			var up, down []string
			for i := range 20 {
				id := fmt.Sprint("mill-", i)
				must(t, e.Do(ctx, newMill.On(id, 0)))
				up, down = append(up, id), append([]string{id}, down...)
			}
			for i := range 4 {
				id := fmt.Sprint("busy-", i)
				must(t, e.Do(ctx, newMill.On(id, 0)))
				must(t, e.Do(ctx, grind.On(id, grist{takes, -1})))
				must(t, e.Do(ctx, fill.On(id, make([]grist, 1000))))
			}
			var group sync.WaitGroup
			var done atomic.Int64
			do := func(what string, f func(ctx context.Context) error) {
				group.Go(func() {
					short, cancel := context.WithTimeout(ctx, 20*time.Second)
					defer cancel()
					if err := f(short); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					done.Add(1)
				})
			}
			for i := range 8 {
				do("requests", func(ctx context.Context) error {
					for n := range 10 {
						if err := e.Do(ctx, jot.On("n", 100*i+n)); err != nil {
							return err
						}
					}
					return nil
				})
				do("deadlocks", func(ctx context.Context) error { return e.Do(ctx, bothWays.With([][]string{up, down}[i%2])) })
			}
			do("operators", func(ctx context.Context) error { _, err := e.Sagas(ctx); return err })
			must(t, e.Do(ctx, ring.On("mill-0", 5*time.Millisecond)))
			records <- 1
			for _, id := range []string{"bell", "in"} {
				do("what goes to "+id, func(ctx context.Context) error {
					for {
						if got, err := engine.Ask(ctx, e, lines.On(id)); err != nil || len(got) > 0 {
							return err
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			group.Wait()
			for i := range 4 {
				must(t, e.Do(ctx, halt.On(fmt.Sprint("busy-", i), 0)))
			}
			if n := ask(t, e, ground.On("busy-0")); n < 5 {
				t.Errorf("what sends to itself ran only %d times: it was kept out", n)
			}
		})
	}
}
