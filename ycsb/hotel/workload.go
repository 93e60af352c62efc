package hotel

import (
	"math/rand/v2"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// Workload is the operations on an engine. It is a [ycsb.Workload]; its clients may be used at once.
type Workload struct {
	engine  *engine.Engine
	health  *bulk.Health
	options Options
	told    []told // by customer
	audited *books // what the first audit saw
}

// told is what the clients were told of a customer's reservations.
type told struct{ made, cancelled bulk.Tally }

var _ ycsb.Workload = (*Workload)(nil)

// OpenWorkload opens an engine with all [Parts].
func OpenWorkload(o Options) (*Workload, error) {
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
	return &Workload{engine: e, health: health, options: o, told: make([]told, o.Scale.Customers)}, nil
}

// Close closes the engine.
func (w *Workload) Close() error { return w.health.Close(w.engine) }

// Engine is the engine that the workload runs on.
func (w *Workload) Engine() *engine.Engine { return w.engine }

// The kinds of operations.
const (
	KindSearch = iota
	KindRecommend
	KindLogin
	KindReserve
	KindCancel
	numKinds
)

// Kinds implements [ycsb.Workload].
func (w *Workload) Kinds() []string {
	return []string{"search", "recommend", "login", "reserve", "cancel"}
}

// ReadOnly says which kinds of operations write nothing, and so need no request ids.
func (w *Workload) ReadOnly(kind int) bool {
	return kind == KindSearch || kind == KindRecommend || kind == KindLogin
}

// Counters implements [ycsb.Workload].
func (w *Workload) Counters() ycsb.Counters {
	s := w.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks, LockWaits: s.LockWaits, LockWaitTime: s.LockWaitTime}
}

// Client implements [ycsb.Workload].
func (w *Workload) Client(_ int, rng *rand.Rand) ycsb.Client {
	c := &client{workload: w, rng: rng}
	sum := 0.0
	for i, share := range w.options.Mix.shares() {
		sum += share
		c.upTo[i] = sum
		if share > 0 {
			c.last = i
		}
	}
	return c
}
