package figures

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/stages"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/floor"
	"github.com/concordat-dev/concordat/ycsb/hotel"
	"github.com/concordat-dev/concordat/ycsb/limit"
	"github.com/concordat-dev/concordat/ycsb/mill"
	"github.com/concordat-dev/concordat/ycsb/topics"
	"github.com/concordat-dev/concordat/ycsb/tpcc"
)

// Order is what is to be measured once.
type Order struct {
	Cell Cell    `json:"cell"`
	Seed uint64  `json:"seed"`
	Rate float64 `json:"rate"` // of an open loop, or where a search begins; 0: a closed loop
	Dir  string  `json:"dir"`  // a directory that is not there yet
	// Brokers are those of a cell over Kafka. None: one is started for it.
	Brokers []string `json:"brokers,omitempty"`
}

// Measurement is what was measured once.
type Measurement struct {
	Report ycsb.Report        `json:"report"`
	Search *ycsb.SearchReport `json:"search,omitempty"` // of a search; Report is then the probe that it found
	// Waits and Detection are how long calls waited for locks, and how long cycles of waiting transactions stood before they
	// were broken; nil if there were none or the workload does not tell.
	Waits     *ycsb.Latency `json:"wait_ms,omitempty"`
	Detection *ycsb.Latency `json:"detection_ms,omitempty"`
	// Beside is what went on beside the requests; nil if the workload has nothing such.
	Beside *Beside `json:"beside,omitempty"`
	// Stages is where the processor time of the measured part went; nil if that was not asked for.
	Stages *stages.Split `json:"stages,omitempty"`
}

// Beside is what went on beside the requests of a workload, and what they were promised.
type Beside struct {
	TurnsPerS  float64 `json:"turns_per_s"`
	SealMS     float64 `json:"longest_seal_ms"`
	PromisedMS float64 `json:"promised_ms"` // how long a request may take at most
}

// Wrong is what the audit found; empty if all was right.
func (m Measurement) Wrong() []string {
	if m.Report.NotAudited != "" {
		return []string{m.Report.NotAudited}
	}
	wrong := m.Report.Wrong
	if !m.Report.Balanced() && len(wrong) == 0 {
		wrong = []string{fmt.Sprintf("the sum was %d before and %d after", m.Report.SumBefore, m.Report.SumAfter)}
	}
	return wrong
}

// Measure measures in this process. A wrong audit is ycsb.ErrAudit along with the measurement.
func Measure(ctx context.Context, o Order, logger *slog.Logger) (m Measurement, err error) {
	if err := o.Cell.Validate(); err != nil {
		return m, err
	}
	if o.Cell.Procs > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(o.Cell.Procs))
	}
	if o.Cell.Workload == rowsWorkload {
		return measureRows(ctx, o, logger)
	}
	return measureWorkload(ctx, o, logger)
}

// setup is what a report says of the cell.
func (c Cell) setup() ycsb.Setup {
	if isYardstick(c.Protocol) {
		return ycsb.Setup{Protocol: c.Protocol}
	}
	policy, err := c.policy()
	if err != nil {
		panic("figures: a cell is validated before it is measured: " + err.Error())
	}
	s := ycsb.Setup{Workload: c.Workload, Protocol: c.Protocol, Policy: policy.String(), Workers: cmp.Or(c.Workers, engine.DefaultWorkers())}
	if c.Kafka {
		s.Parameters = topics.Parameters(c.NoAnswers)
	}
	if c.Workload != rowsWorkload {
		s.Parameters = map[string]string{"scale": strconv.Itoa(c.Scale)}
	}
	return s
}

type closingTarget interface {
	ycsb.Target
	io.Closer
}

func openTarget(ctx context.Context, o Order, logger *slog.Logger) (closingTarget, error) {
	c := o.Cell
	switch c.Protocol {
	case floorProtocol:
		return floor.Open(floor.Options{Dir: o.Dir, Keys: c.Keys, Logger: logger})
	case limitProtocol:
		return limit.Open(limit.Options{Dir: o.Dir, Keys: c.Keys})
	}
	policy, err := c.policy()
	if err != nil {
		return nil, err
	}
	options := accounts.Options{
		Dir: o.Dir, Keys: c.Keys, Protocol: accounts.Protocol(c.Protocol), Policy: policy, Workers: c.Workers,
		CacheBytes: c.CacheBytes, Logger: logger,
	}
	if c.Kafka {
		return topics.Open(ctx, topics.Options{Options: options, Brokers: o.Brokers, NoAnswers: c.NoAnswers})
	}
	return accounts.Open(options)
}

func measureRows(ctx context.Context, o Order, logger *slog.Logger) (m Measurement, err error) {
	target, err := openTarget(ctx, o, logger)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	environment := ycsb.ThisEnvironment()
	var recorder stages.Recorder
	run := func(ctx context.Context, rate float64) (ycsb.Report, error) {
		config := o.Cell.config(o.Seed, rate)
		if o.Cell.Stages {
			config.OnMeasured = recorder.Record
		}
		result, err := ycsb.Run(ctx, config, target)
		return ycsb.NewReport(o.Cell.setup(), config, result, environment), err
	}
	if !o.Cell.Search {
		m.Report, err = run(ctx, o.Rate)
		m.locksOf(target)
		if o.Cell.Stages && !m.Report.Interrupted {
			split, splitErr := recorder.Split()
			m.Stages, err = &split, errors.Join(err, splitErr)
		}
		return m, err
	}
	search, err := ycsb.Search(ctx, ycsb.Searching{Start: o.Rate, Useful: 1 - o.Cell.Mix.Transfer*o.Cell.Rollbacks}, run)
	m.Search = &search
	if len(search.Goals) > 0 {
		m.Report = search.Probes[search.Goals[0].Probe].Report
	}
	if search.Interrupted {
		m.Report.Interrupted = true
	}
	return m, err
}

// engineOf is the ability to tell which engine is measured.
type engineOf interface{ Engine() *engine.Engine }

// locksOf notes what the target's engine tells of its locks, if it has one.
func (m *Measurement) locksOf(target any) {
	with, ok := target.(engineOf)
	if !ok {
		return
	}
	m.Waits = waits(with.Engine().Stats().Waits)
	m.Detection = detection(with.Engine().Deadlocks())
}

// waits are the percentiles of the engine's histogram of waits; nil if there were none.
func waits(counts engine.WaitCounts) *ycsb.Latency {
	var h ycsb.Histogram
	for i, n := range counts {
		h.Add(engine.WaitBound(i), int64(n))
	}
	return percentiles(&h)
}

// detection are the percentiles of how long deadlocks stood; nil if there were none.
func detection(deadlocks []engine.Deadlock) *ycsb.Latency {
	var h ycsb.Histogram
	for _, d := range deadlocks {
		h.Add(d.At.Sub(d.Closed), 1)
	}
	return percentiles(&h)
}

func percentiles(h *ycsb.Histogram) *ycsb.Latency {
	if h.Count() == 0 {
		return nil
	}
	l := h.Latency()
	return &l
}

type closingWorkload interface {
	ycsb.Workload
	io.Closer
}

func openWorkload(o Order, logger *slog.Logger) (closingWorkload, error) {
	c := o.Cell
	policy, err := c.policy()
	if err != nil {
		return nil, err
	}
	protocol := ycsb.Serializable
	if c.Protocol == string(accounts.Saga) {
		protocol = ycsb.Saga
	}
	switch c.Workload {
	case millWorkload:
		if c.Protocol == string(accounts.Plain) {
			protocol = 0
		}
		return mill.Open(mill.Options{
			Dir: o.Dir, Protocol: protocol, Clients: c.Clients, Beside: c.Beside, Workers: c.Workers, Logger: logger,
		})
	case tpccWorkload:
		return tpcc.Open(tpcc.Options{
			Dir: o.Dir, Scale: tpcc.Full(max(c.Scale, 1)), Protocol: protocol, Seed: o.Seed, Policy: policy, Workers: c.Workers,
			CacheBytes: c.CacheBytes, Logger: logger,
		})
	}
	mix := hotel.TravelMix
	if c.Scale == 1 {
		mix = hotel.ReservationMix
	}
	return hotel.OpenWorkload(hotel.Options{
		Dir: o.Dir, Protocol: protocol, Mix: mix, Seed: o.Seed, Policy: policy, Workers: c.Workers, CacheBytes: c.CacheBytes, Logger: logger,
	})
}

func measureWorkload(ctx context.Context, o Order, logger *slog.Logger) (m Measurement, err error) {
	workload, err := openWorkload(o, logger)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, workload.Close()) }()
	driving := o.Cell.driving(o.Seed, o.Rate)
	result, err := ycsb.Drive(ctx, driving, workload)
	m.Report = ycsb.DriveReport(o.Cell.setup(), driving, result, ycsb.ThisEnvironment())
	m.locksOf(workload)
	m.besideOf(workload)
	return m, err
}

// besideOf notes what went on beside the requests, if the workload has that.
func (m *Measurement) besideOf(workload ycsb.Workload) {
	w, ok := workload.(*mill.Workload)
	if !ok {
		return
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	g := w.Ground()
	m.Beside = &Beside{TurnsPerS: float64(g.Turns) / max(g.For.Seconds(), 1e-9), SealMS: ms(g.Seal), PromisedMS: ms(w.Promised())}
}

// slowest is how long a measurement may take beyond what is expected before it is given up.
const slowest = 5 * time.Minute
