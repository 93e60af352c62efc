package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// duty is work of a coordinator function: calls on an instance, each of which takes time.
type duty struct {
	On    string
	Calls int
	Takes time.Duration
}

var (
	// labour takes simulated time, once.
	labour = functions.Update(mills, "labour", func(_ *functions.Ctx, m *mill, takes time.Duration) error {
		work.Load().pass(takes)
		m.Ground++
		return nil
	})
	// lift takes no time.
	lift = functions.Update(mills, "lift", func(_ *functions.Ctx, m *mill, _ int) error { m.Ground++; return nil })

	errNoMore functions.Failure = "test: no more"

	sagaOfSteps = saga.New("test/steps", func(s *saga.Run, e duty) error {
		for range e.Calls {
			if err := s.Do(labour.On(e.On, e.Takes), saga.NoUndo); err != nil {
				return err
			}
		}
		return nil
	})
	sagaAtOnce = saga.New("test/steps-at-once", func(s *saga.Run, e duty) error {
		return s.All(slices.Repeat([]saga.Step{{Do: labour.On(e.On, e.Takes), Undo: saga.NoUndo}}, e.Calls)...)
	})
	sagaUndone = saga.New("test/undone", func(s *saga.Run, e duty) error {
		for range e.Calls {
			if err := s.Do(lift.On(e.On, 0), labour.On(e.On, e.Takes)); err != nil {
				return err
			}
		}
		return errNoMore
	})
	txOfCalls = twopc.New("test/calls", func(tx *twopc.Tx, e duty) error {
		for range e.Calls {
			if err := tx.Do(labour.On(e.On, e.Takes)); err != nil {
				return err
			}
		}
		return nil
	})
	txAtOnce = twopc.New("test/calls-at-once", func(tx *twopc.Tx, e duty) error {
		return tx.All(slices.Repeat([]functions.Call{labour.On(e.On, e.Takes)}, e.Calls)...)
	})
	txOfAll = twopc.New("test/all", func(tx *twopc.Tx, all []duty) error {
		calls := make([]functions.Call, len(all))
		for i, e := range all {
			calls[i] = labour.On(e.On, e.Takes)
		}
		return tx.All(calls...)
	})
	txOfCheapCalls = twopc.New("test/cheap-calls", func(tx *twopc.Tx, ids []string) error {
		for _, id := range ids {
			if err := tx.Do(lift.On(id, 0)); err != nil {
				return err
			}
		}
		return nil
	})
)

// TestCoordinatorsKeepNobodyOut: beside a hundred coordinator functions whose calls take time, whatever their protocol, and however many
// calls they make at once, a request on an instance that is not locked is answered in time, and transactions that need little and
// deadlock come to their end. Time is simulated: all that takes time is the calls and the seals.
func TestCoordinatorsKeepNobodyOut(t *testing.T) {
	type start func(duty) functions.Request
	for _, load := range []struct {
		name  string
		start start
		calls int
	}{
		{"saga", func(e duty) functions.Request { return sagaOfSteps.With(e) }, 2000},
		{"saga at once", func(e duty) functions.Request { return sagaAtOnce.With(e) }, 200},
		{"saga undone", func(e duty) functions.Request { return sagaUndone.With(e) }, 200},
		{"transaction", func(e duty) functions.Request { return txOfCalls.With(e) }, 2000},
		{"transaction at once", func(e duty) functions.Request { return txAtOnce.With(e) }, 200},
	} {
		for _, takes := range []time.Duration{100 * time.Microsecond, 200 * time.Microsecond, 5 * time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond} {
			for _, ids := range racedetector.Fewer([]bool{false, true}, []bool{true}) {
				t.Run(fmt.Sprintf("%s-%v-%v", load.name, takes, ids), func(t *testing.T) {
					besideCoordinators(t, takes, ids, func(i int) functions.Request {
						return load.start(duty{fmt.Sprint("m", i), load.calls, takes})
					})
				})
			}
		}
	}
}

// besideCoordinators makes requests beside a hundred coordinator functions.
func besideCoordinators(t *testing.T, takes time.Duration, ids bool, start func(i int) functions.Request) {
	const maxDrain, sealTakes, many = 50 * time.Millisecond, 3 * time.Millisecond, 100
	clock, rng := newPassingClock(), rand.New(rand.NewPCG(1, 1))
	work.Store(clock)
	o := engine.Options{Dir: "data", Workers: 1, MaxDrain: maxDrain}
	o.Seams = seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}
	two := &twoProcessors{clock: clock, takes: sealTakes}
	o.Seams.Log = seams.Over(two.seal)
	e, err := engine.Open(o, notes, mills, sagaOfSteps, sagaAtOnce, sagaUndone, txOfCalls, txAtOnce, txOfCheapCalls)
	must(t, err)
	two.attach(e)
	await := func(ps ...engine.Pending) time.Duration {
		began := clock.Elapsed()
		for n := 0; slices.ContainsFunc(ps, func(p engine.Pending) bool { return !p.Done() }); n++ {
			if !e.Step(two.choose) || n == 300_000 {
				t.Fatalf("after %d steps there are outcomes missing", n)
			}
		}
		for _, p := range ps {
			must(t, p.Wait(ctx))
		}
		return two.sealed - began
	}
	submit := func(r functions.Request) engine.Pending {
		p, err := e.Submit(r)
		must(t, err)
		return p
	}
	var up, down []string
	for i := range many {
		await(submit(newNote.On(fmt.Sprint("n", i), 0)), submit(newMill.On(fmt.Sprint("m", i), 0)))
	}
	for i := range 10 {
		id := fmt.Sprint("free", i)
		await(submit(newMill.On(id, 0)))
		up, down = append(up, id), append([]string{id}, down...)
	}
	for range 2 { // so that it is known to take long
		await(submit(labour.On("free1", takes)))
	}
	for i := range many {
		submit(start(i))
	}
	bound := maxDrain + 2*sealTakes + takes
	for round := range 20 {
		for range rng.IntN(300) {
			e.Step(two.choose)
		}
		var crowd []engine.Pending
		own := time.Duration(0)
		for i := range 1 + round%8 {
			call := jot.On(fmt.Sprint("n", i), round)
			if round%4 == 3 && i == 0 { // takes as long as those of the others
				call, own = labour.On("free0", takes), takes
			}
			if ids {
				crowd = append(crowd, submit(call.As(fmt.Sprint("r", round, "-", i))))
			} else {
				crowd = append(crowd, submit(call))
			}
		}
		if took := await(crowd...); took > bound+own {
			t.Errorf("the last of %d requests was answered after %v, the bound is %v", len(crowd), took, bound+own)
		}
	}
	var deadlocks []engine.Pending
	for i := range 8 {
		deadlocks = append(deadlocks, submit(txOfCheapCalls.With([][]string{up, down}[i%2])))
	}
	alike := submit(txOfCalls.With(duty{"free0", 3, takes}))
	// Each of their messages may wait for a call that runs.
	if took, bound := await(deadlocks...), 400*(takes+sealTakes); took > bound {
		t.Errorf("the last of %d transactions that deadlocked ended after %v, the bound is %v", len(deadlocks), took, bound)
	}
	// Each call may wait for one of each of the others that takes as long, and not for all that they ask for at once.
	if took, bound := await(alike), 4*many*(takes+sealTakes)+2*maxDrain; took > bound {
		t.Errorf("a transaction of calls like the others' ended after %v, the bound is %v", took, bound)
	}
	must(t, e.Abandon())
}

// TestNoCycleIsForgotten: where looks for cycles take long, cuts by force go without most of them. A cycle is found all the same, also when
// nothing is sealed any more because everybody waits for a lock. And who has to give way does, also if calls of its wait for their turn
// because they take long.
func TestNoCycleIsForgotten(t *testing.T) {
	for seed := range racedetector.Fewer(uint64(300), 50) {
		clock, rng := newPassingClock(), rand.New(rand.NewPCG(seed, 1))
		work.Store(clock)
		o := engine.Options{Dir: "data", Workers: 1 + rng.IntN(3), MaxDrain: time.Millisecond}
		o.Seams = seams.Set{FS: vfs.NewMem(), Clock: clock, Stepped: true}
		o.Seams.Spent = func(on seams.Spent) {
			clock.elapse(time.Duration(rng.IntN(1000)) * time.Microsecond)
			if on == seams.SpentOnLook {
				clock.elapse(20 * time.Millisecond)
			}
		}
		e, err := engine.Open(o, mills, txOfCheapCalls, txOfAll)
		must(t, err)
		var waits []engine.Pending
		submit := func(r functions.Request) {
			p, err := e.Submit(r)
			must(t, err)
			waits = append(waits, p)
		}
		rest := func() {
			n := 0
			for n < 100_000 && e.Step(rng.IntN) {
				n++
			}
			for _, p := range waits {
				if !p.Done() {
					t.Fatalf("seed %d: after %d steps nothing happens any more, and somebody waits", seed, n)
				}
				must(t, p.Wait(ctx))
			}
			waits = nil
		}
		ids := []string{"a", "b", "c", "d"}
		for _, id := range ids {
			submit(newMill.On(id, 0))
		}
		rest()
		for range 12 {
			rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			if rng.IntN(2) == 0 {
				submit(txOfCheapCalls.With(slices.Clone(ids)))
			} else {
				all := make([]duty, len(ids))
				for i, id := range ids {
					all[i] = duty{On: id, Takes: time.Duration(rng.IntN(400)) * time.Microsecond}
				}
				submit(txOfAll.With(all))
			}
			for range rng.IntN(20) {
				e.Step(rng.IntN)
			}
		}
		rest()
		must(t, e.Close())
	}
}

// TestCostlyOnSeveralWorkers: the bound holds where all workers run calls that take long: a request waits for those that run when it comes,
// and for none that another worker begins after that. With an id it waits for no other workers than without. What is counted is the calls
// that end while a request waits, of each worker: one at most. They sleep, so that it does not matter how many processors there are.
func TestCostlyOnSeveralWorkers(t *testing.T) {
	const many, clients, each, takes = 100, 4, 15, 150 * time.Millisecond
	hash := format.NameHash("test/napper")
	for _, workers := range []int{2, 4} {
		for _, ids := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%v", workers, ids), func(t *testing.T) {
				t.Parallel()
				var mu sync.Mutex
				ends := make([][]time.Time, workers) // of the calls, by worker
				nappers := functions.NewType[mill]("test/napper")
				newNapper := functions.Create(nappers, "new", func(*functions.Ctx, *mill, int) error { return nil })
				nap := functions.Update(nappers, "nap", func(c *functions.Ctx, m *mill, _ int) error {
					time.Sleep(takes)
					m.Ground++
					mu.Lock()
					defer mu.Unlock()
					w := int(format.InstanceShard(hash, c.Self().ID, format.DefaultShards)) % workers
					ends[w] = append(ends[w], time.Now())
					return nil
				})
				naps := saga.New("test/naps", func(s *saga.Run, on string) error {
					for {
						if err := s.Do(nap.On(on, 0), saga.NoUndo); err != nil {
							return err
						}
					}
				})
				e, err := engine.Open(engine.Options{Dir: t.TempDir(), Workers: workers, Logger: slog.New(slog.DiscardHandler)}, notes, nappers, naps)
				must(t, err)
				for i := range many {
					must(t, e.Do(ctx, newNapper.On(fmt.Sprint("m", i), 0)))
					must(t, e.Do(ctx, newNote.On(fmt.Sprint("n", i), 0)))
				}
				for i := range many {
					_, err := e.Submit(naps.With(fmt.Sprint("m", i)))
					must(t, err)
				}
				time.Sleep(4 * takes) // so that it is known to take long
				waited := make([]int, clients*each)
				var group sync.WaitGroup
				for c := range clients {
					group.Go(func() {
						for i := range each {
							n := c*each + i
							request := functions.Request(jot.On(fmt.Sprint("n", n), 1))
							if ids {
								request = jot.On(fmt.Sprint("n", n), 1).As(fmt.Sprint("r", n))
							}
							p, err := e.Submit(request)
							must(t, err)
							began := time.Now()
							must(t, p.Wait(ctx))
							now := time.Now()
							mu.Lock()
							for _, ends := range ends {
								ended := 0
								for _, end := range ends {
									if end.After(began) && end.Before(now) {
										ended++
									}
								}
								waited[n] = max(waited[n], ended)
							}
							mu.Unlock()
						}
					})
				}
				group.Wait()
				slices.Sort(waited)
				// One of ten may have met other processes that needed the processor.
				if p90 := waited[len(waited)*9/10]; p90 > 1 {
					t.Errorf("of %d requests one in ten waited for %d calls of a worker or more, in the median it was %d", len(waited), p90, waited[len(waited)/2])
				}
				now, cancel := context.WithCancel(ctx)
				cancel()
				_ = e.Close(now) // the sagas go on forever
			})
		}
	}
}
