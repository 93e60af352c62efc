package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/functions"
)

// Snapshot is a moment at which the power fails: what the disk holds then, and what the clients know.
type Snapshot struct {
	When    string
	Disk    *Disk
	Now     time.Time
	Clients *Clients

	ledger *ledger
}

// Snapshot lets the power fail, keeping about keep percent of what is not synced. It may be called by any goroutine that uses the
// disk.
func (d *Driver) Snapshot(when string, keep int, seed uint64) Snapshot {
	return d.snapshotOf(d.Disk.CrashClone(keep, seed), fmt.Sprintf("%s, %d%% of what is not synced", when, keep))
}

func (d *Driver) snapshotOf(disk *Disk, when string) Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	ledger := d.ledger.clone()
	ledger.outcomes.ran += int64(d.Clock.Elapsed())
	return Snapshot{When: when, Disk: disk, Now: d.Clock.Now(), Clients: d.Clients.Clone(), ledger: ledger}
}

// WithoutLedger is the snapshot of an engine whose rows were not followed.
func (s Snapshot) WithoutLedger() Snapshot {
	s.ledger = nil
	return s
}

// Resume makes a driver that goes on from a snapshot, later by some time.
func (s Snapshot) Resume(seed uint64, later time.Duration) *Driver {
	d := NewDriver(seed)
	d.Clock = NewClock(s.Now.Add(later))
	d.Options.Seams.Clock = d.Clock
	d.Disk = s.Disk
	d.Clients = s.Clients.Clone()
	if s.ledger != nil {
		d.ledger = s.ledger.clone()
	} else {
		d.Options.Seams.Recovered, d.Options.KeepOutcomes = nil, -1
	}
	return d
}

// Keeps are the percentages of unsynced data that crashes keep.
var Keeps = [...]int{0, 50, 90}

// MaxDepth is how deep crashes are nested: one in a recovery, and one in the recovery from that.
const MaxDepth = 3

// RecoveryCounts says what recoveries did. The zero value is ready.
type RecoveryCounts struct {
	Points   int // crashes that were recovered from
	Nested   int // of these, crashes in a recovery
	Answered int // outcomes that clients knew at a crash
	Open     int // orders whose outcome nobody knew
	Carried  int // messages carried over a forced cut
	Decided  int // orders whose sagas a person decided about
	Records  int
	Fired    int // timers
	Requests int // orders given
	Expired  int // outcomes that went after their time
	Reused   int // request ids that got another outcome then
	Oracle   OracleCounts
}

// Add adds other counts.
func (c *RecoveryCounts) Add(o RecoveryCounts) {
	c.Points += o.Points
	c.Nested += o.Nested
	c.Answered += o.Answered
	c.Open += o.Open
	c.Carried += o.Carried
	c.Decided += o.Decided
	c.Records += o.Records
	c.Fired += o.Fired
	c.Requests += o.Requests
	c.Expired += o.Expired
	c.Reused += o.Reused
	c.Oracle.add(o.Oracle)
}

// Recovery opens engines on what crashes left, runs them to the end and audits them.
type Recovery struct {
	Counts RecoveryCounts
	Extra  int // orders that are given after a recovery, at most. Default: none
	// Prepare, if set, is called with each driver before it opens its engine: to plant a bug.
	Prepare func(d *Driver)

	rng  *rand.Rand
	path string // how it came to this
}

// NewRecovery makes a recovery whose choices are up to the seed.
func NewRecovery(seed uint64) *Recovery {
	return &Recovery{rng: rand.New(rand.NewPCG(seed, 7))}
}

// Run recovers from a snapshot: it opens an engine, looks at what is there at once, goes on, asks everything again and audits. While
// it does, the power fails again, up to MaxDepth deep counted from depth, which is 1 for a crash of an engine that had not
// crashed before. The error names the crashes that led to it.
func (r *Recovery) Run(shot Snapshot, depth int) error {
	before := r.path
	defer func() { r.path = before }()
	if r.path = shot.When; before != "" {
		r.path = before + "; then " + shot.When
	}
	r.count(shot, depth)
	d := shot.Resume(r.rng.Uint64(), []time.Duration{0, time.Second, 48 * time.Hour}[r.rng.IntN(3)])
	if len(d.Orders) == 0 {
		d.Orders = d.World.SetUp()
	}
	if r.Prepare != nil {
		r.Prepare(d)
	}
	var moments *moments
	if depth < MaxDepth {
		moments = watch(d, r.rng.Uint64())
	}
	return r.wrap(survive(d, func() error { return r.recover(d, moments, depth) }))
}

// survive runs something of an engine that has no reason to end the process, and returns the reason if it does.
func survive(d *Driver, f func() error) error {
	ended, fatal := make(chan error, 1), make(chan error, 1)
	if d.Options.Fatal == nil {
		d.Options.Fatal = func(err error) {
			select {
			case fatal <- fmt.Errorf("the engine ended the process though nothing had failed: %w", err):
			default: // it has ended already
			}
			runtime.Goexit()
		}
	}
	go func() { ended <- f() }()
	select {
	case err := <-ended:
		return err
	case err := <-fatal:
		return err
	}
}

func (r *Recovery) wrap(err error) error {
	if err == nil || errors.As(err, new(*crashError)) {
		return err
	}
	return &crashError{r.path, err}
}

// crashError names the crashes that led to an error.
type crashError struct {
	path string
	err  error
}

func (e *crashError) Error() string { return fmt.Sprintf("crash %s: %v", e.path, e.err) }
func (e *crashError) Unwrap() error { return e.err }

func (r *Recovery) recover(d *Driver, m *moments, depth int) error {
	if err := d.Open(); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := r.nested(m, depth); err != nil { // crashed while it was opened
		return errors.Join(err, d.stepped.Abandon())
	}
	err := r.goOn(d)
	if err == nil && r.rng.IntN(3) == 0 {
		err = r.nested(m, depth) // crashed while it ran
	}
	if err != nil {
		return errors.Join(err, d.stepped.Abandon())
	}
	r.done(d)
	if err := d.Engine.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// goOn is what happens after an engine is open.
func (r *Recovery) goOn(d *Driver) error {
	known := maps.Clone(d.Outcomes)
	if err := d.LookAtOnce(); err != nil {
		return fmt.Errorf("look at what was sealed: %w", err)
	}
	if r.Extra > 0 {
		if err := d.Load(1000*len(d.Orders), r.rng.IntN(r.Extra)); err != nil {
			return fmt.Errorf("go on: %w", err)
		}
	}
	return d.Finish(known)
}

// nested recovers from one of the crashes that happened since it was last asked.
func (r *Recovery) nested(m *moments, depth int) error {
	if m == nil {
		return nil
	}
	shots := m.take()
	if len(shots) == 0 {
		return nil
	}
	return r.Run(shots[r.rng.IntN(len(shots))], depth+1)
}

func (r *Recovery) count(shot Snapshot, depth int) {
	r.Counts.Points++
	if depth > 1 {
		r.Counts.Nested++
	}
	r.Counts.Answered += len(shot.Clients.Outcomes)
	r.Counts.Open += len(shot.Clients.Orders) - len(shot.Clients.Outcomes)
}

func (r *Recovery) done(d *Driver) {
	r.Counts.Carried += int(d.Engine.Stats().Carried)
	r.Counts.Decided += len(d.Decided)
	r.Counts.Records += len(d.Records)
	r.Counts.Fired += d.Clock.Fired()
	r.Counts.Requests += len(d.Orders)
	r.Counts.Expired += d.ledger.outcomes.expired
	r.Counts.Reused += d.ledger.outcomes.reused
	r.Counts.Oracle.add(d.oracle.counted)
}

// LookAtOnce looks at the tills while the engine recovers: the vault has what it always has, and no till is behind what clients
// have read of it.
func (d *Driver) LookAtOnce() error {
	setUp := d.Orders[:min(len(d.Orders), len(d.World.SetUp()))]
	if len(setUp) < len(d.World.SetUp()) || slices.ContainsFunc(setUp, func(o Order) bool { return d.Outcomes[o.ID] == "" }) {
		return d.setUpAgain()
	}
	o := Order{Kind: "total", ID: fmt.Sprintf("%s:look %d", d.World.Prefix, len(d.Orders)), Group: d.World.Vault()}
	d.mu.Lock()
	d.Orders = append(d.Orders, o)
	d.mu.Unlock()
	vault, err := d.now(o)
	if d.dead() {
		return nil
	}
	if want := int64(len(o.Group) * FirstBalance); err == nil && vault != want {
		err = fmt.Errorf("the vault holds %d, not %d", vault, want)
	}
	if err != nil {
		return err
	}
	seen := map[string]int64{} // the most movements that clients have seen, by till
	for _, o := range d.Orders {
		var before int64
		if n, _ := fmt.Sscanf(d.Outcomes[o.ID], "ok %d", &before); o.Kind == "peek" && n == 1 {
			seen[o.To] = max(seen[o.To], before)
		}
	}
	for _, till := range slices.Sorted(maps.Keys(seen)) {
		after, err := d.now(Order{Kind: "peek", To: till})
		if err == nil && after < seen[till] && !d.dead() {
			err = fmt.Errorf("a client saw %d movements of %s, there are %d", seen[till], till, after)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setUpAgain asks for a world that was just being made.
func (d *Driver) setUpAgain() error {
	for i, o := range d.World.SetUp() {
		if i < len(d.Orders) {
			d.Ask(o)
		} else {
			d.Give(o)
		}
	}
	return d.Settle()
}

// now runs an order that has a result, stepping no longer than it takes.
func (d *Driver) now(o Order) (value int64, err error) {
	pending, err := d.Engine.Submit(o.Request(&value))
	if err != nil {
		return 0, err
	}
	for !pending.Done() {
		if !d.Step() {
			if d.dead() {
				return 0, nil
			}
			return 0, errors.New("at rest, and there is no outcome")
		}
	}
	err = pending.Wait(context.Background())
	return value, err
}

// Finish runs the engine to the end, with decisions about stuck sagas, asks everything again, and audits. What is in known must
// still be the outcome of its order. A process that dies meanwhile ends it without an error.
func (d *Driver) Finish(known map[string]string) error {
	for _, stage := range []struct {
		what string
		do   func() error
	}{
		{"settle", d.Settle},
		{"decide", d.Decide},
		{"ask again", func() error { return d.AskAgain(known) }},
		{"ask the last", d.askUnanswered},
		{"use ids again", d.useAgain},
		{"audit", d.Audit},
	} {
		if err := stage.do(); err != nil {
			return fmt.Errorf("%s: %w", stage.what, err)
		}
		if d.dead() {
			return nil
		}
	}
	return d.Wrong()
}

// AskAgain asks all requests with ids again, twice, in any order, but for those whose outcome may have expired. What is in known must be
// the same; the others must get an outcome now, and the same one the second time.
func (d *Driver) AskAgain(known map[string]string) error {
	setUp := len(d.World.SetUp())
	for round := range 2 {
		var again []Order
		for i, o := range d.Orders {
			if o.Asked {
				if i < setUp {
					d.Ask(o) // first what the others need
					continue
				}
				again = append(again, o)
			}
		}
		if err := d.Settle(); err != nil {
			return err
		}
		d.rng.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		for _, o := range again {
			d.Ask(o)
			for range d.rng.IntN(20) {
				d.Step()
			}
		}
		if err := errors.Join(d.Settle(), d.Decide()); err != nil || d.dead() {
			return err
		}
		if n, first := d.Waiting(); n > 0 || d.Refused > 0 {
			return fmt.Errorf("round %d: at rest, %d requests wait, the first %s; %d were refused", round, n, first.ID, d.Refused)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if now := d.Outcomes[id]; now != known[id] {
			return fmt.Errorf("before the crash %s was %q, now it is %q", id, known[id], now)
		}
	}
	return nil
}

// askUnanswered asks for what got stuck when it was asked again: it has its outcome by now, unless that may have expired before anybody
// was told.
func (d *Driver) askUnanswered() error {
	d.askOpen()
	if err := d.Settle(); err != nil || d.dead() {
		return err
	}
	for _, o := range d.Orders {
		if o.Asked && d.Outcomes[o.ID] == "" && d.userOf(o.RequestID()) == o.ID && d.standing(o) == mayBeAsked {
			return fmt.Errorf("%s %s has no outcome", o.Kind, o.ID)
		}
	}
	return nil
}

// askOpen asks for all outcomes that nobody knows.
func (d *Driver) askOpen() {
	for _, o := range d.Orders {
		if o.Asked && d.Outcomes[o.ID] == "" {
			d.Ask(o)
		}
	}
}

// Audit reads the books of an engine that has settled and checks them.
func (d *Driver) Audit() error {
	b, err := d.Books()
	if err != nil || d.dead() {
		return err
	}
	audit := &Audit{Books: b, World: d.World, Outcomes: d.Outcomes, Decided: d.Decided, Cancelled: d.Cancelled, ClockWentBack: d.ClockWentBack}
	var errs []error
	for _, wrong := range audit.Check(d.Orders) {
		errs = append(errs, errors.New(wrong))
	}
	return errors.Join(errs...)
}

// Books reads the final states.
func (d *Driver) Books() (*Books, error) { return ReadBooks(d.World, settledAsker{d}, d.Records) }

// settledAsker asks an engine that has settled.
type settledAsker struct{ *Driver }

// Do implements [Asker].
func (a settledAsker) Do(r functions.Request) error {
	pending, err := a.Engine.Submit(r)
	if err != nil {
		return err
	}
	if err := a.Settle(); err != nil {
		return err
	}
	if !pending.Done() {
		return errors.New("at rest, and there is no outcome")
	}
	return pending.Wait(context.Background())
}
