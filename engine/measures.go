package engine

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/registry"
)

// What is counted for those who watch an engine over time; package metrics shows it to Prometheus. It costs a request two looks at the clock
// and four additions. There is one set of counts for each function, so how many there are is known when the engine is opened.

// DurationCounts is a histogram of durations: entry i counts those up to [DurationBound](i) that were longer than the bound before it. The
// last entry has the longer ones too.
type DurationCounts [numDurations]uint64

const (
	numDurations  = 22
	durationShift = 16 // the first bound is 2^16 ns
)

// DurationBound is the longest duration that entry i of [DurationCounts] is meant for: 65.536 µs times a power of two, up to about 2 minutes.
func DurationBound(i int) time.Duration { return 1 << (durationShift + i) }

// durations counts durations.
type durations struct {
	sum    atomic.Int64 // nanoseconds
	counts [numDurations]atomic.Uint64
}

func (d *durations) add(t time.Duration) {
	t = max(t, 0)
	d.sum.Add(int64(t))
	d.counts[durationIndex(t)].Add(1)
}

// durationIndex is the entry of a duration.
func durationIndex(t time.Duration) int {
	return min(bits.Len64(uint64(max(t-1, 0))>>durationShift), numDurations-1)
}

func (d *durations) load() (m Durations) {
	m.Sum = time.Duration(d.sum.Load())
	for i := range d.counts {
		m.Counts[i] = d.counts[i].Load()
	}
	return m
}

// SizeCounts is a histogram of sizes: entry i counts those up to [SizeBound](i) that were larger than the bound before it. The last entry
// has the larger ones too.
type SizeCounts [numSizes]uint64

const numSizes = 16

// SizeBound is the largest size that entry i of [SizeCounts] is meant for: 4 to the power of i, up to about a billion.
func SizeBound(i int) uint64 { return 1 << (2 * i) }

// sizes counts sizes. Only the sealer writes it.
type sizes struct {
	sum    atomic.Uint64
	counts [numSizes]atomic.Uint64
}

func (s *sizes) add(n uint64) {
	s.sum.Add(n)
	s.counts[sizeIndex(n)].Add(1)
}

// sizeIndex is the entry of a size.
func sizeIndex(n uint64) int { return min((bits.Len64(max(n, 1)-1)+1)/2, numSizes-1) }

func (s *sizes) load() (m Sizes) {
	m.Sum = s.sum.Load()
	for i := range s.counts {
		m.Counts[i] = s.counts[i].Load()
	}
	return m
}

// Sizes are many sizes.
type Sizes struct {
	Sum    uint64
	Counts SizeCounts
}

// Durations are many durations.
type Durations struct {
	Sum    time.Duration
	Counts DurationCounts
}

// maxFailures bounds the failures that are counted of a function by name; OtherFailures stands for the others.
const maxFailures = 32

// OtherFailures is the name under which failures are counted that have none, and those of a function beyond its first 32.
const OtherFailures = "other"

// functionCounts is what is counted of a function.
type functionCounts struct {
	name        string
	coordinator bool
	took        durations

	mu       sync.Mutex
	failures map[string]uint64
	unknown  uint64
}

// add counts a request whose outcome is there.
func (f *functionCounts) add(q *request) {
	f.took.add(time.Duration(q.engine.clocks.Now() - q.began))
	if q.err == nil && q.outcome.failure == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if q.err != nil {
		f.unknown++
		return
	}
	name := OtherFailures
	if codes := failures.In(q.outcome.failure); len(codes) > 0 {
		name = strings.ToValidUTF8(string(codes[0]), "\ufffd")
	}
	if _, known := f.failures[name]; !known && len(f.failures) >= maxFailures {
		name = OtherFailures
	}
	f.failures[name]++
}

// measures are the counts of an engine.
type measures struct {
	operations   map[*instances.Operation]*functionCounts
	coordinators map[*registry.Function]*functionCounts
	seals        durations
	sealedBytes  atomic.Uint64

	epochBytes, epochRequests sizes
	drains                    durations
	forced                    atomic.Uint64
	cacheHits, cacheMisses    atomic.Uint64
}

func (m *measures) init(r *registry.Registry) {
	m.operations, m.coordinators = map[*instances.Operation]*functionCounts{}, map[*registry.Function]*functionCounts{}
	for op := range r.Operations {
		m.operations[op] = &functionCounts{name: op.FullName(), failures: map[string]uint64{}}
	}
	for _, entry := range r.Coordinators {
		m.coordinators[entry] = &functionCounts{name: entry.Name, coordinator: true, failures: map[string]uint64{}}
	}
}

// of is the counts of what a request is for.
func (m *measures) of(env *instances.Envelope, to registry.Destination) *functionCounts {
	if env.Op != nil {
		return m.operations[env.Op]
	}
	return m.coordinators[to.Function]
}

// FunctionMeasures is what was counted of a function since the engine was opened: of the requests of clients for it, not of the calls that
// other functions make.
type FunctionMeasures struct {
	Name        string            // of an operation with its type, or of a coordinator function
	Coordinator bool              // it is a coordinator function
	Took        Durations         // from when requests were taken until their outcomes were durable; of all that have one
	Failures    map[string]uint64 // of the requests that failed, by the first failure that the error matches; see OtherFailures
	Unknown     uint64            // requests that ended without an outcome, as those of stuck sagas do
}

// Measures is how much there is of what goes on, and what was counted since the engine was opened.
type Measures struct {
	Functions []FunctionMeasures // sorted by name

	Seals       Durations // how long it took to seal each epoch
	SealedBytes uint64    // that were sealed to the log

	Drains        Durations // how long each epoch went on after it had stopped to take requests, until it was cut
	Forced        uint64    // epochs that were cut before they had come to rest
	EpochBytes    Sizes     // of each sealed epoch in the log
	EpochRequests Sizes     // outcomes that each of them let out
	CacheHits     uint64    // instances that were found in memory, up to the last cut
	CacheMisses   uint64    // and that were not

	InFlight     int64 // requests that wait for their outcome, by weight
	Messages     int64 // that nobody waits for and that were not run yet, by weight
	Timers       int64 // that instances have set, by weight
	Runs         int64 // coordinator functions that no client's place counts for, by weight
	JournalBytes int64 // of all sagas
	OverlayBytes int64 // sealed to the log and not applied to the table yet
	LogBytes     int64 // of the log on the disk

	Inbox       int64            // requests that no worker has taken yet
	Mail        int64            // messages between workers that none has taken yet
	Undelivered map[string]int64 // by egress: records that it has not taken yet
}

// Measures returns the counts. It does not block.
func (e *Engine) Measures() Measures {
	m := Measures{
		Seals: e.measures.seals.load(), SealedBytes: e.measures.sealedBytes.Load(), InFlight: e.inFlight.Load(), Messages: e.queued.Load(),
		Timers: e.timers.Load(), Runs: e.background.Load(), JournalBytes: e.journals.Load(), OverlayBytes: e.table.OverlayBytes(),
		Undelivered: map[string]int64{},
	}
	m.Drains, m.Forced, m.LogBytes = e.measures.drains.load(), e.measures.forced.Load(), e.table.LogBytes()
	m.EpochBytes, m.EpochRequests = e.measures.epochBytes.load(), e.measures.epochRequests.load()
	m.CacheHits, m.CacheMisses = e.measures.cacheHits.Load(), e.measures.cacheMisses.Load()
	for _, w := range e.workers {
		w.mu.Lock()
		m.Inbox += int64(len(w.inbox))
		m.Mail += int64(len(w.mail))
		w.mu.Unlock()
	}
	for _, g := range e.egresses {
		delivered := g.delivered.Load() // first: it never overtakes the other
		m.Undelivered[g.name] = int64(g.sealed.Load() - delivered)
	}
	for _, f := range e.measures.operations {
		m.Functions = append(m.Functions, f.load())
	}
	for _, f := range e.measures.coordinators {
		m.Functions = append(m.Functions, f.load())
	}
	slices.SortFunc(m.Functions, func(a, b FunctionMeasures) int { return strings.Compare(a.Name, b.Name) })
	return m
}

func (f *functionCounts) load() FunctionMeasures {
	m := FunctionMeasures{Name: f.name, Coordinator: f.coordinator, Took: f.took.load(), Failures: map[string]uint64{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, n := range f.failures {
		m.Failures[name] = n
	}
	m.Unknown = f.unknown
	return m
}

// SagaPhases counts the sagas that have outlived the epoch in which they began, and have not ended, by their phases, see [SagaInfo]: each
// of the three has an entry. It describes no saga, so it is cheap for many. Errors are those of [Engine.Transactions].
func (e *Engine) SagaPhases(ctx context.Context) (map[string]int, error) {
	count := map[string]int{sagas.Running.String(): 0, sagas.Undoing.String(): 0, sagas.Stuck.String(): 0}
	var errs []error
	for _, w := range e.workers {
		errs = append(errs, e.look(ctx, w, func(w *worker) {
			w.eachRun(func(c *coord) {
				if c.saga != nil && !c.over {
					count[c.saga.Phase.String()]++
				}
			})
		}))
	}
	return count, errors.Join(errs...)
}
