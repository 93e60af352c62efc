package ycsb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// ErrDifferent: reports are of different things and cannot be merged.
var ErrDifferent = errors.New("ycsb: the reports are of different configurations")

// identity is what reports must have in common to be of the same thing.
func (r Report) identity() string {
	data, err := json.Marshal(struct {
		Workload, Protocol, Distribution, Policy, Arrivals string
		Parameters                                         map[string]string
		Keys, Clients, Workers                             int
		Rate                                               float64
		Mix                                                Mix
	}{r.Workload, r.Protocol, r.Distribution, r.Policy, r.Arrivals, r.Parameters, r.Keys, r.Clients, r.Workers, r.Rate, r.Mix})
	if err != nil {
		panic("ycsb: a report's configuration always encodes: " + err.Error())
	}
	return string(data)
}

// Merge adds up reports of the same configuration, such as the rounds of a repeated run, as if they were one long run:
// histograms are merged, so that the percentiles are those of all operations, and the time series follow one another. The
// audit is the first's, or the first wrong one if there is any. Seed, commit and environment are the first's. Reports of
// different configurations are [ErrDifferent].
func Merge(reports []Report) (Report, error) {
	if len(reports) == 0 {
		return Report{}, errors.New("ycsb: there is no report to merge")
	}
	sum := reports[0]
	sum.Kinds, sum.Series, sum.Wrong, sum.Lag, sum.Append = make(map[string]KindReport), nil, nil, nil, nil
	if sum.Of = nil; sum.WrittenBytes != nil {
		sum.WrittenBytes = new(*sum.WrittenBytes)
	}
	for i, r := range reports {
		if r.identity() != sum.identity() {
			return Report{}, fmt.Errorf("%w: the first and number %d", ErrDifferent, i+1)
		}
		if i > 0 {
			sum.count(r)
		}
		sum.extend(r)
	}
	if len(reports) > 1 {
		sum.Round = 0
	}
	sum.summarize()
	return sum, nil
}

// count adds the numbers of another report, and takes over its audit if that is wrong and no other was.
func (r *Report) count(other Report) {
	r.DurationSeconds = math.Round((r.DurationSeconds+other.DurationSeconds)*1000) / 1000
	r.Committed += other.Committed
	r.Failed += other.Failed
	r.Unknown += other.Unknown
	r.NotStarted += other.NotStarted
	r.Retries += other.Retries
	r.Deadlocks += other.Deadlocks
	r.LockWaits += other.LockWaits
	r.LockWaitMS += other.LockWaitMS
	if r.WrittenBytes != nil && other.WrittenBytes != nil {
		*r.WrittenBytes += *other.WrittenBytes
	} else {
		r.WrittenBytes = nil // of one of them it is not known
	}
	r.Interrupted = r.Interrupted || other.Interrupted
	if r.Balanced() && !other.Balanced() {
		r.SumBefore, r.SumAfter, r.Audit, r.NotAudited = other.SumBefore, other.SumAfter, other.Audit, other.NotAudited
	}
}

// extend adds the operations, the time series and the wrong conditions of another report.
func (r *Report) extend(other Report) {
	for name, kind := range other.Kinds {
		merged := r.Kinds[name]
		if merged.Latency == nil {
			merged.Latency = new(Histogram)
		}
		merged.Counts = merged.Counts.plus(kind.Counts)
		if kind.Latency != nil {
			merged.Latency.Merge(kind.Latency)
		}
		r.Kinds[name] = merged
	}
	r.Lag, r.Append = r.Lag.plus(other.Lag), r.Append.plus(other.Append)
	offset := r.DurationSeconds - other.DurationSeconds // both are in it; of the first report that is 0
	for _, m := range other.Series {
		m.At = math.Round((m.At+offset)*1000) / 1000
		r.Series = append(r.Series, m)
	}
	r.Wrong = append(r.Wrong, other.Wrong...)
}

// plus adds other times; each may be nil.
func (t *Times) plus(other *Times) *Times {
	if other == nil {
		return t
	}
	if t == nil {
		t = &Times{Histogram: new(Histogram)}
	}
	t.Histogram.Merge(other.Histogram)
	t.Latency = t.Histogram.Latency()
	return t
}

// summarize computes the rate and the percentiles anew.
func (r *Report) summarize() {
	if r.DurationSeconds > 0 {
		r.CommittedPerS = math.Round(float64(r.Committed)/r.DurationSeconds*10) / 10
	}
	r.perOperation()
	if len(r.Kinds) == 0 {
		return // nothing was measured, or it was not written down
	}
	var all Histogram
	r.LatencyMS = make(map[string]Latency)
	for name, kind := range r.Kinds {
		r.LatencyMS[name] = kind.Latency.Latency()
		all.Merge(kind.Latency)
	}
	r.LatencyMS[allKinds] = all.Latency()
}

// MergeRounds merges the reports of each configuration, in the order in which these come up first.
func MergeRounds(reports []Report) ([]Report, error) {
	groups := groupReports(reports)
	merged := make([]Report, 0, len(groups))
	for _, g := range groups {
		m, err := Merge(g)
		if err != nil {
			return nil, err
		}
		merged = append(merged, m)
	}
	return merged, nil
}

// groupReports puts reports of the same configuration together.
func groupReports(reports []Report) [][]Report {
	var groups [][]Report
	place := make(map[string]int)
	for _, r := range reports {
		id := r.identity()
		at, ok := place[id]
		if !ok {
			at = len(groups)
			place[id], groups = at, append(groups, nil)
		}
		groups[at] = append(groups[at], r)
	}
	return groups
}
