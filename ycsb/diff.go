package ycsb

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// ErrNotPaired: reports cannot be compared, because runs of one side have no counterpart on the other.
var ErrNotPaired = errors.New("ycsb: the runs do not pair up")

// Comparing says how [Compare] judges.
type Comparing struct {
	// Tolerance is by what share B may be slower than A. Default 0.05; below 0 means 0.
	Tolerance float64
	// Confidence is the probability with which all intervals together hold. Default 0.95.
	Confidence float64
}

// Bounds of a comparison.
const (
	MinPairs = 2 // of runs: with one there is no variance to judge by
	// MinRatioMS and minRatioRate are what smaller figures count as in a ratio: the resolution of latencies, and of rates.
	minRatioMS   = 0.001
	minRatioRate = 0.1
	// maxMS and maxPerSecond are more than any run has; a file with more is damaged.
	maxMS        = 2 * float64(MaxLatency/time.Millisecond)
	maxPerSecond = 1e12
)

func (c Comparing) withDefaults() Comparing {
	if c.Tolerance == 0 {
		c.Tolerance = 0.05
	}
	c.Tolerance = max(c.Tolerance, 0)
	if c.Confidence == 0 {
		c.Confidence = 0.95
	}
	return c
}

// Validate reports what is wrong.
func (c Comparing) Validate() error {
	c = c.withDefaults()
	var e checks
	e.check(c.Tolerance < 1, "tolerance: %g is not below 1", c.Tolerance)
	e.check(c.Confidence >= 0.5 && c.Confidence <= 0.9999, "confidence: %g is not between 0.5 and 0.9999", c.Confidence)
	return e.err()
}

// Verdict says how B stands to A in one figure.
type Verdict string

// The verdicts.
const (
	Slower  Verdict = "slower"  // by more than the tolerance, with confidence
	Faster  Verdict = "faster"  // likewise
	Similar Verdict = "similar" // the interval is within the tolerance
	Unclear Verdict = "unclear" // the interval is too wide to say
)

// Ratio compares a figure of B with that of A.
type Ratio struct {
	What    string  `json:"what"`   // the configuration that was run
	Figure  string  `json:"figure"` // "throughput", or "p50 read" and so on
	Pairs   int     `json:"pairs"`  // of runs
	A       float64 `json:"a"`      // geometric means: operations a second, or milliseconds
	B       float64 `json:"b"`
	Ratio   float64 `json:"ratio"` // of B to A
	Low     float64 `json:"low"`   // the interval that it is in, with the confidence
	High    float64 `json:"high"`
	Verdict Verdict `json:"verdict"`
}

// Compare says whether the runs B are slower than the runs A. Runs of the same configuration are paired in the order given:
// the first of A with the first of B. Of each pair it takes the logarithms of the ratios of the throughput, and of the p50 and
// p99 of all operations and of each kind. As ratios of times their logarithms are about normal, so that Student's t gives the
// interval for their mean; pairing takes out what changes on the machine over time, if the runs of A and B took turns. There are
// many intervals, so each has the confidence that makes all hold together (Bonferroni's correction).
//
// Kinds that are too rare to be in each run are left out: [Uncompared] names them.
//
// Errors: nothing to compare, configurations or numbers of runs that differ, or a kind that each run of one side has and none of the
// other ([ErrNotPaired]), fewer than MinPairs, a run whose audit was wrong ([ErrAudit]), that was interrupted, or whose figures no run has.
func Compare(a, b []Report, c Comparing) ([]Ratio, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	if err := errors.Join(usable("A", a), usable("B", b)); err != nil {
		return nil, err
	}
	pairs, err := pair(a, b)
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, p := range pairs {
		if err := p.sameKinds(); err != nil {
			return nil, err
		}
		all = append(all, p.figures()...)
	}
	level := 1 - (1-c.Confidence)/float64(len(all))
	ratios := make([]Ratio, len(all))
	for i, f := range all {
		ratios[i] = f.ratio(level)
		ratios[i].judge(c.Tolerance, f.lowIsGood)
	}
	return ratios, nil
}

// usable reports runs whose numbers mean nothing.
func usable(side string, reports []Report) error {
	if len(reports) == 0 {
		return fmt.Errorf("%w: %s has none", ErrNotPaired, side)
	}
	for i, r := range reports {
		if err := r.auditError(); err != nil {
			return fmt.Errorf("run %d of %s: %w", i+1, side, err)
		}
		if r.Interrupted {
			return fmt.Errorf("run %d of %s was interrupted", i+1, side)
		}
		if err := r.plausible(); err != nil {
			return fmt.Errorf("run %d of %s: %w", i+1, side, err)
		}
	}
	return nil
}

// plausible reports figures that no run has: they would make any ratio.
func (r Report) plausible() error {
	if !(r.CommittedPerS >= 0 && r.CommittedPerS <= maxPerSecond) {
		return fmt.Errorf("committed_per_s is %g, which no run has", r.CommittedPerS)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.LatencyMS)) {
		for _, ms := range []float64{r.LatencyMS[kind].P50, r.LatencyMS[kind].P99} {
			if !(ms >= 0 && ms <= maxMS) {
				return fmt.Errorf("latency_ms of %s has %g, which no run has", kind, ms)
			}
		}
	}
	return nil
}

// paired are the runs of one configuration.
type paired struct{ a, b []Report }

func pair(a, b []Report) ([]paired, error) {
	left, right := groupReports(a), groupReports(b)
	var pairs []paired
	for _, l := range left {
		at := slices.IndexFunc(right, func(r []Report) bool { return r[0].identity() == l[0].identity() })
		if at < 0 {
			return nil, fmt.Errorf("%w: B has no run of %s", ErrNotPaired, l[0].describe())
		}
		r := right[at]
		if right = slices.Delete(right, at, at+1); len(l) != len(r) {
			return nil, fmt.Errorf("%w: of %s A has %d runs and B has %d", ErrNotPaired, l[0].describe(), len(l), len(r))
		}
		if len(l) < MinPairs {
			return nil, fmt.Errorf("%w: of %s there is a single run; an interval needs at least %d: use --repeat", ErrNotPaired, l[0].describe(), MinPairs)
		}
		pairs = append(pairs, paired{l, r})
	}
	if len(right) > 0 {
		return nil, fmt.Errorf("%w: A has no run of %s", ErrNotPaired, right[0][0].describe())
	}
	return pairs, nil
}

// describe names a configuration.
func (r Report) describe() string {
	parts := []string{r.Workload, r.Protocol}
	if r.Keys > 0 {
		parts = append(parts, fmt.Sprintf("%d keys", r.Keys), r.Distribution, r.Mix.String())
	}
	parts = append(parts, fmt.Sprintf("%d clients", r.Clients))
	if r.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%g a second, %s", r.Rate, r.Arrivals))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		parts = append(parts, name+" "+r.Parameters[name])
	}
	return strings.Join(parts, ", ")
}

// figure is a figure of all runs of both sides.
type figure struct {
	what, name string
	lowIsGood  bool
	a, b       []float64
}

// figures are those that are compared: of a single kind of operations, that kind's are those of all.
func (p paired) figures() []figure {
	what := p.a[0].describe()
	throughput := figure{what: what, name: "throughput"}
	for i := range p.a {
		throughput.a = append(throughput.a, max(p.a[i].CommittedPerS, minRatioRate))
		throughput.b = append(throughput.b, max(p.b[i].CommittedPerS, minRatioRate))
	}
	all := []figure{throughput}
	for _, kind := range p.compared() {
		p50 := figure{what: what, name: "p50 " + kind, lowIsGood: true}
		p99 := figure{what: what, name: "p99 " + kind, lowIsGood: true}
		for i := range p.a {
			a, b := p.a[i].LatencyMS[kind], p.b[i].LatencyMS[kind]
			p50.a, p50.b = append(p50.a, max(a.P50, minRatioMS)), append(p50.b, max(b.P50, minRatioMS))
			p99.a, p99.b = append(p99.a, max(a.P99, minRatioMS)), append(p99.b, max(b.P99, minRatioMS))
		}
		all = append(all, p50, p99)
	}
	return all
}

// kinds are those that any run has, and "all", which each has that had anything to measure.
func (p paired) kinds() []string {
	seen := map[string]bool{allKinds: true}
	for _, r := range slices.Concat(p.a, p.b) {
		for kind := range r.LatencyMS {
			seen[kind] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// compared are the kinds that each run has. Of a single one, "all" is the same.
func (p paired) compared() (all []string) {
	kinds := p.kinds()
	for _, kind := range kinds {
		if (kind == allKinds || len(kinds) > 2) && having(p.a, kind) == len(p.a) && having(p.b, kind) == len(p.b) {
			all = append(all, kind)
		}
	}
	return all
}

// having is how many runs have operations of a kind.
func having(runs []Report, kind string) (n int) {
	for _, r := range runs {
		if _, ok := r.LatencyMS[kind]; ok {
			n++
		}
	}
	return n
}

// sameKinds reports kinds that one side has in each run and the other in none: they are not rare, but lost.
func (p paired) sameKinds() error {
	for _, kind := range p.kinds() {
		switch inA, inB := having(p.a, kind), having(p.b, kind); {
		case inA == len(p.a) && inB == 0:
			return fmt.Errorf("%w: of %s each run of A has latencies of %s, and no run of B", ErrNotPaired, p.a[0].describe(), kind)
		case inB == len(p.b) && inA == 0:
			return fmt.Errorf("%w: of %s each run of B has latencies of %s, and no run of A", ErrNotPaired, p.a[0].describe(), kind)
		case kind == allKinds && inA+inB < len(p.a)+len(p.b):
			return fmt.Errorf("%w: of %s some runs have no latencies of all operations", ErrNotPaired, p.a[0].describe())
		}
	}
	return nil
}

// Uncompared names the kinds of operations of runs that [Compare] compares, each with its configuration, of which it says nothing: not
// each run has some.
func Uncompared(a, b []Report) (lines []string) {
	pairs, err := pair(a, b)
	if err != nil {
		return nil // Compare says so
	}
	for _, p := range pairs {
		for _, kind := range p.kinds() {
			if having(p.a, kind)+having(p.b, kind) < len(p.a)+len(p.b) {
				lines = append(lines, fmt.Sprintf("%s: %s is not compared, as it is in %d of %d runs only", p.a[0].describe(), kind,
					having(p.a, kind)+having(p.b, kind), len(p.a)+len(p.b)))
			}
		}
	}
	return lines
}

// ratio computes the interval of one figure.
func (f figure) ratio(level float64) Ratio {
	logs := make([]float64, len(f.a))
	for i := range logs {
		logs[i] = math.Log(f.b[i] / f.a[i])
	}
	middle := mean(logs)
	half := studentsT(level, len(logs)-1) * deviation(logs) / math.Sqrt(float64(len(logs)))
	return Ratio{
		What: f.what, Figure: f.name, Pairs: len(logs),
		A: geometricMean(f.a), B: geometricMean(f.b),
		Ratio: math.Exp(middle), Low: math.Exp(middle - half), High: math.Exp(middle + half),
	}
}

// judge fills in the verdict.
func (r *Ratio) judge(tolerance float64, lowIsGood bool) {
	least, most := 1-tolerance, 1+tolerance
	below, above := Slower, Faster
	if lowIsGood {
		below, above = Faster, Slower
	}
	switch {
	case r.High < least:
		r.Verdict = below
	case r.Low > most:
		r.Verdict = above
	case r.Low >= least && r.High <= most:
		r.Verdict = Similar
	default:
		r.Verdict = Unclear
	}
}
