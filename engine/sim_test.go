package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
)

// simClock is a clock that only a test moves.
type simClock struct {
	mu  sync.Mutex
	now time.Time
	at  time.Time
	f   func()

	fired int // wakes
}

func (c *simClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *simClock) Wake(at time.Time, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.f = at, f
}

// advance moves the time, and wakes who is due.
func (c *simClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	f := c.f
	if f == nil || c.at.After(c.now) {
		f = nil
	} else {
		c.f = nil
	}
	c.mu.Unlock()
	if f != nil {
		c.fired++
		f()
	}
}

// untilWake is how long it is until somebody is to be woken.
func (c *simClock) untilWake() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.at.Sub(c.now)), c.f != nil
}

// simEgress is a receiver with a durable position. It refuses some of the writes.
type simEgress struct {
	sim     *sim
	records []engine.Record
	refuse  int
}

func (g *simEgress) Position() (uint64, error) { return uint64(len(g.records)), nil }

func (g *simEgress) Write(_ context.Context, records []engine.Record) error {
	if g.refuse++; g.refuse%5 == 0 {
		return errors.New("the receiver is busy")
	}
	g.sim.mu.Lock()
	defer g.sim.mu.Unlock()
	for _, r := range records {
		r.Value = slices.Clone(r.Value)
		g.records = append(g.records, r)
	}
	return nil
}

func (g *simEgress) Close() error { return nil }

// simFS tells of each operation before it happens, and whether it is to fail.
func simFS(fs vfs.FS, hook func(op errorfs.Op) error) vfs.FS {
	return reusing{errorfs.Wrap(fs, errorfs.InjectorFunc(hook))}
}

// reusing makes the recycling of files visible to errorfs, which does not wrap the file that it returns.
type reusing struct{ *errorfs.FS }

func (r reusing) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := r.Rename(old, name); err != nil {
		return nil, err
	}
	return r.OpenReadWrite(name, category)
}

// sim runs one engine from a seed, in one thread: requests come in, time passes and the engine steps as the seed says.
type sim struct {
	world    world
	rng      *rand.Rand
	clock    *simClock
	engine   *engine.Engine
	options  engine.Options
	inFlight int // orders at a time, at most
	refused  int // orders that Submit refused

	mu       sync.Mutex // for snapshots, which the file system takes from any goroutine
	orders   []order
	outcomes map[string]string
	decided  map[string]map[saga.Decision]bool
	out      *simEgress

	waiting   []simWait
	steps     int
	afterStep func()
}

type simWait struct {
	id      string
	pending engine.Pending
	value   *int64
}

func newSim(seed uint64) *sim {
	s := &sim{
		world:    world{prefix: "w", tills: 8},
		rng:      rand.New(rand.NewPCG(seed, 0)),
		clock:    &simClock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		outcomes: map[string]string{},
		decided:  map[string]map[saga.Decision]bool{},
	}
	s.out = &simEgress{sim: s}
	s.inFlight = 1 + s.rng.IntN(40)
	s.options = engine.Options{
		Dir:           "deep/er/data", // none of it exists
		Workers:       1 + s.rng.IntN(3),
		Shards:        8,
		Policy:        locks.Policy(s.rng.IntN(4)),
		MaxUndoTries:  2,
		CacheBytes:    []int64{1 << 14, 1 << 20}[s.rng.IntN(2)],
		MemTableBytes: 1 << 16,
		KeepOutcomes:  -1,
		ReserveBytes:  -1,
		MaxDrain:      []time.Duration{time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond, time.Second}[s.rng.IntN(4)],
		Egresses:      map[string]engine.Egress{"audit-out": s.out},
		Logger:        slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	s.options.Seams = engine.Seams{FS: vfs.NewMem(), Clock: s.clock, Stepped: true}
	return s
}

func (s *sim) open() (err error) {
	s.engine, err = engine.Open(s.options, auditParts...)
	return err
}

// submit gives the engine an order.
func (s *sim) submit(o order) {
	value := new(int64)
	pending, err := s.engine.Submit(o.request(value))
	if err != nil {
		s.refused++
		return
	}
	s.waiting = append(s.waiting, simWait{o.ID, pending, value})
}

// give submits an order for the first time.
func (s *sim) give(o order) {
	s.mu.Lock()
	s.orders = append(s.orders, o)
	s.mu.Unlock()
	s.submit(o)
}

// step lets one thing happen and some time pass. It reports false if the engine had nothing to do.
func (s *sim) step() bool {
	if !s.engine.Step(s.rng.IntN) {
		return false
	}
	s.steps++
	s.collect()
	if s.rng.IntN(3) == 0 {
		s.clock.advance(time.Duration(s.rng.IntN(500)) * time.Microsecond)
	}
	if s.afterStep != nil {
		s.afterStep()
	}
	return true
}

// collect notes the outcomes that have come.
func (s *sim) collect() {
	s.waiting = slices.DeleteFunc(s.waiting, func(w simWait) bool {
		if !w.pending.Done() {
			return false
		}
		err := w.pending.Wait(context.Background()) // also stores the result in value
		out := outcomeText(*w.value, err)
		s.mu.Lock()
		s.learn(w.id, out)
		s.mu.Unlock()
		return true
	})
}

// learn notes an outcome. A second one for the same order must be the same.
func (s *sim) learn(id, out string) {
	if old := s.outcomes[id]; old != "" && old != out {
		out = fmt.Sprintf("failed: told %q first and %q then", old, out)
	}
	if out != "" {
		s.outcomes[id] = out
	}
}

// settle runs the engine until nothing is left to do but to wait for people, letting time pass as needed.
func (s *sim) settle() error {
	for quiet := 0; ; {
		for n := 0; s.step(); n++ {
			if n > 2_000_000 {
				return errors.New("the engine does not come to rest")
			}
		}
		d, ok := s.clock.untilWake()
		if !ok {
			return nil
		}
		if quiet++; quiet > 10_000 {
			return errors.New("the engine keeps setting timers")
		}
		s.clock.advance(d)
	}
}

// run makes the world and gives n orders.
func (s *sim) run(n int) error {
	for _, o := range s.world.setUp() {
		s.give(o)
	}
	if err := s.settle(); err != nil {
		return err
	}
	return s.load(0, n)
}

// load gives n orders made up from the seed, numbered from first, and steps in between; now and then it asks an old one again.
// Between them the engine may come to rest.
func (s *sim) load(first, n int) error {
	for i := first; i < first+n; {
		if again := s.orders[s.rng.IntN(len(s.orders))]; again.Asked && s.rng.IntN(20) == 0 {
			s.submit(again) // whether it has its outcome or not
		}
		if len(s.waiting) < s.inFlight && s.rng.IntN(3) == 0 {
			s.give(s.world.next(s.rng, i))
			i++
			continue
		}
		if s.step() {
			continue
		}
		d, ok := s.clock.untilWake()
		switch full := len(s.waiting) >= s.inFlight; {
		case full && !ok:
			return fmt.Errorf("%d orders wait and nothing happens any more", len(s.waiting))
		case full || (ok && s.rng.IntN(4) == 0):
			s.clock.advance(d)
		default:
			s.give(s.world.next(s.rng, i))
			i++
		}
	}
	return nil
}

// blocking runs a function that waits for the engine, which is at rest, and steps meanwhile and until it is at rest again. When
// the function gets to run is not up to the seed, so nothing here is: always the first step, and no time passes.
func (s *sim) blocking(f func() error) (err error) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	for waiting := true; waiting; {
		select {
		case err = <-done:
			waiting = false
		default:
		}
		for s.engine.Step(func(int) int { return 0 }) {
		}
		runtime.Gosched()
	}
	s.collect()
	return err
}

// decide decides about each saga that is stuck, as the seed says, until none is left.
func (s *sim) decide() error {
	for round := 0; ; round++ {
		var stuck []engine.SagaInfo
		err := s.blocking(func() (err error) { stuck, err = s.engine.Sagas(context.Background()); return err })
		if err != nil || len(stuck) == 0 {
			return err
		}
		if round > 50 {
			return fmt.Errorf("after %d rounds of decisions there are still %d sagas, the first: %+v", round, len(stuck), stuck[0])
		}
		if round == 2 {
			for i := range worldGates {
				s.give(order{Kind: "set-gate", ID: fmt.Sprintf("%s:free %d %d", s.world.prefix, i, len(s.orders)), To: s.world.gate(i)})
			}
			if err := s.settle(); err != nil {
				return err
			}
		}
		for _, info := range stuck {
			if info.Phase != saga.Stuck {
				return fmt.Errorf("at rest, a saga is %v: %+v", info.Phase, info)
			}
			d := []saga.Decision{saga.Retry, saga.Retry, saga.Skip, saga.MarkDone}[s.rng.IntN(4)]
			s.noteDecision(info, d)
			if err := s.blocking(func() error { return s.engine.DecideSaga(context.Background(), info.ID, d) }); err != nil {
				return fmt.Errorf("decide saga %d: %w", info.ID, err)
			}
		}
		if err := s.settle(); err != nil {
			return err
		}
	}
}

// noteDecision finds out whose saga it is, from the calls that it made.
func (s *sim) noteDecision(info engine.SagaInfo, d saga.Decision) {
	id := info.RequestID
	if id == "" {
		id = "*" // a saga without request id: allow it to all such
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	decided := maps.Clone(s.decided[id])
	if decided == nil {
		decided = map[saga.Decision]bool{}
	}
	decided[d] = true
	s.decided[id] = decided
}

// books reads the final states.
func (s *sim) books() (*books, error) { return readBooks(s.world, simAsker{s}, s.out.records) }

type simAsker struct{ *sim }

func (a simAsker) do(r functions.Request) error {
	pending, err := a.engine.Submit(r)
	if err != nil {
		return err
	}
	if err := a.settle(); err != nil {
		return err
	}
	if !pending.Done() {
		return errors.New("at rest, and there is no outcome")
	}
	return pending.Wait(context.Background())
}
