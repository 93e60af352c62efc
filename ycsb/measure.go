package ycsb

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// outcome is how an operation ended.
type outcome uint8

const (
	committed outcome = iota
	failed
	unknown
	numOutcomes
)

// Counts are operations by how they ended.
type Counts struct {
	Committed uint64 `json:"committed"` // took effect, or read
	Failed    uint64 `json:"failed"`    // had no effect
	Unknown   uint64 `json:"unknown"`   // it is not known which
}

func countsOf(c [numOutcomes]uint64) Counts {
	return Counts{Committed: c[committed], Failed: c[failed], Unknown: c[unknown]}
}

// measurements is what the runners hand in. A histogram of three digits has 180 KiB, too much for one per runner and kind: the
// caches would hold nothing else. So each runner keeps its latencies and hands them in a bufferful at a time, and early when
// an entry of the time series ends.
type measurements struct {
	interval time.Duration
	last     int // the entry for what ends after the measured part

	mu      sync.Mutex
	lags    Histogram // of an open loop
	kinds   []kindMeasure
	moments []*moment // by number; nil where nothing ended
}

type kindMeasure struct {
	counts  [numOutcomes]uint64
	latency Histogram
}

// moment is an entry of the time series in the making.
type moment struct {
	counts  [numOutcomes]uint64
	latency *hdrhistogram.Histogram
}

func newMeasurements(kinds int, duration, interval time.Duration) *measurements {
	entries := int((duration + interval - 1) / interval)
	return &measurements{
		interval: interval,
		last:     entries,
		kinds:    make([]kindMeasure, kinds),
		moments:  make([]*moment, entries+1),
	}
}

// A sample is a kind, an outcome, and a latency in microseconds in the low 30 bits.
const (
	latencyBits = 30
	outcomeBits = 2
)

// record adds samples of operations that ended in entry n of the time series, and the lags of some.
func (m *measurements) record(n int, samples []uint64, lags []uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, lag := range lags {
		m.lags.record(int64(lag), 1)
	}
	at := m.moments[n]
	if at == nil {
		at = &moment{latency: hdrhistogram.New(1, MaxLatency.Microseconds(), momentDigits)}
		m.moments[n] = at
	}
	for _, s := range samples {
		latency := int64(s & (1<<latencyBits - 1))
		outcome := s >> latencyBits & (1<<outcomeBits - 1)
		kind := &m.kinds[s>>(latencyBits+outcomeBits)]
		kind.counts[outcome]++
		kind.latency.record(latency, 1)
		at.counts[outcome]++
		record(at.latency, latency, 1)
	}
}

// tally is what one runner measured and has not handed in.
type tally struct {
	to            *measurements
	from          time.Time // the start of the measured part
	moment        int       // the entry of the time series that the samples ended in
	samples       [128]uint64
	used          int
	lags          [128]uint32 // microseconds
	lagging       int
	last          time.Time // when the last operation ended
	firstFailure  error
	firstUnknown  error
	momentUntil   time.Duration // when that entry ends, since from
	momentsToCome bool          // false in the last entry
}

func (t *tally) begin(r *mixRun) {
	t.to, t.from = r.measured, r.from
	t.turn(0)
}

// turn makes the entry in which an operation that ended then belongs the current one.
func (t *tally) turn(ended time.Duration) {
	t.moment = min(int(ended/t.to.interval), t.to.last)
	t.momentUntil = time.Duration(t.moment+1) * t.to.interval
	t.momentsToCome = t.moment < t.to.last
}

// count adds an operation.
func (t *tally) count(kind int, err error, start, end time.Time) {
	ended := end.Sub(t.from)
	if ended >= t.momentUntil && t.momentsToCome {
		t.flush()
		t.turn(ended)
	}
	outcome := committed
	if err != nil {
		outcome = t.classify(err)
	}
	t.samples[t.used] = (uint64(kind)<<outcomeBits|uint64(outcome))<<latencyBits | uint64(micros(end.Sub(start)))
	if t.used++; t.used == len(t.samples) {
		t.flush()
	}
	t.last = end
}

// classify tells outcomes apart and keeps the first error of each.
func (t *tally) classify(err error) outcome {
	if errors.Is(err, ErrUnknown) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if t.firstUnknown == nil {
			t.firstUnknown = err
		}
		return unknown
	}
	if t.firstFailure == nil {
		t.firstFailure = err
	}
	return failed
}

// lag adds how late the load generator was with an operation, before that is counted.
func (t *tally) lag(d time.Duration) {
	t.lags[t.lagging] = uint32(micros(d))
	t.lagging++
}

func (t *tally) flush() {
	if t.used > 0 || t.lagging > 0 {
		t.to.record(t.moment, t.samples[:t.used], t.lags[:t.lagging])
		t.used, t.lagging = 0, 0
	}
}
