package figures

import (
	"fmt"
	"math"
	"slices"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/page"
)

// Field names a number of a cell: in quotes, in the heads of tables, and in the CSV.
type Field string

// The fields.
const (
	Rate        Field = "rate"         // committed operations a second; of a search, the rate that it found
	P50         Field = "p50"          // latencies of all operations, in milliseconds
	P95         Field = "p95"          //
	P99         Field = "p99"          //
	TransferP50 Field = "transfer_p50" // latencies of transfers
	TransferP95 Field = "transfer_p95"
	TransferP99 Field = "transfer_p99"
	Answered    Field = "answered"  // operations a second that committed, or failed as they were meant to
	Failed      Field = "failed"    // percent of all operations
	Transfers   Field = "transfers" // transfers that were committed
	Deadlocks   Field = "deadlocks" // cycles that were broken
	Deadlocked  Field = "deadlocks_per_10000"
	Retries     Field = "retries_per_1000"
	Waits       Field = "waits_per_1000"
	WaitMean    Field = "wait_mean" // of a call for a lock, in milliseconds
	WaitP50     Field = "wait_p50"
	WaitP99     Field = "wait_p99"
	DetectP50   Field = "detect_p50" // from when a cycle closed to its victim, in milliseconds
	DetectP99   Field = "detect_p99"
	Longest     Field = "longest"    // latency of all operations, in milliseconds
	Promised    Field = "promised"   // how long a request may take at most, in milliseconds
	Turns       Field = "turns"      // of what went on beside the requests, a second
	Sealed      Field = "sealed"     // the longest seal, in milliseconds
	Written     Field = "written"    // bytes to disks, for a committed operation
	AppendP50   Field = "append_p50" // of a synced append of a lone client's writes to the log, in milliseconds
	AppendP99   Field = "append_p99"
)

// field is how a number is read from a measurement and written.
type field struct {
	words  string // with the unit
	digits int    // after the point
	read   func(Measurement) (float64, bool)
}

var fields = withStages(map[Field]field{
	Rate:        {"committed a second", 0, rate},
	P50:         {"latency p50, ms", 2, latency("all", func(l ycsb.Latency) float64 { return l.P50 })},
	P95:         {"latency p95, ms", 2, latency("all", func(l ycsb.Latency) float64 { return l.P95 })},
	P99:         {"latency p99, ms", 2, latency("all", func(l ycsb.Latency) float64 { return l.P99 })},
	TransferP50: {"latency of transfers p50, ms", 2, latency(transferKind, func(l ycsb.Latency) float64 { return l.P50 })},
	TransferP95: {"latency of transfers p95, ms", 2, latency(transferKind, func(l ycsb.Latency) float64 { return l.P95 })},
	TransferP99: {"latency of transfers p99, ms", 2, latency(transferKind, func(l ycsb.Latency) float64 { return l.P99 })},
	Answered: {"answered a second", 0, func(m Measurement) (float64, bool) {
		return float64(m.Report.Committed+m.Report.Failed) / m.Report.DurationSeconds, m.Report.DurationSeconds > 0
	}},
	Failed: {"failed, percent", 1, perOperation(100, func(r ycsb.Report) float64 { return float64(r.Failed) })},
	Transfers: {"transfers committed", 0, func(m Measurement) (float64, bool) {
		kind, ok := m.Report.Kinds[transferKind]
		return float64(kind.Committed), ok
	}},
	Deadlocks: {"deadlocks", 0, func(m Measurement) (float64, bool) { return float64(m.Report.Deadlocks), true }},
	Deadlocked: {"deadlocks in 10,000 transfers", 2, func(m Measurement) (float64, bool) {
		n := m.Report.Kinds[transferKind].Committed
		return 10_000 * float64(m.Report.Deadlocks) / float64(n), n > 0
	}},
	Retries: {"retries in 1,000 operations", 2, perOperation(1000, func(r ycsb.Report) float64 { return float64(r.Retries) })},
	Waits:   {"waits for locks in 1,000 operations", 1, perOperation(1000, func(r ycsb.Report) float64 { return float64(r.LockWaits) })},
	WaitMean: {"mean wait for a lock, ms", 3, func(m Measurement) (float64, bool) {
		return m.Report.LockWaitMS / float64(m.Report.LockWaits), m.Report.LockWaits > 0
	}},
	WaitP50:   {"wait for a lock p50, ms", 3, ofLatency(func(m Measurement) *ycsb.Latency { return m.Waits }, func(l ycsb.Latency) float64 { return l.P50 })},
	WaitP99:   {"wait for a lock p99, ms", 3, ofLatency(func(m Measurement) *ycsb.Latency { return m.Waits }, func(l ycsb.Latency) float64 { return l.P99 })},
	DetectP50: {"deadlock found after p50, ms", 3, ofLatency(func(m Measurement) *ycsb.Latency { return m.Detection }, func(l ycsb.Latency) float64 { return l.P50 })},
	DetectP99: {"deadlock found after p99, ms", 3, ofLatency(func(m Measurement) *ycsb.Latency { return m.Detection }, func(l ycsb.Latency) float64 { return l.P99 })},
	Longest:   {"latency max, ms", 2, latency("all", func(l ycsb.Latency) float64 { return l.Max })},
	Promised:  {"promised at most, ms", 2, ofBeside(func(b Beside) float64 { return b.PromisedMS })},
	Turns:     {"turns beside them a second", 0, ofBeside(func(b Beside) float64 { return b.TurnsPerS })},
	Written: {"bytes written for an operation", 0, func(m Measurement) (float64, bool) {
		if m.Report.WrittenPerOp == nil {
			return 0, false
		}
		return *m.Report.WrittenPerOp, true
	}},
	AppendP50: {"synced append p50, ms", 3, ofLatency(appends, func(l ycsb.Latency) float64 { return l.P50 })},
	AppendP99: {"synced append p99, ms", 3, ofLatency(appends, func(l ycsb.Latency) float64 { return l.P99 })},
	Sealed:    {"longest seal, ms", 2, ofBeside(func(b Beside) float64 { return b.SealMS })},
})

// transferKind is the kind of operations that transfers are.
var transferKind = ycsb.Move.String()

func rate(m Measurement) (float64, bool) {
	if m.Search != nil {
		if len(m.Search.Goals) == 0 {
			return 0, false
		}
		return m.Search.Goals[0].Rate, true
	}
	return m.Report.CommittedPerS, true
}

func latency(kind string, of func(ycsb.Latency) float64) func(Measurement) (float64, bool) {
	return func(m Measurement) (float64, bool) {
		l, ok := m.Report.LatencyMS[kind]
		return of(l), ok
	}
}

func ofLatency(which func(Measurement) *ycsb.Latency, of func(ycsb.Latency) float64) func(Measurement) (float64, bool) {
	return func(m Measurement) (float64, bool) {
		l := which(m)
		if l == nil {
			return 0, false
		}
		return of(*l), true
	}
}

// appends are how long synced appends to the log took; nil if that was not measured.
func appends(m Measurement) *ycsb.Latency {
	if m.Report.Append == nil {
		return nil
	}
	return &m.Report.Append.Latency
}

func ofBeside(of func(Beside) float64) func(Measurement) (float64, bool) {
	return func(m Measurement) (float64, bool) {
		if m.Beside == nil {
			return 0, false
		}
		return of(*m.Beside), true
	}
}

func perOperation(times float64, of func(ycsb.Report) float64) func(Measurement) (float64, bool) {
	return func(m Measurement) (float64, bool) {
		n := m.Report.Committed + m.Report.Failed + m.Report.Unknown
		return times * of(m.Report) / float64(n), n > 0
	}
}

// Value is a number of a cell: the median of its rounds, and their range.
type Value struct {
	Median, Low, High float64
	Rounds            int
}

// Value returns a number of the cell; false if no round has it.
func (m Measured) Value(f Field) (Value, bool) {
	var all []float64
	for _, round := range m.Rounds {
		if v, ok := fields[f].read(round); ok && !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return Value{}, false
	}
	slices.Sort(all)
	n := len(all)
	return Value{Median: (all[(n-1)/2] + all[n/2]) / 2, Low: all[0], High: all[n-1], Rounds: n}, true
}

// format writes a number as people read it: large ones with commas, small ones with so many digits after the point.
func format(v float64, digits int) string {
	if digits == 0 || math.Abs(v) >= 1000 {
		return page.Thousands(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// Text is the median, and the range if there were several rounds.
func (v Value) Text(digits int) string {
	text := format(v.Median, digits)
	if v.Rounds > 1 {
		text += fmt.Sprintf(" (%s to %s)", format(v.Low, digits), format(v.High, digits))
	}
	return text
}
