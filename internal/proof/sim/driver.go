package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
)

// Driver runs one stepped engine in one thread as a seed says: clients give orders of a [World], time passes, the engine steps.
// Fields may be changed before Open.
type Driver struct {
	*Clients
	World    World
	Clock    *Clock
	Disk     *Disk
	Engine   *engine.Engine
	Options  engine.Options
	InFlight int // orders at a time, at most

	// MessageCost and FunctionCost are the time that passes when a message is handled, and when code of users has run.
	// Default: 1 and 5 microseconds.
	MessageCost, FunctionCost time.Duration
	// Closing says that the engine is being closed, and may leave requests unanswered.
	Closing bool

	// AfterStep, if set, is called after each step.
	AfterStep func()
	// BeforeSeal and AfterSeal, if set, are called around the sealing of an epoch.
	BeforeSeal, AfterSeal func()
	// AfterSealed, if set, is told what was sealed.
	AfterSealed func(epoch uint64, rows []rowChange)
	// SealBy, if set, seals in the place of the engine; see seams.Set.
	SealBy func(epoch uint64, batch *table.Batch, write func() error) error
	// Dead, if set, reports that the process is dead: nothing that it says is heard any more.
	Dead func() bool

	Steps   int
	Refused int // orders that Submit refused
	Fed     int // records that the ingress has delivered
	Stocks  int // times that the engine was at rest and stock was taken

	expires bool // under Load outcomes expire
	rng     *rand.Rand
	mu      sync.Mutex  // for snapshots, which the file system takes from any goroutine
	stands  atomic.Bool // no time passes, whatever happens
	charged int64       // for what the epoch that is sealed next was counted
	written atomic.Bool // the last epoch is: if the log has more to write, it is being closed
	waiting []waiting
	feeder  *feeder
	// forgotten are the requests whose clients have given up.
	forgotten []engine.Pending
	ledger    *ledger
	oracle    *oracle
	stepped   seams.Stepped // runs Engine
	wrong     []error       // found in the midst of a step
}

type waiting struct {
	order   Order
	pending engine.Pending
	value   *int64
}

// NewDriver makes a driver with options drawn from the seed, on an empty disk.
func NewDriver(seed uint64) *Driver {
	d := &Driver{
		Clients: NewClients(),
		World:   World{Prefix: "w", Tills: 8},
		Clock:   NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		Disk:    NewDisk(),
		rng:     rand.New(rand.NewPCG(seed, 0)),
	}
	d.InFlight = 1 + d.rng.IntN(40)
	d.MessageCost, d.FunctionCost = time.Microsecond, 5*time.Microsecond
	d.ledger = newLedger(d.World)
	d.feeder = &feeder{driver: d}
	d.Options = engine.Options{
		Dir:           "deep/er/data", // none of it exists
		Workers:       1 + d.rng.IntN(3),
		Shards:        8,
		Policy:        locks.Policy(d.rng.IntN(4)),
		MaxUndoTries:  2,
		CacheBytes:    []int64{1 << 14, 1 << 20}[d.rng.IntN(2)],
		MemTableBytes: 1 << 16,
		KeepOutcomes:  keepOutcomes,
		ReserveBytes:  -1,
		MaxDrain:      []time.Duration{time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond, time.Second}[d.rng.IntN(4)],
		Egresses:      map[string]engine.Egress{"audit-out": &receiver{driver: d}},
		Ingresses:     map[string]engine.Ingress{"tape": d.feeder},
		Logger:        slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	d.Options.Seams = seams.Set{
		Clock: d.Clock, Stepped: true, Opened: func(s seams.Stepped) { d.stepped = s },
		Spent: d.spent, Log: seams.Over(d.seal), Charged: func(_ uint64, bytes int64) { d.charged = bytes }, Recovered: d.recovered, Tangled: d.tangled,
	}
	d.expires = d.rng.IntN(2) == 0
	return d
}

// Open opens the engine on the disk. Its errors are engine.Open's, and one if there are other rows than those that were sealed.
func (d *Driver) Open() (err error) {
	if d.Options.Seams.FS == nil {
		d.Options.Seams.FS = d.Disk
	}
	d.oracle = newOracle(d.Options.Policy)
	o := d.ledger.outcomes
	o.keep, o.judged = d.Options.KeepOutcomes, d.Options.Seams.Recovered != nil
	if d.Engine, err = engine.Open(d.Options, Parts()...); err != nil {
		return err
	}
	o.opening = d.Clock.Elapsed()
	if parked, err := d.Engine.Parked(context.Background()); err != nil || len(parked) > 0 {
		return fmt.Errorf("innocent, and parked: %+v, %w", parked, err) // however often the process died
	}
	return nil
}

// spent lets the time pass that the engine has spent. Nobody is woken in the midst of it.
func (d *Driver) spent(on seams.Spent) {
	switch {
	case d.stands.Load() || d.dead():
	case on == seams.SpentOnMessage:
		d.Clock.Drift(d.MessageCost)
	default:
		d.Clock.Drift(d.FunctionCost)
	}
}

func (d *Driver) dead() bool { return d.Dead != nil && d.Dead() }

// Wrong is what was found wrong in the midst of steps.
func (d *Driver) Wrong() error { return errors.Join(d.wrong...) }

func (d *Driver) report(err error) {
	if err != nil && len(d.wrong) < 5 && !d.dead() {
		d.wrong = append(d.wrong, err)
	}
}

func (d *Driver) recovered(scan seams.RowScan) error {
	if d.dead() {
		return nil
	}
	return d.ledger.recovered(scan, len(d.Records), d.Clock)
}

// rowSlack is what a row may have besides what its epoch was charged for: its key, and names.
const rowSlack = 192

func (d *Driver) seal(epoch uint64, batch *table.Batch, write func() error) error {
	d.collect() // nothing may be there that was not there before
	if most := d.charged + rowSlack*int64(batch.Count()); int64(batch.Len()) > most {
		d.report(fmt.Errorf("epoch %d has %d bytes in %d rows, and was charged for %d", epoch, batch.Len(), batch.Count(), d.charged))
	}
	if d.BeforeSeal != nil {
		d.BeforeSeal()
	}
	d.mu.Lock()
	err := d.ledger.begin(batch)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	d.written.Store(false)
	if d.SealBy != nil {
		err = d.SealBy(epoch, batch, write)
	} else {
		err = write()
	}
	d.written.Store(err == nil)
	if err == nil && !d.dead() {
		d.mu.Lock()
		rows := d.ledger.pending
		d.report(d.ledger.done(d.Clock.Elapsed()))
		d.mu.Unlock()
		if d.AfterSealed != nil {
			d.AfterSealed(epoch, rows)
		}
	}
	d.collect()
	if d.AfterSeal != nil {
		d.AfterSeal()
	}
	return err
}

func (d *Driver) tangled(t seams.Tangle) { d.report(d.oracle.look(t)) }

// submit gives the engine an order.
func (d *Driver) submit(o Order) error {
	value := new(int64)
	pending, err := d.Engine.Submit(o.Request(value))
	if err != nil {
		d.Refused++
		return err
	}
	d.waiting = append(d.waiting, waiting{o, pending, value})
	return nil
}

// Give submits an order for the first time, or puts it on the tape of the ingress. One that is refused was never given: then it returns
// false.
func (d *Driver) Give(o Order) bool {
	d.mu.Lock()
	user := d.userOf(o.RequestID())
	d.Orders = append(d.Orders, o)
	if o.Fed {
		d.Tape = append(d.Tape, o)
	}
	if o.Reuses != "" {
		d.Users[o.Reuses] = o.ID
	}
	d.mu.Unlock()
	if o.Fed || d.submit(o) == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Orders = d.Orders[:len(d.Orders)-1]
	if o.Reuses != "" {
		d.Users[o.Reuses] = user
	}
	return false
}

// GiveUp makes a client forget the request that waits for the longest: its context has ended.
func (d *Driver) GiveUp() (Order, bool) {
	if len(d.waiting) == 0 {
		return Order{}, false
	}
	first := d.waiting[0]
	d.waiting = d.waiting[1:]
	d.forgotten = append(d.forgotten, first.pending)
	return first.order, true
}

// Step lets one thing happen and some time pass. It reports false if the engine had nothing to do, or is dead.
func (d *Driver) Step() bool {
	if d.dead() {
		return false
	}
	fed := d.rng.IntN(4) == 0 && d.feeder.feed()
	if happened := d.stepped.Step(d.rng.IntN) || fed || d.feeder.feed(); !happened || d.dead() {
		return false
	}
	d.Steps++
	d.collect()
	if d.rng.IntN(3) == 0 {
		d.Clock.Advance(time.Duration(d.rng.IntN(500)) * time.Microsecond)
	}
	if d.AfterStep != nil {
		d.AfterStep()
	}
	return true
}

// collect notes the outcomes that have come.
func (d *Driver) collect() {
	if d.dead() {
		return
	}
	d.waiting = slices.DeleteFunc(d.waiting, func(w waiting) bool {
		if !w.pending.Done() {
			return false
		}
		err := w.pending.Wait(context.Background()) // also stores the result in value
		out := OutcomeText(*w.value, err)
		if out == "" && d.Closing { // it was not handled before the end, and nothing is known of it
			return true
		}
		d.mu.Lock()
		d.Learn(w.order.ID, out)
		d.mu.Unlock()
		return true
	})
}

// Waiting is the number of requests that wait for their outcome, and the first of them.
func (d *Driver) Waiting() (n int, first Order) {
	if len(d.waiting) > 0 {
		first = d.waiting[0].order
	}
	return len(d.waiting), first
}

// Acknowledged lists the orders that have been answered since the last step. It must not be called while anything runs.
func (d *Driver) Acknowledged() (orders []Order) {
	for _, w := range d.waiting {
		if !w.pending.Done() {
			continue
		}
		err := w.pending.Wait(context.Background())
		if !errors.Is(err, engine.ErrUnknown) || errors.Is(err, saga.ErrStuck) { // of a dead engine nothing is heard
			orders = append(orders, w.order)
		}
	}
	return orders
}

// Bounds on how long an engine may take to come to rest.
const (
	maxStepsToRest = 300_000
	maxWakesToRest = 10_000
)

var errNoRest = errors.New("the engine does not come to rest")

// Settle runs the engine until nothing is left to do but to wait for people, letting time pass as needed.
func (d *Driver) Settle() error {
	for quiet := 0; ; {
		if err := d.Rest(); err != nil || d.dead() {
			return err
		}
		wait, ok := d.Clock.UntilWake()
		if !ok {
			return nil
		}
		if quiet++; quiet > maxWakesToRest {
			return errors.New("the engine keeps setting timers")
		}
		d.Clock.Advance(wait)
	}
}

// Rest runs the engine until it has nothing to do at this time. A slow disk may have passed the time of a timer and woken nobody.
func (d *Driver) Rest() error {
	for n := 0; ; n++ {
		if n > maxStepsToRest {
			return errNoRest
		}
		if d.Step() {
			continue
		}
		if wait, ok := d.Clock.UntilWake(); d.dead() || !ok || wait > 0 {
			d.takeStock()
			return nil
		}
		d.Clock.Advance(0)
	}
}

// Run makes the world and gives n orders.
func (d *Driver) Run(n int) error {
	for _, o := range d.World.SetUp() {
		d.Give(o)
	}
	if err := d.Settle(); err != nil {
		return err
	}
	return d.Load(0, n)
}

// Load gives n orders made up from the seed, numbered from first, and steps in between; now and then it asks an old one again.
// Between them the engine may come to rest.
func (d *Driver) Load(first, n int) error {
	for i := first; i < first+n && !d.dead(); {
		if again := d.Orders[d.rng.IntN(len(d.Orders))]; again.Asked && d.rng.IntN(20) == 0 {
			d.Ask(again) // whether it has its outcome or not
		}
		if d.expires && d.rng.IntN(40) == 0 {
			if err := d.Age(untilExpired); err != nil {
				return err
			}
		}
		if d.expires && d.rng.IntN(10) == 0 {
			next := d.World.Next(d.rng, i)
			next.ID = fmt.Sprintf("%s:again-%d", d.World.Prefix, len(d.Orders))
			d.Reuse(next)
		}
		if len(d.waiting) < d.InFlight && d.rng.IntN(3) == 0 {
			d.Give(d.World.NextOrRecord(d.rng, i))
			i++
			continue
		}
		if d.Step() {
			continue
		}
		wait, ok := d.Clock.UntilWake()
		switch full := len(d.waiting) >= d.InFlight; {
		case full && !ok:
			return fmt.Errorf("%d orders wait and nothing happens any more", len(d.waiting))
		case full || (ok && d.rng.IntN(4) == 0):
			d.Clock.Advance(wait)
		default:
			d.Give(d.World.NextOrRecord(d.rng, i))
			i++
		}
	}
	return nil
}

// Blocking runs a function that waits for the engine, which is at rest, and steps meanwhile and until it is at rest again. When
// the function gets to run is not up to the seed, so nothing here is: always the first step, and no time passes.
func (d *Driver) Blocking(f func() error) (err error) {
	d.stands.Store(true)
	defer d.stands.Store(false)
	done := make(chan error, 1)
	go func() { done <- f() }()
	for running := true; running; {
		select {
		case err = <-done:
			running = false
		default:
		}
		for n := 0; d.stepped.Step(func(int) int { return 0 }); n++ {
			if n > maxStepsToRest {
				return errNoRest
			}
		}
		runtime.Gosched()
	}
	d.collect()
	return err
}

// Sagas lists the sagas that have not ended, of an engine at rest.
func (d *Driver) Sagas() (all []engine.SagaInfo, err error) {
	err = d.Blocking(func() error {
		var err error
		all, err = d.Engine.Sagas(context.Background())
		return err
	})
	return all, err
}

// Decide decides about each saga that is stuck, as the seed says, until none is left. The engine must have settled.
func (d *Driver) Decide() error {
	for round := 0; ; round++ {
		all, err := d.Sagas()
		if err != nil || len(all) == 0 || d.dead() {
			return err
		}
		if round > 50 {
			return fmt.Errorf("after %d rounds of decisions there are still %d sagas, the first: %+v", round, len(all), all[0])
		}
		if round == 2 {
			for i := range Gates {
				d.Give(Order{Kind: "set-gate", ID: fmt.Sprintf("%s:free %d %d", d.World.Prefix, i, len(d.Orders)), To: d.World.Gate(i)})
			}
			if err := d.Settle(); err != nil {
				return err
			}
		}
		for _, info := range all {
			if info.Phase != "stuck" {
				return fmt.Errorf("at rest, a saga is %v: %+v", info.Phase, info)
			}
			if err := d.DecideOne(info); err != nil {
				return err
			}
		}
		if err := d.Settle(); err != nil {
			return err
		}
	}
}

// DecideOne decides about a saga that is stuck, as the seed says.
func (d *Driver) DecideOne(info engine.SagaInfo) error {
	decision := []saga.Decision{saga.Retry, saga.Retry, saga.Skip, saga.MarkDone}[d.rng.IntN(4)]
	d.mu.Lock()
	d.NoteDecision(info, decision)
	d.mu.Unlock()
	err := d.Blocking(func() error { return d.Engine.DecideSaga(context.Background(), info.ID, decision) })
	if err != nil && !errors.Is(err, engine.ErrNoSpace) && !d.dead() { // with a full disk a person decides later
		return fmt.Errorf("decide saga %d: %w", info.ID, err)
	}
	return nil
}
