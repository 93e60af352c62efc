package ycsb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what a run measured. Only operations that started in the measured part count, and every one of them does: the
// run waits for the answer of the last.
type Result struct {
	Counts            // all operations of the measured part
	NotStarted uint64 // open loop: arrivals that found no free client before the end
	// Offered is how many operations a second arrived in the measured part: about the rate, as Poisson arrivals vary. 0 if
	// that is not known: in a closed loop, and when the run was interrupted or ended by the number of operations.
	Offered float64
	// Elapsed is from the start of the measured part to the answer of its last operation.
	Elapsed time.Duration
	// Counters are what the workload counted meanwhile.
	Counters Counters
	// Written is how many bytes the process gave the system meanwhile to be written to disks, by /proc/self/io; nil where that does not
	// tell. What is still to be written in the background when the measured part ends is not among them.
	Written *uint64
	// Appends is how long those synced appends to a log took meanwhile that were of a single write; empty if the workload is no [Appender].
	Appends Histogram
	// Before and After are the audits before and after the mix.
	Before, After Audit
	// NotAudited is why the audit after the mix could not look, or is not judged; After is empty then.
	NotAudited error
	// Kinds has the operations of each kind that there was, under its name, and of "all".
	Kinds map[string]KindResult
	// Lag is how late the load generator itself was with the operations of an open loop: because it woke late or was drawing what to
	// do, while a client was free. It is part of their latency. Empty in a closed loop.
	Lag Histogram
	// Series is how the measured part went, an entry for each Interval.
	Series []Moment
	// Interrupted: the context was cancelled and the run ended early.
	Interrupted bool
	// FirstFailure and FirstUnknown are examples of errors; nil if there were none.
	FirstFailure, FirstUnknown error
}

// KindResult is what was measured of a kind of operations. In an open loop an arrival that was never started is among the
// latencies with the time that it waited, though not among the counts.
type KindResult struct {
	Counts
	Latency Histogram
}

// PerSecond is the rate of committed operations.
func (r Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Committed) / r.Elapsed.Seconds()
}

// Latency returns the percentiles of a kind, or of "all".
func (r Result) Latency(kind string) Latency {
	k := r.Kinds[kind]
	return k.Latency.Latency()
}

// Drive loads the workload's data, audits, runs the mix, and audits again. It blocks until all is done.
//
// When the context is cancelled the mix ends early, and what was measured is audited and returned with Interrupted set; when
// it is cancelled before the mix began the error is [ErrInterrupted]. A wrong audit is [ErrAudit], along with the result if it
// is the one after the mix. A store that cannot go on is [ErrStore], along with the result if that was during the mix, which ends
// there. Then the audit counts only if nothing is wrong: operations that the store cut in half are its failure, and no wrong audit.
// Other errors: a Driving that does not validate, data that cannot be loaded or audited.
func Drive(ctx context.Context, d Driving, w Workload) (Result, error) {
	sleep, done := newSleep()
	defer done()
	return drive(ctx, d, w, sleep)
}

func drive(ctx context.Context, d Driving, w Workload, sleep func(time.Time)) (Result, error) {
	if err := d.Validate(); err != nil {
		return Result{}, err
	}
	d = d.withDefaults()
	if err := checkKinds(w.Kinds()); err != nil {
		return Result{}, err
	}
	if err := load(ctx, d, w); err != nil {
		return Result{}, err
	}
	before, err := audit(d, w)
	if err != nil {
		return Result{}, err
	}
	if err := auditError(before.Wrong); err != nil {
		return Result{}, fmt.Errorf("before the mix: %w", err)
	}
	run := newMixRun(d, w, sleep)
	measured := make(chan Result, 1)
	if err := patiently(d.Patience, "mix", run.answers, run.waits, func() error { measured <- run.measure(ctx); return nil }); err != nil {
		return Result{}, err
	}
	result := <-measured
	result.Before = before
	if failure := run.failure.Load(); failure != nil {
		err = fmt.Errorf("ycsb: after %v: %w", result.Elapsed.Round(time.Millisecond), *failure)
	}
	if err != nil && d.Patience > patienceAfterFailure {
		d.Patience = patienceAfterFailure
	}
	var auditErr error
	if result.After, auditErr = audit(d, w); auditErr != nil {
		result.NotAudited = auditErr
		return result, errors.Join(err, auditErr)
	}
	wrong := compareAudits(before, result.After)
	if err != nil && wrong != nil {
		result.After, result.NotAudited, wrong = Audit{}, errNotJudged, nil
	}
	return result, errors.Join(err, wrong)
}

// errNotJudged is why a wrong audit does not count.
var errNotJudged = errors.New("ycsb: the store ended the run, and what it has left half done is not judged")

func checkKinds(kinds []string) error {
	var c checks
	c.check(len(kinds) >= 1 && len(kinds) <= MaxKinds, "ycsb: a workload has 1 to %d kinds of operations, this one has %d", MaxKinds, len(kinds))
	for i, kind := range kinds {
		c.check(kind != "" && kind != allKinds && !slices.Contains(kinds[:i], kind),
			"ycsb: kind %d of the workload's operations has no name of its own: %q", i, kind)
	}
	return c.err()
}

// allKinds is the name under which all kinds are summed up.
const allKinds = "all"

// mixRun is the mix of a run.
type mixRun struct {
	driving  Driving
	workload Workload
	kinds    []string
	withID   []bool // by kind
	measured *measurements
	runners  []*runner
	spare    Client // draws the kinds of operations that never start
	sleep    func(until time.Time)

	start    time.Time // of the warm-up
	from, to time.Time // the measured part
	stop     atomic.Bool
	failure  atomic.Pointer[error] // an ErrStore
}

// fail ends the mix: the store cannot go on.
func (r *mixRun) fail(err error) {
	r.failure.CompareAndSwap(nil, &err)
	r.stop.Store(true)
}

// readOnly is the ability of a workload to tell which kinds only read; see [Workload].
type readOnly interface{ ReadOnly(kind int) bool }

func newMixRun(d Driving, w Workload, sleep func(time.Time)) *mixRun {
	r := &mixRun{
		driving:  d,
		workload: w,
		kinds:    w.Kinds(),
		measured: newMeasurements(len(w.Kinds()), d.Duration, d.Interval),
		spare:    w.Client(d.Clients, rand.New(rand.NewPCG(d.Seed, uint64(d.Clients)))),
		sleep:    sleep,
	}
	reads, knows := w.(readOnly)
	for kind := range r.kinds {
		r.withID = append(r.withID, !d.NoIDs && !(knows && reads.ReadOnly(kind)))
	}
	began := time.Now()
	for i := range d.Clients {
		r.runners = append(r.runners, newRunner(r, i, began))
	}
	return r
}

// measure runs the mix and returns all but the audits.
func (r *mixRun) measure(ctx context.Context) Result {
	r.start = time.Now()
	r.from = r.start.Add(r.driving.Warmup)
	r.to = r.from.Add(r.driving.Duration)
	stopProgress := r.reportProgress()
	defer stopProgress()
	defer context.AfterFunc(ctx, func() { r.stop.Store(true) })()

	over := r.tellMeasured(ctx)
	counted := r.countTicks(ctx)
	var running sync.WaitGroup
	lost := uint64(0)
	if r.driving.Rate > 0 {
		running.Go(func() { lost = r.pace(ctx, &running) })
	} else {
		for _, c := range r.runners {
			running.Go(c.closedLoop)
		}
	}
	running.Wait()
	over()
	return r.result(counted(), lost, ctx.Err() != nil)
}

// tellMeasured calls OnMeasured when the measured part begins; the returned function tells that it is over.
func (r *mixRun) tellMeasured(ctx context.Context) (over func()) {
	if r.driving.OnMeasured == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	begun := make(chan func(), 1)
	go func() {
		if !waitUntil(ctx, r.from) {
			begun <- func() {}
			return
		}
		begun <- r.driving.OnMeasured()
	}()
	return func() {
		cancel()
		(<-begun)()
	}
}

// result adds up what was measured.
func (r *mixRun) result(seen counted, lost uint64, interrupted bool) Result {
	counters := seen.counters
	result := Result{
		Written:     seen.written,
		Appends:     seen.appends,
		Counters:    counters[len(counters)-1].since(counters[0]),
		NotStarted:  lost,
		Kinds:       r.measured.byKind(r.kinds),
		Lag:         r.measured.lags,
		Interrupted: interrupted,
	}
	result.Counts = result.Kinds[allKinds].Counts
	last := r.from
	for _, c := range r.runners {
		t := &c.tally
		if result.FirstFailure == nil {
			result.FirstFailure = t.firstFailure
		}
		if result.FirstUnknown == nil {
			result.FirstUnknown = t.firstUnknown
		}
		if t.last.After(last) {
			last = t.last
		}
	}
	early := interrupted || r.failure.Load() != nil
	if !early && last.Before(r.to) && r.driving.Operations == 0 {
		last = r.to // an open loop with a low rate: the last arrival was answered before the end
	}
	result.Elapsed = last.Sub(r.from)
	if r.driving.Rate > 0 && !early && r.driving.Operations == 0 {
		arrived := result.Committed + result.Failed + result.Unknown + lost
		result.Offered = float64(arrived) / r.driving.Duration.Seconds()
	}
	result.Series = r.measured.series(counters, result.Elapsed)
	return result
}
