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
	waits   float64  // for locks, as the engine has counted them
}

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

// end ends a moment. waits is how often one waited for a lock since the engine's process has started; negative if it does not say.
func (m *meter) end(waits float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	seconds := now.Sub(m.since).Seconds()
	if m.since.IsZero() {
		seconds = 1
	}
	slices.Sort(m.took)
	n := moment{PerSecond: float64(len(m.took)) / seconds}
	if waits >= 0 {
		if m.waits <= waits { // otherwise it counts from 0 again
			n.Waits = (waits - m.waits) / seconds
		}
		m.waits = waits
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

// measure ends a moment each second.
func (s *Side) measure(ctx context.Context) {
	for sleep(ctx, time.Second) {
		s.meter.end(s.lockWaits(ctx))
	}
}

// waitsMetric is the engine's metric with the number of waits for locks.
const waitsMetric = "concordat_lock_wait_seconds_count"

// lockWaits asks the engine how often one waited for a lock; -1 if it does not say.
func (s *Side) lockWaits(ctx context.Context) float64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.process.url()+"/metrics", nil)
	if err != nil {
		return -1
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	total, found := 0.0, false
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		rest, is := strings.CutPrefix(lines.Text(), waitsMetric)
		if !is {
			continue
		}
		if value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64); err == nil {
			total, found = total+value, true
		}
	}
	if !found {
		return -1
	}
	return total
}
