package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/saga"
)

// More runs: go test ./engine -run TestCrash -crash.runs 10000. One again: -run TestCrash -crash.seed N.
var (
	crashRuns = flag.Int("crash.runs", 20, "seeds that TestCrash runs, each with several crashes")
	crashSeed = flag.Uint64("crash.seed", 0, "the one seed that TestCrash runs")
	crashFrom = flag.Uint64("crash.from", 1, "the first seed that TestCrash runs")
)

// snapshot is the world at a moment at which the power fails: what the disk may hold, and what the clients know.
type snapshot struct {
	when     string
	fs       *vfs.MemFS
	now      time.Time
	orders   []order
	outcomes map[string]string
	decided  map[string]map[saga.Decision]bool
	records  []engine.Record
}

// snapshot lets the power fail. It may be called by any goroutine that uses the file system.
func (s *sim) snapshot(fs *vfs.MemFS, rng *rand.Rand, when string) snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	percent := []int{0, 50, 90}[rng.IntN(3)]
	return snapshot{
		when:     fmt.Sprintf("%s, %d%% of what is not synced", when, percent),
		fs:       crashClone(fs, percent, rng),
		now:      s.clock.Now(),
		orders:   slices.Clone(s.orders),
		outcomes: maps.Clone(s.outcomes),
		decided:  maps.Clone(s.decided),
		records:  slices.Clone(s.out.records),
	}
}

func crashClone(fs *vfs.MemFS, percent int, rng *rand.Rand) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(rng.Uint64(), 0))})
}

// crasher takes snapshots of a sim on a crashable file system.
type crasher struct {
	sim *sim
	fs  *vfs.MemFS

	mu    sync.Mutex
	seed  uint64
	ops   int // operations of the file system so far
	ssts  int // tables made
	reuse int // log files recycled
	picks map[string]*pick
}

// pick is one snapshot out of many moments, each as likely as any other.
type pick struct {
	rng     *rand.Rand
	moments int
	shot    snapshot
}

func newCrasher(s *sim, fs *vfs.MemFS, seed uint64) *crasher {
	c := &crasher{sim: s, fs: fs, seed: seed, picks: map[string]*pick{}}
	s.options.Seams.FS = simFS(fs, func(op errorfs.Op) error {
		c.mu.Lock()
		c.ops++
		switch {
		case op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst"):
			c.ssts++
		case op.Kind == errorfs.OpRename && strings.HasSuffix(op.Path, ".log"):
			c.reuse++
		}
		c.mu.Unlock()
		if op.Kind == errorfs.OpCreate && strings.Contains(op.Path, "marker.") {
			syncDir(fs, s.options.Dir)
		}
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			c.moment("at a file system operation")
		}
		return nil
	})
	s.options.Seams.Seal = func(epoch uint64, _ store.Batch, write func() error) error {
		s.collect() // nothing may be there that was not there before
		c.moment("before a seal")
		err := write()
		s.collect()
		c.moment("after a seal")
		return err
	}
	return c
}

// syncDir syncs a directory. Pebble moves its marker file to a new manifest without having synced the directory in between. File
// systems that people use keep the order of names made in one directory, but MemFS does not: with the marker and without the
// manifest, Pebble refuses to open.
func syncDir(fs vfs.FS, dir string) {
	d, err := fs.OpenDir(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		panic(err)
	}
}

// moment is one at which the power may fail. Of all moments of a kind one is picked.
func (c *crasher) moment(when string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.picks[when]
	if p == nil {
		p = &pick{rng: rand.New(rand.NewPCG(c.seed, uint64(len(when))))}
		c.picks[when] = p
	}
	p.moments++
	if p.rng.IntN(p.moments) == 0 {
		p.shot = c.sim.snapshot(c.fs, p.rng, fmt.Sprintf("%s (%d)", when, p.moments))
	}
}

// take returns the snapshots and begins anew.
func (c *crasher) take() (shots []snapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, when := range slices.Sorted(maps.Keys(c.picks)) {
		shots = append(shots, c.picks[when].shot)
	}
	c.picks = map[string]*pick{}
	return shots
}

// crashCount says what the runs of TestCrash did.
type crashCount struct {
	mu                                        sync.Mutex
	clones, nested, answered, open, forced    int
	decided, records, ops, fired, ssts, reuse int
}

// TestCrash lets the power fail at random moments of a stepped run of all protocols: between steps, before and after a seal, and
// at operations of the file system, with none, some and most of what was not synced kept. On what is left it opens an engine
// (and lets the power fail while it does, up to three deep), runs it until it is at rest, asks all requests again, and audits.
func TestCrash(t *testing.T) {
	var count crashCount
	seeds := []uint64{*crashSeed}
	if *crashSeed == 0 {
		seeds = seeds[:0]
		for i := range *crashRuns {
			seeds = append(seeds, *crashFrom+uint64(i))
		}
	}
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				crashRun(t, seed, &count)
				if t.Failed() {
					t.Logf("again: go test ./engine -run 'TestCrash$' -crash.seed %d", seed)
				}
			})
		}
	})
	t.Logf("%d seeds: %d clones, %d of them in a recovery; %d outcomes known at a crash, %d not; %d messages carried, %d decisions, %d records, %d timers, %d file system operations, %d tables, %d logs recycled",
		len(seeds), count.clones, count.nested, count.answered, count.open, count.forced, count.decided, count.records, count.fired, count.ops, count.ssts, count.reuse)
	if len(seeds) >= 20 && (count.clones < 5*len(seeds) || count.nested < len(seeds) || count.open < 10*len(seeds) ||
		count.forced < 100 || count.decided < 40 || count.fired < 100) {
		t.Error("the test tests too little")
	}
}

func crashRun(t *testing.T, seed uint64, count *crashCount) {
	s := newSim(seed)
	fs := vfs.NewCrashableMem()
	c := newCrasher(s, fs, seed)
	defer func() {
		count.mu.Lock()
		count.ops += c.ops
		count.ssts += c.ssts
		count.reuse += c.reuse
		count.mu.Unlock()
	}()
	must(t, s.open())
	s.afterStep = func() { c.moment("between two steps") }
	must(t, s.run(120))
	shots := c.take()
	for _, shot := range shots {
		a := &recovery{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), count: count, path: shot.when}
		a.run(shot, 1)
		if t.Failed() {
			return
		}
	}
	count.mu.Lock()
	count.forced += int(s.engine.Stats().Carried)
	count.mu.Unlock()
	must(t, s.settle())
	must(t, s.engine.Close())
}

// recovery opens engines on what a crash left and audits them.
type recovery struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	count *crashCount
	path  string // how it came to this, for messages
}

const maxNested = 3

func (a *recovery) run(shot snapshot, depth int) {
	s := newSim(a.rng.Uint64())
	s.clock.now = shot.now.Add([]time.Duration{0, time.Second, 48 * time.Hour}[a.rng.IntN(3)])
	s.orders, s.outcomes, s.decided = shot.orders, maps.Clone(shot.outcomes), maps.Clone(shot.decided)
	s.out.records = shot.records
	if len(s.orders) == 0 {
		s.orders = s.world.setUp()
	}
	c := newCrasher(s, shot.fs, a.rng.Uint64())
	a.count.clone(shot, depth)
	if !a.ok(s.open(), "open") {
		return
	}
	if depth < maxNested {
		a.nested(c, depth) // crashed while it was opened
	}
	known := maps.Clone(s.outcomes)
	if !a.ok(a.lookAtOnce(s), "look at what was sealed") || !a.ok(s.load(1_000_000*depth, a.rng.IntN(40)), "go on") {
		return
	}
	if !a.ok(s.settle(), "settle") || !a.ok(s.decide(), "decide") || !a.ok(askAgain(s, known), "ask again") {
		return
	}
	if depth < maxNested && a.rng.IntN(3) == 0 {
		a.nested(c, depth) // crashed while it ran
	}
	a.audit(s, shot)
	a.count.done(s)
	a.ok(s.engine.Close(), "close")
}

func (a *recovery) nested(c *crasher, depth int) {
	shots := c.take()
	if len(shots) == 0 || a.t.Failed() {
		return
	}
	shot := shots[a.rng.IntN(len(shots))]
	inner := *a
	inner.path = fmt.Sprintf("%s; then at %s", a.path, shot.when)
	inner.run(shot, depth+1)
}

func (a *recovery) ok(err error, what string) bool {
	if err != nil {
		a.t.Errorf("seed %d, crash %s: %s: %v", a.seed, a.path, what, err)
	}
	return err == nil
}

// lookAtOnce looks at the tills while the engine recovers: the vault has what it always has, and no till is behind what clients
// have read of it.
func (a *recovery) lookAtOnce(s *sim) error {
	setUp := s.orders[:len(s.world.setUp())]
	if slices.ContainsFunc(setUp, func(o order) bool { return s.outcomes[o.ID] == "" }) { // it was just being made
		for _, o := range setUp {
			s.submit(o)
		}
		return s.settle()
	}
	o := order{Kind: "total", ID: fmt.Sprintf("%s:look %d", s.world.prefix, len(s.orders)), Group: s.world.vault()}
	s.mu.Lock()
	s.orders = append(s.orders, o)
	s.mu.Unlock()
	vault, err := s.now(o)
	if want := int64(len(o.Group) * firstBalance); err == nil && vault != want {
		err = fmt.Errorf("the vault holds %d, not %d", vault, want)
	}
	for _, seen := range s.orders {
		var before int64
		if n, _ := fmt.Sscanf(s.outcomes[seen.ID], "ok %d", &before); seen.Kind != "peek" || n == 0 {
			continue
		}
		after, lookErr := s.now(order{Kind: "peek", To: seen.To})
		if err = errors.Join(err, lookErr); err == nil && after < before {
			err = fmt.Errorf("a client saw %d movements of %s, there are %d", before, seen.To, after)
		}
	}
	return err
}

// now runs an order that has a result, stepping no longer than it takes.
func (s *sim) now(o order) (value int64, err error) {
	pending, err := s.engine.Submit(o.request(&value))
	if err != nil {
		return 0, err
	}
	for !pending.Done() {
		if !s.step() {
			return 0, errors.New("at rest, and there is no outcome")
		}
	}
	err = pending.Wait(context.Background())
	return value, err
}

// askAgain asks all requests with ids again, twice, in any order. What was known before the crash must be the same; the others
// must get an outcome now, and the same one the second time.
func askAgain(s *sim, known map[string]string) error {
	setUp := len(s.world.setUp())
	for round := range 2 {
		var again []order
		for i, o := range s.orders {
			if o.Asked {
				if i < setUp {
					s.submit(o) // first what the others need
					continue
				}
				again = append(again, o)
			}
		}
		if err := s.settle(); err != nil {
			return err
		}
		s.rng.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		for _, o := range again {
			s.submit(o)
			for range s.rng.IntN(20) {
				s.step()
			}
		}
		if err := s.settle(); err != nil {
			return err
		}
		if err := s.decide(); err != nil {
			return err
		}
		if len(s.waiting) > 0 || s.refused > 0 {
			return fmt.Errorf("round %d: at rest, %d requests wait, the first %s; %d were refused", round, len(s.waiting), s.waiting[0].id, s.refused)
		}
	}
	for id, out := range known {
		if now := s.outcomes[id]; now != out {
			return fmt.Errorf("before the crash %s was %q, now it is %q", id, out, now)
		}
	}
	return nil
}

func (a *recovery) audit(s *sim, shot snapshot) {
	// Sagas that got stuck when they were asked again have their outcome by now.
	for _, o := range s.orders {
		if o.Asked && s.outcomes[o.ID] == "" {
			s.submit(o)
		}
	}
	if !a.ok(s.settle(), "settle") {
		return
	}
	for _, o := range s.orders {
		if o.Asked && s.outcomes[o.ID] == "" {
			a.t.Errorf("seed %d, crash %s: %s %s has no outcome", a.seed, a.path, o.Kind, o.ID)
		}
	}
	b, err := s.books()
	if !a.ok(err, "read the books") {
		return
	}
	audit := &audit{books: b, world: s.world, outcomes: s.outcomes, decided: s.decided}
	for _, wrong := range audit.check(s.orders) {
		a.t.Errorf("seed %d, crash %s: %s", a.seed, a.path, wrong)
	}
}

func (c *crashCount) clone(shot snapshot, depth int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clones++
	if depth > 1 {
		c.nested++
	}
	c.answered += len(shot.outcomes)
	c.open += len(shot.orders) - len(shot.outcomes)
}

func (c *crashCount) done(s *sim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forced += int(s.engine.Stats().Carried)
	c.decided += len(s.decided)
	c.records += len(s.out.records)
	c.fired += int(s.clock.fired)
}
