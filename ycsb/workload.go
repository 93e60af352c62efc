package ycsb

import (
	"context"
	"errors"
	"math/rand/v2"
)

// ErrAudit: an audit found something wrong. The run has failed, whatever it measured.
var ErrAudit = errors.New("ycsb: wrong audit")

// Workload is what is driven. TPC-C (package ycsb/tpcc) and the reservation of journeys (package ycsb/hotel) are two.
//
// A progress function may be called by many goroutines at once and is never nil.
type Workload interface {
	// Kinds names the kinds of operations, in the order of their indices. None is called "all".
	Kinds() []string
	// Load makes the data before anything else happens. What is there already is left alone, without an error.
	Load(ctx context.Context, progress func(done, total int)) error
	// Client makes a client, to be used by one goroutine. All its choices come from rng, so that a run can be repeated. One
	// client more than the run has is made, and only its Next is called.
	Client(n int, rng *rand.Rand) Client
	// Audit is called before and after the mix, while nothing else is under way. An error means that it could not look;
	// what it saw and what should not be is in the Audit.
	Audit(ctx context.Context, progress func(done, total int)) (Audit, error)
	// Counters returns what has been counted since the workload's engine, or whatever it has, was opened.
	Counters() Counters
}

// Client makes the operations of one goroutine.
type Client interface {
	// Next draws the kind of the next operation. In an open loop it may be called well before Do.
	Next() (kind int)
	// Do does the operation that Next has drawn, and blocks until it is durable. It returns nil if the operation took effect,
	// an error that wraps [ErrUnknown] (or a context's) if that is not known, and any other error if it had no effect. The
	// request id is fresh for each operation; it is empty if the run wants no ids.
	Do(ctx context.Context, requestID string) error
}

// Audit is what an audit saw.
type Audit struct {
	// Constant are figures that the mix must not change: the audits before and after it have the same ones in the same order.
	Constant []Figure
	// Wrong are the conditions that do not hold, each with its name, what it is about, and both values.
	Wrong []error
}

// Figure is a number with its name, such as "sum of all balances".
type Figure struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}
