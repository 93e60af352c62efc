package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is a kind of thing that goes wrong.
type Fault string

// The faults. Each seed switches on some of them.
const (
	FaultKill   Fault = "kill"   // the process dies; the system keeps what it wrote
	FaultPower  Fault = "power"  // the power fails: 0, 50 or 90 % of what is not synced survives
	FaultDisk   Fault = "disk"   // a write or a sync fails, and with it the process
	FaultFull   Fault = "full"   // there is no disk space for a while
	FaultSlow   Fault = "slow"   // syncs take long
	FaultClock  Fault = "clock"  // the clock jumps, up to hours, both ways
	FaultPanic  Fault = "panic"  // user functions panic
	FaultGiveUp Fault = "giveup" // clients give up waiting
	FaultAgain  Fault = "again"  // clients ask again under the same id
	FaultCancel Fault = "cancel" // sagas are cancelled
	FaultDecide Fault = "decide" // a person decides about stuck sagas in the middle of it all
	FaultClose  Fault = "close"  // the engine is closed and opened again
	FaultDrain  Fault = "drain"  // epochs are cut by force
	FaultCache  Fault = "cache"  // caches are tiny
	FaultBusy   Fault = "busy"   // user functions take long
	FaultExpire Fault = "expire" // outcomes expire, and their ids are used again
)

// AllFaults lists the faults.
func AllFaults() []Fault {
	return []Fault{
		FaultKill, FaultPower, FaultDisk, FaultFull, FaultSlow, FaultClock, FaultPanic, FaultGiveUp, FaultAgain, FaultCancel,
		FaultDecide, FaultClose, FaultDrain, FaultCache, FaultBusy, FaultExpire,
	}
}

// ParseFaults reads a list of faults with commas in between; "all" and "none" stand for themselves. Upper and lower case are the same.
func ParseFaults(list string) ([]Fault, error) {
	list = strings.ToLower(list)
	switch list {
	case "all":
		return AllFaults(), nil
	case "none":
		return nil, nil
	}
	var faults []Fault
	for name := range strings.SplitSeq(list, ",") {
		f := Fault(strings.TrimSpace(name))
		if !slices.Contains(AllFaults(), f) {
			return nil, fmt.Errorf("sim: there is no fault %q; there are %v", f, AllFaults())
		}
		faults = append(faults, f)
	}
	return faults, nil
}

// Event is one planned thing. Seed decides what is left open in it, so that it is the same whatever is planned before it.
type Event struct {
	Kind  EventKind
	Seed  uint64
	Order Order         // to give
	N     int           // steps to take; operations of the disk to let pass
	Keep  int           // percent of unsynced data that a crash keeps
	For   time.Duration // to let pass; by which the clock jumps; that a sync takes
}

// EventKind says what an event does.
type EventKind string

// The kinds of events.
const (
	EvGive    EventKind = "give"     // a client gives Order
	EvAgain   EventKind = "again"    // a client asks for an old order again
	EvGiveUp  EventKind = "give-up"  // the client that waits for the longest gives up
	EvSteps   EventKind = "steps"    // the engine takes N steps
	EvPass    EventKind = "pass"     // For passes
	EvRest    EventKind = "rest"     // the engine runs until it has nothing to do
	EvJump    EventKind = "jump"     // the clock jumps by For
	EvCrash   EventKind = "crash"    // now, keeping Keep percent
	EvCrashAt EventKind = "crash-at" // at the N-th operation of the disk from now
	EvFailAt  EventKind = "fail-at"  // the N-th write or sync from now fails
	EvFull    EventKind = "full"     // the disk has no room
	EvRoom    EventKind = "room"     // it has room again
	EvSlow    EventKind = "slow"     // syncs take For
	EvCancel  EventKind = "cancel"   // a saga is cancelled
	EvDecide  EventKind = "decide"   // a person decides about stuck sagas
	EvClose   EventKind = "close"    // the engine is closed and opened again
	EvAge     EventKind = "age"      // For passes while the engine has nothing to do
	EvReuse   EventKind = "reuse"    // a client gives Order under the id of an earlier one whose outcome has expired
)

func (e Event) String() string {
	switch e.Kind {
	case EvGive, EvReuse:
		return fmt.Sprintf(string(e.Kind)+" %s %s from %s to %s amount %d asked %v fed %v", e.Order.Kind, e.Order.ID, e.Order.From, e.Order.To, e.Order.Amount, e.Order.Asked, e.Order.Fed)
	case EvSteps:
		return fmt.Sprintf("steps %d (seed %d)", e.N, e.Seed)
	case EvPass, EvJump, EvSlow, EvAge:
		return fmt.Sprintf("%s %v", e.Kind, e.For)
	case EvCrash:
		return fmt.Sprintf("crash, %d%% of what is not synced (seed %d)", e.Keep, e.Seed)
	case EvCrashAt:
		return fmt.Sprintf("crash-at operation %d from now, %d%% of what is not synced (seed %d)", e.N, e.Keep, e.Seed)
	case EvFailAt:
		return fmt.Sprintf("fail-at write or sync %d from now", e.N)
	}
	return fmt.Sprintf("%s (seed %d)", e.Kind, e.Seed)
}

// Plan is a run that is planned from the beginning to the end. The same plan gives the same run.
type Plan struct {
	Seed   uint64
	Faults []Fault // that are on
	Events []Event
}

// Bounds of a plan.
const (
	DefaultOrders = 60
	MaxOrders     = 100_000
)

// NewPlan plans a run from a seed: so many orders, and of the allowed faults a random half.
func NewPlan(seed uint64, orders int, allowed []Fault) (Plan, error) {
	if orders < 1 || orders > MaxOrders {
		return Plan{}, fmt.Errorf("sim: %d orders; allowed are 1 to %d", orders, MaxOrders)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	p := Plan{Seed: seed}
	for _, f := range allowed {
		if rng.IntN(2) == 0 {
			p.Faults = append(p.Faults, f)
		}
	}
	if p.Has(FaultPower) {
		p.maybe(rng, 4, Event{Kind: EvCrashAt, N: 1 + rng.IntN(150), Keep: Keeps[rng.IntN(len(Keeps))]})
	}
	world := World{Prefix: "w", Tills: 8}
	crowd := 1 + rng.IntN(20) // orders that are given at a time, about
	for n := range orders {
		p.planFaults(rng, world, orders)
		next := func(rng *rand.Rand) Order { return world.NextOrRecord(rng, n) }
		p.add(rng, Event{Kind: EvGive, Order: p.order(rng, next)})
		if rng.IntN(crowd) == 0 {
			p.add(rng, Event{Kind: EvSteps, N: 1 + rng.IntN(40*crowd)})
		}
		switch rng.IntN(12) {
		case 0:
			p.add(rng, Event{Kind: EvRest})
		case 1:
			p.add(rng, Event{Kind: EvPass, For: time.Duration(rng.IntN(100)) * time.Millisecond})
		}
	}
	return p, nil
}

func (p *Plan) add(rng *rand.Rand, e Event) {
	e.Seed = rng.Uint64()
	p.Events = append(p.Events, e)
}

// Has reports whether a fault is on.
func (p *Plan) Has(f Fault) bool { return slices.Contains(p.Faults, f) }

// order makes up an order, one that panics only if that fault is on.
func (p *Plan) order(rng *rand.Rand, next func(rng *rand.Rand) Order) Order {
	for {
		if o := next(rng); p.Has(FaultPanic) || !slices.Contains(panicking, o.Kind) {
			return o
		}
	}
}

// planFaults plans, between two orders, what goes wrong. The rarer ones come a few times in a run of whatever length.
func (p *Plan) planFaults(rng *rand.Rand, world World, orders int) {
	rare := max(8, orders/4)
	keep := Keeps[rng.IntN(len(Keeps))]
	for _, f := range p.Faults {
		switch f {
		case FaultKill:
			p.maybe(rng, rare, Event{Kind: EvCrash, Keep: 100})
			p.maybe(rng, rare, Event{Kind: EvCrashAt, N: 1 + rng.IntN(80), Keep: 100})
		case FaultPower:
			p.maybe(rng, rare, Event{Kind: EvCrash, Keep: keep})
			p.maybe(rng, rare, Event{Kind: EvCrashAt, N: 1 + rng.IntN(80), Keep: keep})
		case FaultDisk:
			p.maybe(rng, rare, Event{Kind: EvFailAt, N: 1 + rng.IntN(60), Keep: keep})
		case FaultFull:
			p.maybe(rng, rare, Event{Kind: EvFull})
			p.maybe(rng, rare/4, Event{Kind: EvRoom})
		case FaultSlow:
			p.maybe(rng, rare, Event{Kind: EvSlow, For: []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 2 * time.Second}[rng.IntN(4)]})
		case FaultClock:
			p.maybe(rng, rare, Event{Kind: EvJump, For: time.Duration(rng.Int64N(int64(8*time.Hour))) - 4*time.Hour})
		case FaultGiveUp:
			p.maybe(rng, 6, Event{Kind: EvGiveUp})
		case FaultAgain:
			p.maybe(rng, 4, Event{Kind: EvAgain})
		case FaultCancel:
			p.maybe(rng, 10, Event{Kind: EvCancel})
		case FaultDecide:
			p.maybe(rng, 10, Event{Kind: EvDecide})
		case FaultClose:
			p.maybe(rng, rare, Event{Kind: EvClose})
		case FaultExpire:
			p.maybe(rng, 10, Event{Kind: EvAge, For: []time.Duration{keepOutcomes / 2, untilExpired, 2 * untilExpired}[rng.IntN(3)]})
			again := p.order(rng, func(rng *rand.Rand) Order { return world.Next(rng, len(p.Events)) })
			again.ID += " again"
			p.maybe(rng, 3, Event{Kind: EvReuse, Order: again})
		}
	}
}

// maybe plans an event with a chance of one in some.
func (p *Plan) maybe(rng *rand.Rand, in int, e Event) {
	if rng.IntN(in) == 0 {
		p.add(rng, e)
	}
}

// Shrink looks for a smaller plan that still fails: it leaves events out, first in large pieces, then one by one (delta debugging;
// Zeller and Hildebrandt, 2002), and tries at most so many plans.
func (p Plan) Shrink(fails func(Plan) bool, tries int) Plan {
	for size := max(1, len(p.Events)/2); ; {
		smaller := false
		for at := 0; at < len(p.Events); {
			if tries == 0 {
				return p
			}
			tries--
			q := p
			q.Events = slices.Concat(p.Events[:at], p.Events[min(at+size, len(p.Events)):])
			if fails(q) {
				p, smaller = q, true
				continue
			}
			at += size
		}
		if size == 1 && !smaller {
			return p
		}
		size = max(1, size/2)
	}
}
