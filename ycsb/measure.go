package ycsb

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// MaxLatency is the longest latency that is told apart; longer ones count as this. The shortest is a microsecond.
const MaxLatency = 10 * time.Minute

// Latency is percentiles of the latency of operations in milliseconds. Operations that failed or whose outcome is unknown are
// among them: they were answered too.
type Latency struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// latencies are the histograms of a run, one for each kind. A histogram of this range and of 3 digits has 180 KiB, too much
// for one per client and kind: the caches would hold nothing else. So each client hands in its latencies a bufferful at a time.
type latencies struct {
	mu     sync.Mutex
	byKind [numKinds]*hdrhistogram.Histogram
}

func newLatencies() *latencies {
	l := new(latencies)
	for k := range l.byKind {
		l.byKind[k] = hdrhistogram.New(1, MaxLatency.Microseconds(), 3)
	}
	return l
}

// A sample is a kind and a latency in microseconds, in the high 2 and the low 30 bits.
const sampleBits = 30

func (l *latencies) record(samples []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range samples {
		l.add(Kind(s>>sampleBits), int64(s&(1<<sampleBits-1)), 1)
	}
}

func (l *latencies) add(k Kind, micros, times int64) {
	if err := l.byKind[k].RecordValues(micros, times); err != nil {
		panic("ycsb: every latency is in the histogram's range: " + err.Error())
	}
}

// summary returns the percentiles of each kind that has any, and of "all".
func (l *latencies) summary() map[string]Latency {
	all := hdrhistogram.New(1, MaxLatency.Microseconds(), 3)
	summary := make(map[string]Latency)
	for k, h := range l.byKind {
		if h.TotalCount() > 0 {
			summary[Kind(k).String()] = percentiles(h)
			all.Merge(h)
		}
	}
	summary["all"] = percentiles(all)
	return summary
}

func percentiles(h *hdrhistogram.Histogram) Latency {
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: ms(50), P95: ms(95), P99: ms(99), P999: ms(99.9), Max: float64(h.Max()) / 1000}
}

// tally is what one client counted in the measured part.
type tally struct {
	committed, failed, unknown uint64
	firstFailure, firstUnknown error
	last                       time.Time // when the last operation ended

	to      *latencies
	samples [256]uint32
	used    int
}

// count adds an operation.
func (t *tally) count(k Kind, err error, latency time.Duration) {
	t.sample(k, latency)
	switch {
	case err == nil:
		t.committed++
	case isUnknown(err):
		if t.unknown++; t.firstUnknown == nil {
			t.firstUnknown = err
		}
	default:
		if t.failed++; t.firstFailure == nil {
			t.firstFailure = err
		}
	}
}

func (t *tally) sample(k Kind, latency time.Duration) {
	t.samples[t.used] = uint32(k)<<sampleBits | uint32(min(max(latency, 0), MaxLatency).Microseconds())
	if t.used++; t.used == len(t.samples) {
		t.flush()
	}
}

func (t *tally) flush() {
	t.to.record(t.samples[:t.used])
	t.used = 0
}

func isUnknown(err error) bool {
	return errors.Is(err, ErrUnknown) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
