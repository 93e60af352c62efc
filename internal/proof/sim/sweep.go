package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/concordat-dev/concordat/engine"
)

// Sweep is what is done to one seed's world: the power fails at every operation of its disk and at every kind of step of its
// protocols, every write and sync fails once, and every kind of file is damaged.
type Sweep struct {
	Seed   uint64
	Orders int // given to the world, after it is made. Default: 20
	Depth  int // how deep crashes are nested, 1 to MaxDepth. Default: MaxDepth
	// MaxPoints ends the sweep after about so many crash points. Default: none.
	MaxPoints int
	// Progress, if set, is told of each point.
	Progress func()
	// Prepare, if set, is called with each driver before it opens its engine: to plant a bug.
	Prepare func(d *Driver)

	ctx    context.Context
	counts SweepCounts
	rng    *rand.Rand
	shots  []Snapshot
	mu     sync.Mutex
	fresh  map[string]bool // kinds of steps since the last seal
	sealed map[string]bool // and those of the epoch before it
	sealNo int
}

// SweepCounts says what sweeps did. The zero value is ready.
type SweepCounts struct {
	Points     int            // crashes, failures and damages that were recovered from or refused
	Crashes    int            // crashes that were recovered from, nested ones included
	Nested     int            // of these, crashes in a recovery
	Ops        map[OpKind]int // crashes at an operation of the disk, by its kind
	Steps      map[string]int // stops right after a step of a protocol that was not durable yet, by its kind
	Durable    map[string]int // stops right after a step of a protocol had become durable
	Failures   int            // writes and syncs that failed
	FailStops  int            // of these, those that ended the process
	Damages    map[string]int // damaged files, by kind
	Refused    int            // openings refused because of damage
	Served     int            // openings that served everything in spite of it
	LostTails  int            // crashed logs whose damage lost the last epochs, as a whole: a known limit
	Recoveries RecoveryCounts
}

// Add adds other counts.
func (c *SweepCounts) Add(o SweepCounts) {
	c.Points += o.Points
	c.Crashes += o.Crashes
	c.Nested += o.Nested
	c.Failures += o.Failures
	c.FailStops += o.FailStops
	c.Refused += o.Refused
	c.Served += o.Served
	c.LostTails += o.LostTails
	c.Recoveries.Add(o.Recoveries)
	c.Ops = addCounts(c.Ops, o.Ops)
	c.Steps = addCounts(c.Steps, o.Steps)
	c.Durable = addCounts(c.Durable, o.Durable)
	c.Damages = addCounts(c.Damages, o.Damages)
}

func addCounts[K comparable](a, b map[K]int) map[K]int {
	if a == nil {
		a = map[K]int{}
	}
	for k, n := range b {
		a[k] += n
	}
	return a
}

// Check reports what sweeps over several seeds should have met and did not.
func (c *SweepCounts) Check() error {
	for what, n := range map[string]int{
		"crash": c.Crashes, "nested crash": c.Nested, "failed write or sync": c.Failures, "fail-stop": c.FailStops,
		"refused damage": c.Refused, "harmless damage": c.Served,
		"expired outcome": c.Recoveries.Expired, "id that is used again": c.Recoveries.Reused,
	} {
		if n == 0 {
			return fmt.Errorf("sim: the sweep met no %s: nothing is proved of it", what)
		}
	}
	for _, kind := range []string{"call", "prepare", "granted", "commit", "abort", "done", "vote"} {
		if c.Steps[kind] == 0 || c.Durable[kind] == 0 {
			return fmt.Errorf("sim: the sweep did not stop at the step %q both before and after it was durable", kind)
		}
	}
	for _, kind := range []string{"log", "table", "manifest", "options"} { // markers and the lock are empty
		if c.Damages[kind] == 0 {
			return fmt.Errorf("sim: the sweep damaged no file of the kind %q", kind)
		}
	}
	return nil
}

const defaultSweepOrders = 20

// Run sweeps until everything is done or something is wrong, or ctx ends: then it stops at the next point, with [ErrEnded].
func (s *Sweep) Run(ctx context.Context) (SweepCounts, error) {
	if s.Orders == 0 {
		s.Orders = defaultSweepOrders
	}
	if s.Depth == 0 {
		s.Depth = MaxDepth
	}
	if s.Depth < 1 || s.Depth > MaxDepth || s.Orders < 1 || s.Orders > MaxOrders {
		return s.counts, fmt.Errorf("sim: a sweep is 1 to %d deep, over 1 to %d orders", MaxDepth, MaxOrders)
	}
	s.ctx, s.rng = ctx, rand.New(rand.NewPCG(s.Seed, 5))
	s.counts.Ops, s.counts.Steps, s.counts.Durable, s.counts.Damages = map[OpKind]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, part := range []struct {
		what string
		do   func() error
	}{{"crashes", s.crashes}, {"failures", s.failures}, {"damages", s.damages}} {
		switch err := part.do(); {
		case errors.Is(err, ErrEnded):
			return s.counts, ErrEnded
		case err != nil && !errors.Is(err, errEnough):
			return s.counts, fmt.Errorf("%s: %w", part.what, err)
		}
	}
	return s.counts, nil
}

// errEnough ends a sweep after MaxPoints.
var errEnough = errors.New("sim: enough points")

// wrongFirst is what is wrong, of several errors, or else why the sweep stops: that hides nothing that is found where it stops.
func wrongFirst(errs ...error) error {
	var wrong, stop error
	for _, err := range errs {
		if errors.Is(err, errEnough) || errors.Is(err, ErrEnded) {
			stop = err
		} else {
			wrong = errors.Join(wrong, err)
		}
	}
	return cmp.Or(wrong, stop)
}

// point counts a point.
func (s *Sweep) point() error {
	s.counts.Points++
	if s.Progress != nil {
		s.Progress()
	}
	switch {
	case s.ctx.Err() != nil:
		return ErrEnded
	case s.MaxPoints > 0 && s.counts.Points >= s.MaxPoints:
		return errEnough
	}
	return nil
}

func (s *Sweep) driver() *Driver {
	d := NewDriver(s.Seed)
	if s.Prepare != nil {
		s.Prepare(d)
	}
	return d
}

// crashes lets the power fail at every operation of the disk from the making of the directory to its closing, three times each:
// keeping 0, 50 and 90 % of what is not synced; and once in each epoch after the first step of each kind, before it is durable and
// after.
func (s *Sweep) crashes() error {
	d := s.driver()
	s.watch(d)
	return survive(d, func() error { return s.crashEverywhere(d) })
}

func (s *Sweep) crashEverywhere(d *Driver) error {
	if err := d.Open(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := s.recover(); err != nil {
		return errors.Join(err, d.stepped.Abandon())
	}
	var failed error
	d.Dead = func() bool { return failed != nil }
	d.AfterStep = func() {
		s.stepped(d)
		if failed == nil {
			failed = s.recover()
		}
	}
	if err := errors.Join(d.Run(s.Orders), d.Settle(), d.Wrong()); err != nil || failed != nil {
		return wrongFirst(failed, err, d.stepped.Abandon())
	}
	d.AfterStep = nil
	if err := d.Engine.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return s.recover()
}

// watch collects snapshots of a driver that has not been opened.
func (s *Sweep) watch(d *Driver) {
	s.fresh, s.sealed = map[string]bool{}, map[string]bool{}
	d.Disk.OnOp = func(op Op) error {
		if op.Kind == OpRemove {
			return nil // of old files: up to a goroutine of the store, and of no consequence
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counts.Ops[op.Kind] += len(Keeps)
		for _, keep := range Keeps {
			s.shots = append(s.shots, d.Snapshot(fmt.Sprintf("at operation: %v", op), keep, s.rng.Uint64()))
		}
		return nil
	}
	d.Options.Events.MessageHandled = func(m engine.MessageInfo) {
		if !s.fresh[m.Kind] {
			s.fresh[m.Kind] = true
			s.counts.Steps[m.Kind]++
			s.shots = append(s.shots, d.Snapshot("at the step: "+lineOf(m), 0, 0))
		}
	}
	d.AfterSealed = func(uint64, []rowChange) {
		s.sealNo++
		s.sealed, s.fresh = s.fresh, map[string]bool{}
	}
}

// stepped stops once after each seal, when the answers are out.
func (s *Sweep) stepped(d *Driver) {
	if len(s.sealed) == 0 {
		return
	}
	for kind := range s.sealed {
		s.counts.Durable[kind]++
	}
	s.sealed = nil
	s.shots = append(s.shots, d.Snapshot(fmt.Sprintf("when the answers of seal %d are out", s.sealNo), 0, 0))
}

// recover recovers from the snapshots that were collected.
func (s *Sweep) recover() error {
	shots := s.shots
	s.shots = nil
	for _, shot := range shots {
		r := NewRecovery(s.rng.Uint64())
		r.Prepare = s.Prepare
		err := r.Run(shot, 1+MaxDepth-s.Depth)
		s.counts.Crashes += r.Counts.Points
		s.counts.Nested += r.Counts.Nested
		s.counts.Recoveries.Add(r.Counts)
		s.counts.Points += r.Counts.Points - 1
		if err = wrongFirst(err, s.point()); err != nil {
			return err
		}
	}
	return nil
}

// failures lets every write and sync of the run fail, one in each run, until there are no more.
func (s *Sweep) failures() error {
	base, err := NewPlan(s.Seed, s.Orders, nil)
	if err != nil {
		return err
	}
	base.Faults = []Fault{FaultDisk}
	for k := 1; ; k++ {
		p := base
		p.Events = slices.Concat([]Event{{Kind: EvFailAt, N: k, Keep: Keeps[k%len(Keeps)], Seed: uint64(k)}}, base.Events)
		result := p.Run(s.ctx, RunOptions{Prepare: s.Prepare})
		s.counts.Failures += result.Counts.Failures
		s.counts.FailStops += result.Counts.FailStops
		if result.Err != nil {
			return fmt.Errorf("write or sync %d fails: %w", k, result.Err)
		}
		if result.Counts.Failures == 0 {
			return nil
		}
		if err := s.point(); err != nil {
			return err
		}
	}
}

// places is how many places in a file are damaged.
const places = 6

// damages flips a bit, and cuts, at several places in every file of a directory that was closed, and of one that a crash left.
func (s *Sweep) damages() error {
	d := s.driver()
	return survive(d, func() error { return s.damageEverywhere(d) })
}

func (s *Sweep) damageEverywhere(d *Driver) error {
	if err := errors.Join(d.Open(), d.Run(s.Orders)); err != nil {
		return errors.Join(err, d.stepped.Abandon())
	}
	crashed := d.Snapshot("after a crash", 100, 0)
	if err := errors.Join(d.Settle(), d.Engine.Close()); err != nil {
		return err
	}
	closed := d.snapshotOf(d.Disk.Copy(), "after closing")
	return wrongFirst(s.damage(crashed, true), s.damage(closed, false))
}

func (s *Sweep) damage(shot Snapshot, crashed bool) error {
	for _, name := range shot.Disk.Files() {
		size := shot.Disk.Size(name)
		if size == 0 {
			continue
		}
		for i := range places {
			at := min(size-1, size*i/places+s.rng.IntN(max(1, size/places)))
			for what, edit := range map[string]func([]byte) []byte{
				"flipped": func(data []byte) []byte { data[at] ^= 1 << s.rng.IntN(8); return data },
				"cut":     func(data []byte) []byte { return data[:at] },
			} {
				if err := s.openDamaged(shot, name, edit, crashed); err != nil {
					return fmt.Errorf("%s, %s %s at byte %d of %d: %w", shot.When, name, what, at, size, err)
				}
				s.counts.Damages[fileKind(name, false)]++
				if err := s.point(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// openDamaged opens a directory in which a file is damaged: it is refused with an error, or all rows are there. Of a log that a crash
// left the last epochs may be missing, as a whole: see "Known limits" in docs/GUARANTEES.md.
func (s *Sweep) openDamaged(shot Snapshot, name string, edit func([]byte) []byte, crashed bool) error {
	shot.Disk = shot.Disk.Copy()
	if err := shot.Disk.Damage(name, edit); err != nil {
		return err
	}
	d := shot.Resume(s.Seed, 0)
	full := len(shot.ledger.sealed)
	if crashed && fileKind(name, false) == "log" {
		d.ledger.mayLoseTail = true
	}
	l := &life{run: &run{plan: Plan{Seed: s.Seed}}, d: d}
	p := newProcess(l)
	d.Disk.OnOp = nil
	err := p.await(d.Open)
	switch {
	case p.stop != nil:
		return fmt.Errorf("opening does not return an error, but ends the process: %w", p.stop)
	case errors.Is(err, errRows):
		return err
	case err != nil:
		s.counts.Refused++
		return nil
	}
	if d.ledger.epochsLost > 0 {
		s.counts.LostTails++
		if d.ledger.epochsLost > full {
			return errors.New("more epochs are lost than were sealed")
		}
	} else {
		s.counts.Served++
	}
	return d.stepped.Abandon()
}

// Kinds lists the keys of a count in order.
func Kinds[K ~string](counts map[K]int) []K { return slices.Sorted(maps.Keys(counts)) }
