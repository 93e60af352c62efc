// Package ycsb measures transactional stores with an extended YCSB: besides reads, updates, insertions and scans of rows it
// makes transfers among them, and reads several of them at once.
//
// The driver knows nothing of rows: a [Workload] has a [Client] for each goroutine, which draws operations and does them, and
// an [Audit] before and after. A [Driving] says how hard it is driven: a closed loop of clients, or an open loop with a rate.
// [Drive] does so, and its [Result] becomes a [Report], which is what the command line writes as JSON. [Search] finds the
// highest rate, [Merge] adds reports up, and [Compare] says whether one set of them is slower than another.
//
// [Rows] are YCSB's workload. A [Target] is what they measure: accounts on an engine (package ycsb/accounts), the
// hand-written floor (package ycsb/floor), the log alone (package ycsb/limit), or your own; what it can do beyond the least are
// abilities (target.go). Its data are [Row]s, one for each key. A [Config] is a Driving and a [Mix] of the operation [Kind]s with a
// [Distribution] of the keys; it can be read from YCSB's property files ([ParseProperties]). [Run] puts it all together.
//
// The rows and transfers are those of "Transactions across Serverless Functions Leveraging Stateful Dataflows" (de Heus et
// al., DEBS 2021 and Information Systems 2022): a balance and 10 fields of 36 bytes, transfers of 1 between two distinct keys.
//
// Start reading at workload.go and driver.go, then rows.go.
package ycsb

import (
	"errors"

	"github.com/concordat-dev/concordat/functions"
)

// ErrUnknown: it is not known whether an operation happened. Targets and workloads wrap it; such operations count as unknown.
var ErrUnknown = errors.New("ycsb: the outcome is unknown")

// ErrInterrupted: the context was cancelled before there was anything to measure.
var ErrInterrupted = errors.New("ycsb: interrupted before the mix began")

// ErrUnable: the mix asks for something that the target has not the ability for. Nothing was run.
var ErrUnable = errors.New("ycsb: this target cannot")

// ErrStore: the store takes nothing more, because its disk is full or has failed. Targets and workloads wrap it, besides ErrUnknown
// where that is so; it ends the run, which has failed.
var ErrStore = errors.New("ycsb: the store cannot go on")

// Failures of the operations.
const (
	// ErrInsufficientFunds: the debited row has less than the amount.
	ErrInsufficientFunds functions.Failure = "ycsb: insufficient funds"
	// ErrRefused: the credited row refuses the transfer, as the share Config.Rollbacks of them is meant to.
	ErrRefused functions.Failure = "ycsb: credit refused"
)
