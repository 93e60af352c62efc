package demo

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// meter measures a side: how many transfers a second were acknowledged, how long they took, and how often one waited for a lock.
type meter struct {
	mu      sync.Mutex
	took    []time.Duration // since the last moment
	since   time.Time
	moments []moment // the last ones, the oldest first
	counts  counts   // as the engine's process has counted them
	retried float64  // attempts in all, of all processes
}

// counts are what an engine's process counts from its start on.
type counts struct{ waits, retries float64 }

// moment is what was measured in about a second.
type moment struct {
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50"` // milliseconds
	P99       float64 `json:"p99"`
	Waits     float64 `json:"waits"` // for locks, a second
}

// maxMoments is how many moments are kept.
const maxMoments = 60

// add notes how long a transfer took.
func (m *meter) add(took time.Duration) {
	m.mu.Lock()
	m.took = append(m.took, took)
	m.mu.Unlock()
}

// end ends a moment. c is what the engine's process has counted, if it says so.
func (m *meter) end(c counts, says bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	seconds := now.Sub(m.since).Seconds()
	if m.since.IsZero() {
		seconds = 1
	}
	slices.Sort(m.took)
	n := moment{PerSecond: float64(len(m.took)) / seconds}
	if says {
		if c.waits < m.counts.waits || c.retries < m.counts.retries {
			m.counts = counts{} // the next process counts from 0 again
		}
		n.Waits = (c.waits - m.counts.waits) / seconds
		m.retried += c.retries - m.counts.retries
		m.counts = c
	}
	if last := len(m.took) - 1; last >= 0 {
		n.P50, n.P99 = milliseconds(m.took[last/2]), milliseconds(m.took[last*99/100])
	}
	m.moments = append(m.moments, n)
	m.moments = m.moments[max(0, len(m.moments)-maxMoments):]
	m.took, m.since = m.took[:0], now
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// last are the last moments.
func (m *meter) last() []moment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]moment{}, m.moments...)
}

// retries is how often transactions were run again.
func (m *meter) retries() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.retried
}

// measure ends a moment each second.
func (s *Side) measure(ctx context.Context) {
	for sleep(ctx, time.Second) {
		s.meter.end(s.counts(ctx))
	}
}

// The engine's metrics that are shown.
const (
	waitsMetric   = "concordat_lock_wait_seconds_count"
	retriesMetric = "concordat_transaction_retries_total"
)

// counts asks the engine what it has counted, and reports whether it says so.
func (s *Side) counts(ctx context.Context) (c counts, says bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.process.url()+"/metrics", nil)
	if err != nil {
		return c, false
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return c, false
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		value, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if at < 0 || err != nil {
			continue // a comment
		}
		switch name, _, _ := strings.Cut(lines.Text()[:at], "{"); name {
		case waitsMetric:
			c.waits += value
			says = true
		case retriesMetric:
			c.retries += value
		}
	}
	return c, says && lines.Err() == nil
}
