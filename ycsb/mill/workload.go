package mill

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// MaxDrain is that of the engine: its default.
const MaxDrain = 50 * time.Millisecond

// Options say how a workload is opened. Only Dir is required.
type Options struct {
	// Dir is the engine's directory, a new one.
	Dir string
	// Protocol of the requests. Default: none, each serves one purse.
	Protocol ycsb.Protocol
	// Clients is how many there will be at most. Default: 8. At most ycsb.MaxClients.
	Clients int
	// Beside is what goes on beside the requests. Default: nothing.
	Beside Work
	// Workers of the engine. With one the requests and the mills have the same. Default: the engine's.
	Workers int
	// Logger of the engine. Default: slog.Default().
	Logger *slog.Logger
}

// Validate reports what is wrong with the options, but for those of the engine, which [Open] reports.
func (o Options) Validate() error {
	if o.Clients < 0 || o.Clients > ycsb.MaxClients {
		return fmt.Errorf("mill: %d clients are not between 1 and %d", o.Clients, ycsb.MaxClients)
	}
	if o.Protocol > ycsb.Serializable {
		return fmt.Errorf("mill: there is no protocol %d", o.Protocol)
	}
	return o.Beside.Validate()
}

// Workload is the requests and the mills on an engine. It is a [ycsb.Workload]. The mills begin at the end of the audit before the
// mix, and are stopped at the start of the one after it.
type Workload struct {
	engine  *engine.Engine
	health  *bulk.Health
	options Options
	told    []bulk.Tally // by client
	books   books        // of the last audit
	began   time.Time    // when the mills did; zero while they stand
	ground  Ground
	seal    atomic.Int64 // the longest seal since the mills began
	wait    time.Duration
}

// Ground is what the mills did during a mix.
type Ground struct {
	Turns int64
	For   time.Duration
	// Seal is the longest that an epoch took to be made durable meanwhile.
	Seal time.Duration
}

var _ ycsb.Workload = (*Workload)(nil)

// Open opens an engine with all [Parts].
func Open(o Options) (*Workload, error) {
	if o.Clients == 0 {
		o.Clients = 8
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w := &Workload{health: new(bulk.Health), options: o, told: make([]bulk.Tally, o.Clients), wait: longestWait}
	options := engine.Options{Dir: o.Dir, Workers: o.Workers, MaxDrain: MaxDrain, Logger: o.Logger, Fatal: w.health.Fatal}
	options.Seams.Log = seams.Over(w.timed)
	e, err := engine.Open(options, Parts()...)
	if err != nil {
		return nil, err
	}
	w.engine = e
	return w, nil
}

// timed seals an epoch and notes how long that took. It is called by one goroutine at a time.
func (w *Workload) timed(_ uint64, _ *table.Batch, write func() error) error {
	began := time.Now()
	err := write()
	w.seal.Store(max(w.seal.Load(), int64(time.Since(began))))
	return err
}

// Close closes the engine.
func (w *Workload) Close() error { return w.health.Close(w.engine) }

// Engine is the engine that the workload runs on.
func (w *Workload) Engine() *engine.Engine { return w.engine }

// Ground is what the mills did up to the last audit.
func (w *Workload) Ground() Ground { return w.ground }

// Promised is how long a request may take at most: see docs/GUARANTEES.md, Progress.
func (w *Workload) Promised() time.Duration {
	return MaxDrain + 2*w.ground.Seal + w.options.Beside.Cost
}

// Kinds implements [ycsb.Workload].
func (w *Workload) Kinds() []string { return []string{"request"} }

// Counters implements [ycsb.Workload].
func (w *Workload) Counters() ycsb.Counters {
	s := w.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks, LockWaits: s.LockWaits, LockWaitTime: s.LockWaitTime}
}

// openingMoney is what each purse has at first.
const openingMoney = 1000

// purses are those of a client.
func purses(client int) (from, to string) {
	from = strconv.Itoa(client)
	return from + "a", from + "b"
}

// mills are the ids of all mills.
var mills = []string{"0", "1"}

// Load implements [ycsb.Workload].
func (w *Workload) Load(ctx context.Context, progress func(done, total int)) error {
	done, total := 0, len(mills)+2*len(w.told)
	to := bulk.NewWriter(ctx, w.engine, func() { done++; progress(done, total) })
	puts := []functions.Call{build.On(mills[0], true), build.On(mills[1], true)}
	for i := range w.told {
		from, other := purses(i)
		puts = append(puts, openTo.On(from, openingMoney), openTo.On(other, openingMoney))
	}
	for _, put := range puts {
		if err := to.Put(put); err != nil {
			return w.health.Classify(err)
		}
	}
	return w.health.Classify(to.Flush())
}

// Client implements [ycsb.Workload].
func (w *Workload) Client(n int, rng *rand.Rand) ycsb.Client {
	c := &client{workload: w, number: n, rng: rng}
	c.from, c.to = purses(n)
	return c
}

// client makes requests of its own two purses.
type client struct {
	workload *Workload
	number   int
	from, to string
	rng      *rand.Rand
	amount   int64
}

// Next implements ycsb.Client.
func (c *client) Next() int {
	c.amount = c.rng.Int64N(10)
	return 0
}

// Do implements ycsb.Client.
func (c *client) Do(ctx context.Context, requestID string) error {
	w := c.workload
	err := w.health.Do(ctx, w.engine, requestID, c.request())
	w.told[c.number].Count(err)
	return err
}

func (c *client) request() bulk.Request {
	payment := Payment{From: c.from, To: c.to, Amount: c.amount}
	switch c.workload.options.Protocol {
	case ycsb.Saga:
		return PaySaga.With(payment)
	case ycsb.Serializable:
		return PayTx.With(payment)
	}
	return Serve.On(c.from, 0)
}
