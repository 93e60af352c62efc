package ycsb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// ErrAudit: an audit found something wrong. The run has failed, whatever it measured.
var ErrAudit = errors.New("ycsb: wrong audit")

// MaxKinds bounds the kinds of operations of a workload.
const MaxKinds = 64

// Workload is what [Drive] drives. The rows of a [Target] are one ([Rows]), TPC-C and reservations of journeys are others.
//
// It may have a method ReadOnly(kind int) bool: operations of the kinds for which that is true get no request id, as they
// need none.
//
// It may be an [Appender], which is asked at the start and at the end of the measured part.
//
// A progress function may be called by many goroutines at once and is never nil.
type Workload interface {
	// Kinds names the kinds of operations, 1 to MaxKinds, in the order of their indices. None is called "all".
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
	// Next draws the kind of the next operation. In an open loop Do need not follow.
	Next() (kind int)
	// Do does the operation that Next has drawn, and blocks until it is durable. It returns nil if the operation took effect,
	// an error that wraps [ErrUnknown] (or a context's) if that is not known, and any other error if it had no effect. One that
	// wraps [ErrStore] ends the run. The request id is fresh for each operation; it is empty if the run wants no ids.
	Do(ctx context.Context, requestID string) error
}

// Preparer is the ability of a [Client] to do what is its own work and not that of the store: to draw keys and to build what it will
// ask for. It is called after Next and right before Do, and the time that both take is no latency of a closed loop, unless Prepare says
// that it was less than a look at the clock takes (some 50 ns).
type Preparer interface{ Prepare() (short bool) }

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

// compareAudits returns an [ErrAudit] that tells all that is wrong after the mix, or nil.
func compareAudits(before, after Audit) error {
	wrong := append(slices.Clip(after.Wrong), unlike(before, after)...)
	for i := range min(len(before.Constant), len(after.Constant)) {
		if b, a := before.Constant[i], after.Constant[i]; a.Name == b.Name && a.Value != b.Value {
			wrong = append(wrong, fmt.Errorf("the %s changed: %d before, %d after, a difference of %+d", a.Name, b.Value, a.Value, a.Value-b.Value))
		}
	}
	return auditError(wrong)
}

// unlike says where two audits do not see the same figures.
func unlike(before, after Audit) (wrong []error) {
	if len(before.Constant) != len(after.Constant) {
		wrong = append(wrong, fmt.Errorf("the audit saw %d figures before and %d after", len(before.Constant), len(after.Constant)))
	}
	for i := range min(len(before.Constant), len(after.Constant)) {
		if b, a := before.Constant[i].Name, after.Constant[i].Name; a != b {
			wrong = append(wrong, fmt.Errorf("figure %d was the %s before and is the %s after", i, b, a))
		}
	}
	return wrong
}

// auditError is an [ErrAudit] of these, or nil if there are none.
func auditError(wrong []error) error {
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrAudit, errors.Join(wrong...))
}
