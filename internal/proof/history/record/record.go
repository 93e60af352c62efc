// Package record makes histories: clients that run transactions or sagas on an engine and record what they asked, when, and what
// they were told.
//
// A [Recorder] has a workload: lists, whose transactions append and read several lists; a bank, whose transactions move money and
// look at accounts; or sagas that move money and note each step on the account. Its [Client]s make one transaction after the other
// through a [Doer], which is Engine.Do, or something around it that outlives an engine's crash by asking again under the same id.
// Everything goes to a history.Writer, for history.Check.
//
// Start reading here; lists.go, bank.go and sagas.go have the functions and what a client asks of them, run.go a loop for one
// engine. The way to an engine in another process is in internal/proof/chaos.
package record

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Options say what is run. The zero value of each field is its default.
type Options struct {
	// Workload is history.ListAppend (the default), history.Bank or history.Sagas.
	Workload history.Workload
	// Live is the number of lists, or of accounts, that transactions choose from at a time. Few of them mean many conflicts.
	// Default: 16. At least 2.
	Live int
	// Requests is about how many transactions or sagas there will be: a history of sagas needs enough accounts for the notes of all
	// of them. Default: 1,000.
	Requests int
	// PerList bounds the appends to a list, after which another one takes its place. Default: 32.
	PerList int
	// Refused is the share of transactions and sagas that fail at their end by themselves, after everything else was done. Default:
	// 0.03. Negative: none.
	Refused float64
	// Prefix begins the names of lists and accounts and the request ids, so that several histories can be made on one directory.
	Prefix string
	// Seed of what clients choose. Two runs with one seed choose the same, and still differ in who comes first.
	Seed uint64
}

// opening is the balance with which an account begins.
const opening = 1000

func (o Options) withDefaults() Options {
	if o.Workload == "" {
		o.Workload = history.ListAppend
	}
	setDefault(&o.Live, 16)
	setDefault(&o.Requests, 1000)
	setDefault(&o.PerList, 32)
	setDefault(&o.Refused, 0.03)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports what is wrong with the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	switch {
	case o.Workload != history.ListAppend && o.Workload != history.Bank && o.Workload != history.Sagas:
		return fmt.Errorf("record: there is no workload %q: choose %s, %s or %s", o.Workload, history.ListAppend, history.Bank, history.Sagas)
	case o.Live < 2:
		return fmt.Errorf("record: Live is %d, it must be at least 2", o.Live)
	case o.Requests < 1 || o.PerList < 1:
		return fmt.Errorf("record: Requests is %d and PerList %d, both must be at least 1", o.Requests, o.PerList)
	case o.Refused > 1:
		return fmt.Errorf("record: Refused is %v, it must be at most 1", o.Refused)
	}
	return nil
}

// Header is the header of the history that is recorded.
func (o Options) Header() history.Header {
	o = o.withDefaults()
	if o.Workload == history.ListAppend {
		return history.NewHeader(o.Workload)
	}
	return history.BankHeader(o.Workload, o.accounts(), opening)
}

// Parts are what an engine needs to run all workloads.
func Parts() []functions.Part {
	return []functions.Part{lists, listTx, accounts, transferTx, lookTx, ledgers, transferSaga}
}

// ErrRefused is the failure of what was chosen to fail.
const ErrRefused functions.Failure = "record: refused"

// Doer runs a request and returns its outcome as Engine.Do does. The request has an id, and may be run again after an outcome that
// is unknown.
type Doer func(ctx context.Context, r functions.Request) error

// Recorder records one history. Its clients are used by one goroutine each.
type Recorder struct {
	options   Options
	to        *history.Writer
	base      time.Time // the clock of the history
	processes atomic.Int32
	slots     []atomic.Int64 // by live list: appends so far, to all that had its place
	begun     atomic.Int64   // sagas
	counts    Counts
	surprise  atomic.Pointer[error]
}

// Counts are the requests by outcome.
type Counts struct{ OK, Failed, Unknown atomic.Int64 }

// New begins a history. The writer must have been made with the options' header.
func New(o Options, to *history.Writer) (*Recorder, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	return &Recorder{options: o, to: to, base: time.Now(), slots: make([]atomic.Int64, o.Live)}, nil
}

// Counts are the requests so far.
func (r *Recorder) Counts() *Counts { return &r.counts }

// now is the time on the history's clock, which is monotonic.
func (r *Recorder) now() int64 { return time.Since(r.base).Nanoseconds() }

// Client makes one request after the other, and records them.
type Client struct {
	recorder *Recorder
	rng      *rand.Rand
	process  int32
	number   int
	asked    int
	tx       history.Tx
}

// Client makes a client. Numbers must differ.
func (r *Recorder) Client(number int) *Client {
	return &Client{
		recorder: r, number: number, process: r.processes.Add(1) - 1,
		rng: rand.New(rand.NewPCG(r.options.Seed, uint64(number))),
	}
}

// nextID is the next request id. It is the client's number and not its process's: that changes.
func (c *Client) nextID() string {
	c.asked++
	return fmt.Sprintf("%srequest-%d-%d", c.recorder.options.Prefix, c.number, c.asked)
}

// Step makes one request, waits for its outcome, and records it. The error is one of the writer's.
func (c *Client) Step(ctx context.Context, do Doer) error {
	switch c.recorder.options.Workload {
	case history.Bank:
		return c.bankStep(ctx, do)
	case history.Sagas:
		return c.sagaStep(ctx, do)
	}
	return c.listStep(ctx, do)
}

// refuses chooses whether a request will fail by itself.
func (c *Client) refuses() bool { return c.rng.Float64() < c.recorder.options.Refused }

// begin begins the record of a transaction.
func (c *Client) begin() {
	c.tx = history.Tx{Process: c.process, Start: c.recorder.now(), Ops: c.tx.Ops[:0]}
}

// end writes it. A client whose transaction may still be going on goes on as another process.
func (c *Client) end(err error) error {
	c.tx.End = c.recorder.now()
	c.tx.Status = c.recorder.count(err)
	if c.tx.Status == history.Unknown {
		c.process = c.recorder.processes.Add(1) - 1
	}
	return c.recorder.to.Tx(&c.tx)
}

// expected are the failures that a request of these workloads may have. Nothing happened then.
var expected = []error{ErrRefused, ErrPoor, twopc.ErrDeadlock, saga.ErrCancelled, engine.ErrOverloaded, engine.ErrClosed, engine.ErrNoSpace}

// count counts an outcome and says what it means. An error that must not be is taken as one that leaves open what happened.
func (r *Recorder) count(err error) history.Status {
	switch is := func(target error) bool { return errors.Is(err, target) }; {
	case err == nil:
		r.counts.OK.Add(1)
		return history.OK
	case !errors.Is(err, saga.ErrStuck) && slices.ContainsFunc(expected, is):
		r.counts.Failed.Add(1)
		return history.Failed
	case !errors.Is(err, engine.ErrUnknown) && !errors.Is(err, saga.ErrStuck):
		r.surprise.CompareAndSwap(nil, &err)
	}
	r.counts.Unknown.Add(1)
	return history.Unknown
}

// Surprise is the first error that no request should have had, or nil: not a refusal, an unknown outcome or the end of the engine.
func (r *Recorder) Surprise() error {
	if err := r.surprise.Load(); err != nil {
		return fmt.Errorf("record: a request failed as none should: %w", *err)
	}
	return nil
}
