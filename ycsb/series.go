package ycsb

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Moment is an entry of the time series: what ended in one Interval of the measured part. The last entry may be shorter, or
// longer: it also has the operations that were started in the measured part and ended after it.
type Moment struct {
	At         float64 `json:"at_s"` // when the entry ends, in seconds from the start of the measured part
	Counts             // operations that ended in it
	P50        float64 `json:"p50"` // of their latencies, in milliseconds with two digits
	P99        float64 `json:"p99"`
	Retries    uint64  `json:"retries"`
	Deadlocks  uint64  `json:"deadlocks"`
	LockWaits  uint64  `json:"lock_waits"`
	LockWaitMS float64 `json:"lock_wait_ms"` // the time of all waits together
}

// Counters are what a workload counts. Those without such a thing leave them zero.
type Counters struct {
	Retries      uint64        // transactions run again after they gave way to others
	Deadlocks    uint64        // cycles found in the wait-for graph
	LockWaits    uint64        // waits for a lock that ended
	LockWaitTime time.Duration // how long those took together
}

// since returns what was counted after c.
func (c Counters) since(before Counters) Counters {
	return Counters{
		Retries:      c.Retries - before.Retries,
		Deadlocks:    c.Deadlocks - before.Deadlocks,
		LockWaits:    c.LockWaits - before.LockWaits,
		LockWaitTime: c.LockWaitTime - before.LockWaitTime,
	}
}

// counted is what others than the runners have counted.
type counted struct {
	counters []Counters // at the start of the measured part, at the end of each entry of the time series, and now
	written  *uint64    // see [Result]
	appends  Histogram  // likewise
}

// countTicks looks at what is counted at the start of the measured part, at the counters also at the end of each entry of the time
// series. The returned function ends that and looks once more.
func (r *mixRun) countTicks(ctx context.Context) (end func() counted) {
	ctx, cancel := context.WithCancel(ctx)
	begun := make(chan counted, 1)
	look := func() counted {
		return counted{written: bytesWritten(), appends: r.appends(), counters: []Counters{r.workload.Counters()}}
	}
	var c counted
	if r.driving.Warmup == 0 {
		c = look() // before the first operation
	}
	go func() {
		if r.driving.Warmup > 0 {
			waitUntil(ctx, r.from) // or until it is interrupted in the warm-up
			c = look()
		}
		for at := r.from.Add(r.driving.Interval); at.Before(r.to) && waitUntil(ctx, at); at = at.Add(r.driving.Interval) {
			c.counters = append(c.counters, r.workload.Counters())
		}
		begun <- c
	}()
	return func() counted {
		cancel()
		c := <-begun
		return counted{append(c.counters, r.workload.Counters()), writtenSince(c.written), r.appends()}
	}
}

// appends are those since it was called last, of a workload that tells.
func (r *mixRun) appends() Histogram {
	a, ok := r.workload.(Appender)
	if !ok {
		return Histogram{}
	}
	return a.Appends()
}

// waitUntil waits and returns true, or returns false when the context is cancelled before.
func waitUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// byKind returns what was measured of each kind that there was, and of all.
func (m *measurements) byKind(names []string) map[string]KindResult {
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make(map[string]KindResult)
	var all KindResult
	for i := range m.kinds {
		kind := &m.kinds[i]
		if kind.latency.Count() == 0 {
			continue
		}
		r := KindResult{Counts: countsOf(kind.counts), Latency: kind.latency}
		results[names[i]] = r
		all.Counts = all.Counts.plus(r.Counts)
		all.Latency.Merge(&r.Latency)
	}
	results[allKinds] = all
	return results
}

func (c Counts) plus(d Counts) Counts {
	return Counts{Committed: c.Committed + d.Committed, Failed: c.Failed + d.Failed, Unknown: c.Unknown + d.Unknown}
}

// series returns the entries up to the end of the run. What ended after the measured part is added to the last one.
func (m *measurements) series(ticks []Counters, elapsed time.Duration) []Moment {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries := max(1, min(m.last, int((elapsed+m.interval-1)/m.interval)))
	for _, later := range m.moments[entries:] {
		m.moments[entries-1] = m.moments[entries-1].plus(later)
	}
	series := make([]Moment, entries)
	for i := range series {
		end := time.Duration(i+1) * m.interval
		if i == entries-1 {
			end = elapsed
		}
		series[i] = m.moments[i].entry()
		series[i].At = math.Round(end.Seconds()*1000) / 1000
		if i+1 < len(ticks) {
			series[i].count(ticks[i+1].since(ticks[i]))
		}
	}
	return series
}

// plus adds a later entry to an earlier one; each may be nil.
func (m *moment) plus(later *moment) *moment {
	if m == nil || later == nil {
		return cmp.Or(m, later)
	}
	for outcome, n := range later.counts {
		m.counts[outcome] += n
	}
	m.latency.Merge(later.latency)
	return m
}

// entry returns the operations of an entry, which is nil if nothing ended in it.
func (m *moment) entry() Moment {
	if m == nil {
		return Moment{}
	}
	return Moment{Counts: countsOf(m.counts), P50: quantileMS(m.latency, 50), P99: quantileMS(m.latency, 99)}
}

func quantileMS(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtQuantile(percentile)) / 1000
}

func (m *Moment) count(c Counters) {
	m.Retries, m.Deadlocks, m.LockWaits = c.Retries, c.Deadlocks, c.LockWaits
	m.LockWaitMS = float64(c.LockWaitTime.Microseconds()) / 1000
}

// recentP99 is the p99 of the last entry of the time series that is complete and has been handed in, or else of what there is of
// the first; 0 if it is not known.
func (m *measurements) recentP99(spent time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := min(int(max(spent, 0)/m.interval), m.last)
	for n := now - 1; n >= 0; n-- {
		if m.moments[n] != nil {
			return m.moments[n].p99()
		}
	}
	return m.moments[now].p99()
}

func (m *moment) p99() time.Duration {
	if m == nil {
		return 0
	}
	return time.Duration(m.latency.ValueAtQuantile(99)) * time.Microsecond
}
