// Package ycsb measures transactional stores with an extended YCSB: besides reads and updates of rows it makes transfers
// between two rows.
//
// A [Target] is what is measured: accounts on an engine (package ycsb/accounts), the hand-written floor (package ycsb/floor),
// or your own. Its data are [Row]s, one for each key. A [Config] says how much of what is asked: a [Mix] of the operation [Kind]s, a [Distribution] of
// the keys, a closed loop of clients or an open loop with a rate. [Run] loads the rows, runs the mix, and audits the sum of all
// balances before and after; its [Result] becomes a [Report], which is what the command line writes as JSON.
//
// The workload is that of "Transactions across Serverless Functions Leveraging Stateful Dataflows" (de Heus et al., DEBS 2021
// and Information Systems 2022): rows of a balance and 10 fields of 36 bytes, transfers of 1 between two distinct keys.
//
// Start reading at driver.go, then client.go.
package ycsb

import (
	"context"
	"errors"

	"github.com/concordat-dev/concordat/functions"
)

// ErrWrongSum: money appeared or vanished between the audit before and the audit after the mix.
var ErrWrongSum = errors.New("ycsb: the sum of all balances changed")

// ErrUnknown: a target does not know whether an operation happened. Targets wrap it; such operations count as unknown.
var ErrUnknown = errors.New("ycsb: the outcome is unknown")

// ErrInterrupted: the context was cancelled before there was anything to measure.
var ErrInterrupted = errors.New("ycsb: interrupted before the mix began")

// Failures of the operations.
const (
	// ErrInsufficientFunds: the debited row has less than the amount.
	ErrInsufficientFunds functions.Failure = "ycsb: insufficient funds"
	// ErrRefused: the credited row refuses the transfer, as the share Config.Rollbacks of them is meant to.
	ErrRefused functions.Failure = "ycsb: credit refused"
)

// Target is what is measured. Its methods are called by many clients at once and block until the operation is durable.
//
// Each returns nil if the operation took effect, an error that wraps [ErrUnknown] (or a context's error) if that is not known,
// and any other error if it had no effect. A write with a request id that was used before must have no second effect; an
// empty request id makes no such promise.
type Target interface {
	// Load makes the row of a key, as [NewRow] has it. A row that is there already is left alone, without an error.
	Load(ctx context.Context, key int) error
	// Read reads a whole row.
	Read(ctx context.Context, key int) error
	// Update overwrites one field of a row.
	Update(ctx context.Context, requestID string, u FieldUpdate) error
	// Transfer moves money from one row to another.
	Transfer(ctx context.Context, requestID string, t Transfer) error
	// Balance reads the balance of a row, for the audit.
	Balance(ctx context.Context, key int) (int64, error)
	// Counters returns what the target has counted since it was opened.
	Counters() Counters
	// Close releases the target. Run does not call it.
	Close() error
}

// FieldUpdate overwrites field Field of row Key with Value, which has [FieldBytes] bytes.
type FieldUpdate struct {
	Key, Field int
	Value      string
}

// Transfer moves Amount from row From to row To, which are distinct. With Refuse the credit is refused once the debit has
// been made, so that the protocol has something to undo: the target answers [ErrRefused] and leaves both rows as they were.
type Transfer struct {
	From, To int
	Amount   int64
	Refuse   bool
}

// Counters are what a target counts. Targets without such a thing leave them zero.
type Counters struct {
	Retries   uint64 // transactions run again after they gave way to others
	Deadlocks uint64 // cycles found in the wait-for graph
}

// Kind is a kind of operation.
type Kind uint8

// The kinds of operations.
const (
	Read Kind = iota
	Update
	Move // a transfer
	numKinds
)

// String returns "read", "update" or "transfer".
func (k Kind) String() string { return [...]string{"read", "update", "transfer"}[k] }
