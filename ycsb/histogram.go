package ycsb

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// MaxLatency is the longest latency that is told apart; longer ones count as this. The shortest is a microsecond.
const MaxLatency = 10 * time.Minute

// Digits of latencies that the histograms keep.
const (
	latencyDigits = 3 // of a kind's histogram: 180 KiB
	momentDigits  = 2 // of an entry of the time series: 24 KiB
)

// Histogram has the latencies of operations in microseconds, with three digits. It is written to JSON as the base64 of the
// compressed V2 encoding of HdrHistogram, which that project's tools for other languages read too. The zero value is empty.
type Histogram struct{ counts *hdrhistogram.Histogram }

// Latency is percentiles of the latency of operations in milliseconds. Operations that failed or whose outcome is unknown are
// among them: they were answered too.
type Latency struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// record adds a latency, in microseconds from 0 to MaxLatency, so many times.
func (h *Histogram) record(micros, times int64) {
	if h.counts == nil {
		h.counts = hdrhistogram.New(1, MaxLatency.Microseconds(), latencyDigits)
	}
	record(h.counts, micros, times)
}

func record(h *hdrhistogram.Histogram, micros, times int64) {
	if err := h.RecordValues(micros, times); err != nil {
		panic("ycsb: every latency is in the histogram's range: " + err.Error())
	}
}

// micros is a latency as the histograms count it.
func micros(d time.Duration) int64 { return min(max(d, 0), MaxLatency).Microseconds() }

// Add adds a latency so many times; 0 times is nothing. Longer ones than MaxLatency count as that.
func (h *Histogram) Add(latency time.Duration, times int64) {
	if times > 0 {
		h.record(micros(latency), times)
	}
}

// Count is how many latencies there are.
func (h *Histogram) Count() int64 {
	if h == nil || h.counts == nil {
		return 0
	}
	return h.counts.TotalCount()
}

// Quantile is the latency that a share q, 0 to 1, of the operations did not exceed; 0 of an empty histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.counts == nil {
		return 0
	}
	return time.Duration(h.counts.ValueAtQuantile(q*100)) * time.Microsecond
}

// Latency returns the usual percentiles.
func (h *Histogram) Latency() Latency {
	if h.Count() == 0 {
		return Latency{}
	}
	ms := func(percentile float64) float64 { return float64(h.counts.ValueAtQuantile(percentile)) / 1000 }
	return Latency{P50: ms(50), P95: ms(95), P99: ms(99), P999: ms(99.9), Max: float64(h.counts.Max()) / 1000}
}

// Merge adds the latencies of another histogram.
func (h *Histogram) Merge(from *Histogram) {
	if from.Count() == 0 {
		return
	}
	if h.counts == nil {
		h.counts = hdrhistogram.New(1, MaxLatency.Microseconds(), latencyDigits)
	}
	if dropped := h.counts.Merge(from.counts); dropped > 0 {
		panic(fmt.Sprintf("ycsb: %d latencies were outside of the range that all histograms have", dropped))
	}
}

// MarshalJSON writes the base64 of the compressed V2 encoding.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	counts := h.counts
	if counts == nil {
		counts = hdrhistogram.New(1, MaxLatency.Microseconds(), latencyDigits)
	}
	text, err := counts.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("ycsb: encode a histogram: %w", err)
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON reads what MarshalJSON writes. A histogram of another range or precision is an error: merging it would lose some.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("ycsb: a histogram is not a string: %w", err)
	}
	counts, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return fmt.Errorf("ycsb: decode a histogram: %w", err)
	}
	if counts.SignificantFigures() != latencyDigits || counts.HighestTrackableValue() != MaxLatency.Microseconds() {
		return fmt.Errorf("ycsb: a histogram up to %d µs with %d digits is not one of these, up to %d µs with %d", counts.HighestTrackableValue(),
			counts.SignificantFigures(), MaxLatency.Microseconds(), latencyDigits)
	}
	h.counts = counts
	return nil
}
