package tpcc

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// Options say how a workload is opened. Only Dir is required.
type Options struct {
	// Dir is the engine's directory.
	Dir string
	// Scale of the company. Default: the standard's, with one warehouse.
	Scale Scale
	// Protocol of the transactions. Default: ycsb.Serializable.
	Protocol ycsb.Protocol
	// Mix says how often each transaction is drawn. Default: as often as in the standard, 45 to 43.
	Mix Mix
	// Seed of the data. What the clients do depends on the seed that the driver gives them. A directory keeps its seed.
	Seed uint64
	// Policy of the locks. Default: locks.Detect.
	Policy locks.Policy
	// Workers of the engine. Default: the engine's.
	Workers int
	// CacheBytes of the engine. Default: the engine's. A warehouse of full scale has about 130 MB of encoded rows.
	CacheBytes int64
	// Logger of the engine. Default: slog.Default().
	Logger *slog.Logger
}

// Mix are weights; they need not add up to anything.
type Mix struct{ NewOrder, Payment float64 }

// standardMix are the shares of clause 5.2.3 in a hundred transactions, of which 12 are not there.
var standardMix = Mix{NewOrder: 45, Payment: 43}

// Validate reports weights that are no weights.
func (m Mix) Validate() error {
	if sum := m.NewOrder + m.Payment; !(m.NewOrder >= 0 && m.Payment >= 0 && sum > 0) || math.IsInf(sum, 0) {
		return fmt.Errorf("tpcc: a mix of %g new orders and %g payments: weights are not negative, not all zero, and finite", m.NewOrder, m.Payment)
	}
	least := min(m.NewOrder, m.Payment)
	if share := least / (m.NewOrder + m.Payment); least > 0 && share < ycsb.MinShare {
		return fmt.Errorf("tpcc: a mix of %g new orders and %g payments: a share of %g is so small that it would never come up; at least %g, or 0",
			m.NewOrder, m.Payment, share, ycsb.MinShare)
	}
	return nil
}

// Validate reports everything that is wrong with the options, but for those of the engine, which [Open] reports.
func (o Options) Validate() error {
	o = o.withDefaults()
	var protocol error
	if o.Protocol != ycsb.Serializable && o.Protocol != ycsb.Saga {
		protocol = fmt.Errorf("tpcc: there is no protocol %d", o.Protocol)
	}
	return errors.Join(o.Scale.Validate(), o.Mix.Validate(), protocol)
}

func (o Options) withDefaults() Options {
	o.Scale = o.Scale.withDefaults()
	if o.Protocol == 0 {
		o.Protocol = ycsb.Serializable
	}
	if o.Mix == (Mix{}) {
		o.Mix = standardMix
	}
	return o
}

// Workload is the two transactions on an engine. It is a [ycsb.Workload]; its clients may be used at once.
type Workload struct {
	engine   *engine.Engine
	health   *bulk.Health
	scale    Scale
	protocol ycsb.Protocol
	payments float64 // the share of payments
	seed     uint64

	newOrders, paid bulk.Tally
	audited         *snapshot // what the first audit saw
}

var _ ycsb.Workload = (*Workload)(nil)

// Open opens an engine with all [Parts].
func Open(o Options) (*Workload, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	health := new(bulk.Health)
	e, err := engine.Open(engine.Options{
		Dir: o.Dir, Workers: o.Workers, Policy: o.Policy, CacheBytes: o.CacheBytes, Logger: o.Logger, Fatal: health.Fatal,
	}, Parts()...)
	if err != nil {
		return nil, err
	}
	return &Workload{
		engine: e, health: health, scale: o.Scale, protocol: o.Protocol, payments: o.Mix.Payment / (o.Mix.NewOrder + o.Mix.Payment), seed: o.Seed,
	}, nil
}

// Close closes the engine.
func (w *Workload) Close() error { return w.health.Close(w.engine) }

// Engine is the engine that the workload runs on.
func (w *Workload) Engine() *engine.Engine { return w.engine }

// The kinds of operations.
const (
	KindNewOrder = iota
	KindPayment
)

// Kinds implements [ycsb.Workload]: "new-order" and "payment".
func (w *Workload) Kinds() []string { return []string{"new-order", "payment"} }

// Counters implements [ycsb.Workload].
func (w *Workload) Counters() ycsb.Counters {
	s := w.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks, LockWaits: s.LockWaits, LockWaitTime: s.LockWaitTime}
}

// Client implements [ycsb.Workload]. Client n is a terminal of warehouse n modulo their number (clause 2.4.1.1).
func (w *Workload) Client(n int, rng *rand.Rand) ycsb.Client {
	c := newConstants(rand.New(rand.NewPCG(w.seed, constantsStream)))
	return &client{
		workload: w, rng: rng, home: n%w.scale.Warehouses + 1,
		names:     newNURand(namesA, fullNames, c.Name, 0, w.scale.names()-1),
		customers: newNURand(customersA, fullCustomers, c.ID, 1, w.scale.Customers),
		items:     newNURand(itemsA, fullItems, c.ItemName, 1, w.scale.Items),
	}
}
