// Package metrics shows an engine to Prometheus.
//
// A [Collector] is registered with the program's own registry; it reads the engine's counts when it is collected, and costs nothing
// otherwise. There is a time series for each function that the engine was opened with, and at most 33 for the failures of each. docs/metrics.md
// lists all metrics; metrics/dashboard.json is a dashboard of them for Grafana, and metrics/alerts.yaml has rules for alerts.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/concordat-dev/concordat/engine"
)

// Collector implements prometheus.Collector. Make it with [NewCollector].
type Collector struct {
	engine *engine.Engine
}

// NewCollector makes the collector of an engine. A registry takes one of them: a program with several engines tells them apart with
// prometheus.WrapRegistererWith.
func NewCollector(e *engine.Engine) *Collector { return &Collector{e} }

// within is how long a worker of the engine may take to say how many sagas there are, before that is left out.
const within = time.Second

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("concordat_"+name, help, labels, nil)
}

// The metrics.
var (
	requestSeconds = describe("request_duration_seconds", "Time from when requests of clients were taken until their outcomes were durable.", "function")
	failures       = describe("request_failures_total", "Requests of clients that failed, by the failure.", "function", "failure")
	unknown        = describe("requests_without_outcome_total", "Requests of clients that ended without an outcome, as those of stuck sagas do.", "function")
	lockSeconds    = describe("lock_wait_seconds", "Waits of calls for locks that are over.")
	deadlocks      = describe("deadlocks_total", "Deadlocks that were broken.")
	retries        = describe("transaction_retries_total", "Further attempts of transactions.")
	epochs         = describe("epochs_total", "Epochs that were cut.")
	forced         = describe("epochs_forced_total", "Epochs that were cut before they had come to rest.")
	drainSeconds   = describe("epoch_drain_duration_seconds", "Time from when an epoch stopped to take requests until it was cut.")
	epochBytes     = describe("epoch_size_bytes", "Bytes of each epoch in the log.")
	epochRequests  = describe("epoch_outcomes", "Outcomes of requests that each epoch let out.")
	logBytes       = describe("log_size_bytes", "Bytes of the log on the disk.")
	cacheHits      = describe("cache_hits_total", "Calls whose instance was in memory, up to the last epoch that was cut.")
	cacheMisses    = describe("cache_misses_total", "Calls whose instance was looked for in the table, up to the last epoch that was cut.")
	inbox          = describe("inbox_requests", "Requests that no worker has taken yet.")
	mail           = describe("mailbox_messages", "Messages between workers that none has taken yet.")
	undelivered    = describe("egress_records_waiting", "Records that are durable and that their egress has not taken yet.", "egress")
	sealSeconds    = describe("seal_duration_seconds", "Time to seal an epoch.")
	sealedBytes    = describe("sealed_bytes_total", "Bytes that were sealed to the log.")
	overlayBytes   = describe("overlay_bytes", "Bytes that are sealed to the log and not applied to the table yet.")
	inFlight       = describe("requests_in_flight", "Requests that wait for their outcome, by weight.")
	messages       = describe("messages_queued", "Messages that nobody waits for and that were not run yet, by weight.")
	timers         = describe("timers", "Timers that instances have set, by weight.")
	runs           = describe("background_runs", "Coordinator functions under way that no client's place counts for, by weight.")
	journalBytes   = describe("saga_journal_bytes", "Bytes of the journals of all sagas.")
	sagas          = describe("sagas", "Sagas that have outlived an epoch and have not ended, by phase.", "phase")
	carried        = describe("messages_carried_total", "Messages that were carried from one epoch to the next.")
	parked         = describe("egress_records_parked_total", "Records that an egress could not take.")
	dropped        = describe("effects_dropped_total", "Effects of outcomes that could not be carried out any more.")
	slow           = describe("slow_code_total", "Times that code of users held a worker for more than 100 ms.")
	lookups        = describe("request_id_lookups_total", "New request ids that were looked for in the table, as no filter knew that they are new.")
)

// all are the metrics.
var all = []*prometheus.Desc{
	requestSeconds, failures, unknown, lockSeconds, deadlocks, retries, epochs, sealSeconds, sealedBytes, overlayBytes, inFlight, messages, timers, runs,
	forced, drainSeconds, epochBytes, epochRequests, logBytes, cacheHits, cacheMisses, inbox, mail, undelivered,
	journalBytes, sagas, carried, parked, dropped, slow, lookups,
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

// Collect implements prometheus.Collector. It may wait for a second while code of users holds a worker.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	m, s := c.engine.Measures(), c.engine.Stats()
	for i := range m.Functions {
		f := &m.Functions[i]
		to <- histogram(requestSeconds, &f.Took, f.Name)
		for name, n := range f.Failures {
			to <- prometheus.MustNewConstMetric(failures, prometheus.CounterValue, float64(n), f.Name, name)
		}
		if f.Coordinator {
			to <- prometheus.MustNewConstMetric(unknown, prometheus.CounterValue, float64(f.Unknown), f.Name)
		}
	}
	to <- histogram(sealSeconds, &m.Seals)
	to <- histogram(drainSeconds, &m.Drains)
	to <- sizes(epochBytes, &m.EpochBytes)
	to <- sizes(epochRequests, &m.EpochRequests)
	to <- waits(&s)
	count := func(d *prometheus.Desc, n uint64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
	count(deadlocks, s.Deadlocks)
	count(retries, s.Retries)
	count(epochs, s.Epochs)
	count(forced, m.Forced)
	count(cacheHits, m.CacheHits)
	count(cacheMisses, m.CacheMisses)
	count(sealedBytes, m.SealedBytes)
	count(carried, s.Carried)
	count(parked, s.Parked)
	count(dropped, s.Dropped)
	count(slow, s.Slow)
	count(lookups, s.FalseAlarms)
	show := func(d *prometheus.Desc, n int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	show(overlayBytes, m.OverlayBytes)
	show(logBytes, m.LogBytes)
	show(inbox, m.Inbox)
	show(mail, m.Mail)
	for egress, n := range m.Undelivered {
		show(undelivered, n, egress)
	}
	show(inFlight, m.InFlight)
	show(messages, m.Messages)
	show(timers, m.Timers)
	show(runs, m.Runs)
	show(journalBytes, m.JournalBytes)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if phases, err := c.engine.SagaPhases(ctx); err == nil {
		for phase, n := range phases {
			show(sagas, int64(n), phase)
		}
	}
}

// histogram is a histogram of durations.
func histogram(d *prometheus.Desc, of *engine.Durations, labels ...string) prometheus.Metric {
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, n := range of.Counts {
		total += n
		if i < len(of.Counts)-1 { // the last has the longer ones too
			buckets[engine.DurationBound(i).Seconds()] = total
		}
	}
	return prometheus.MustNewConstHistogram(d, total, of.Sum.Seconds(), buckets, labels...)
}

// sizes is a histogram of sizes.
func sizes(d *prometheus.Desc, of *engine.Sizes) prometheus.Metric {
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, n := range of.Counts {
		total += n
		if i < len(of.Counts)-1 { // the last has the larger ones too
			buckets[float64(engine.SizeBound(i))] = total
		}
	}
	return prometheus.MustNewConstHistogram(d, total, float64(of.Sum), buckets)
}

// waits is the histogram of waits for locks, of which the engine has four buckets where this has one.
func waits(s *engine.Stats) prometheus.Metric {
	const every = 4
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, n := range s.Waits {
		total += n
		if i%every == 0 && i < len(s.Waits)-1 {
			buckets[engine.WaitBound(i).Seconds()] = total
		}
	}
	return prometheus.MustNewConstHistogram(lockSeconds, total, s.LockWaitTime.Seconds(), buckets)
}
