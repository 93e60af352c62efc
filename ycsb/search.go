package ycsb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// SearchSchema is the version of the form of a [SearchReport].
const SearchSchema = 1

// ErrOutOfReach: not even the lowest rate that a search tries reached a goal.
var ErrOutOfReach = errors.New("ycsb: no rate reaches the goal")

// Searching says what [Search] looks for. The zero value is the highest rate of which 95 % is achieved.
type Searching struct {
	// Start is the rate of the first probe, in operations a second. Default 1,000.
	Start float64
	// Max is the highest rate that is tried. Default MaxRate.
	Max float64
	// Precision is by what share the rate that was found and the next higher one that failed may differ. Default 0.05.
	Precision float64
	// Tries is how many probes at a rate have to fail before it has failed: on a machine that others use a single one may do so
	// by chance, and that would be the end of all higher rates. Default 2, at most MaxTries.
	Tries int
	// Achieved is the share of what arrived that has to be committed. Default 0.95, as in the paper.
	Achieved float64
	// P99, if set, is a second goal: the highest rate at which the p99 of all operations is at most this.
	P99 time.Duration
	// Useful is the share of the operations that are meant to commit, if some are meant to be refused. Default 1.
	Useful float64
	// OnProbe, if set, is called after each probe.
	OnProbe func(Probe)
}

func (s Searching) withDefaults() Searching {
	if s.Start == 0 {
		s.Start = 1000
	}
	if s.Max == 0 {
		s.Max = MaxRate
	}
	if s.Precision == 0 {
		s.Precision = 0.05
	}
	if s.Tries == 0 {
		s.Tries = 2
	}
	if s.Achieved == 0 {
		s.Achieved = 0.95
	}
	if s.Useful == 0 {
		s.Useful = 1
	}
	return s
}

// Validate reports everything that is wrong, defaults filled in.
func (s Searching) Validate() error {
	s = s.withDefaults()
	var c checks
	c.check(s.Max >= minRate && s.Max <= MaxRate, "max-rate: %g is not between %d and %d", s.Max, minRate, MaxRate)
	c.check(s.Start >= minRate && s.Start <= s.Max, "start-rate: %g is not between %d and the highest rate, %g", s.Start, minRate, s.Max)
	c.check(s.Precision >= 0.001 && s.Precision <= 1, "precision: %g is not between 0.001 and 1", s.Precision)
	c.check(s.Tries >= 1 && s.Tries <= MaxTries, "tries: %d is not between 1 and %d", s.Tries, MaxTries)
	c.check(s.Achieved > 0 && s.Achieved <= 1, "achieved: %g is not above 0 and at most 1", s.Achieved)
	c.check(s.P99 >= 0 && s.P99 < MaxLatency, "p99: %v is not between 0 and %v", s.P99, MaxLatency)
	c.check(s.Useful >= MinShare && s.Useful <= 1, "rollbacks: %g of the operations are meant to commit; a search needs some", s.Useful)
	return c.err()
}

// minRate is the lowest rate that is tried.
const minRate = 1

// MaxTries bounds the probes at a rate.
const MaxTries = 10

// Probe is a run at one rate.
type Probe struct {
	Rate     float64 `json:"rate"`     // operations a second that arrive
	Achieved float64 `json:"achieved"` // share of those meant to commit that were committed in a second
	P99      float64 `json:"p99_ms"`   // of all operations
	Report   Report  `json:"report"`
}

// Goal is what a search looks for and what it found.
type Goal struct {
	Goal  string  `json:"goal"`  // in words
	Rate  float64 `json:"rate"`  // the highest that reached it
	Probe int     `json:"probe"` // its number among the probes, from 0
}

// SearchReport is a search as it is written for machines.
type SearchReport struct {
	Schema      int     `json:"search_schema"`
	Goals       []Goal  `json:"goals"`
	Probes      []Probe `json:"probes"` // in the order in which they were made
	Interrupted bool    `json:"interrupted,omitempty"`
}

// WriteJSON writes the report as one indented object.
func (r SearchReport) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// Search finds the highest rates of an open loop that reach the goals. It doubles the rate until a probe fails (or halves it
// until one succeeds), and then bisects. It takes for granted that a rate above one that failed fails too. A probe makes a run at a rate
// and reports it; it blocks as long as the run lasts. Its error ends the search, and what was found is returned with it; so does
// the context's cancellation, after which Interrupted is set. A goal that no rate reaches is [ErrOutOfReach].
func Search(ctx context.Context, s Searching, probe func(ctx context.Context, rate float64) (Report, error)) (SearchReport, error) {
	if err := s.Validate(); err != nil {
		return SearchReport{}, err
	}
	run := &search{Searching: s.withDefaults(), probe: probe, report: SearchReport{Schema: SearchSchema}}
	s = run.Searching
	goals := []goal{{fmt.Sprintf("%g %% achieved", s.Achieved*100), func(p Probe) bool { return p.Achieved >= s.Achieved }}}
	if s.P99 > 0 {
		bound := float64(s.P99.Microseconds()) / 1000
		goals = append(goals, goal{fmt.Sprintf("p99 at most %v and %s", s.P99, goals[0].words),
			func(p Probe) bool { return p.P99 <= bound && goals[0].reached(p) }})
	}
	var missed error
	for _, g := range goals {
		best, err := run.highest(ctx, g)
		switch {
		case errors.Is(err, ErrOutOfReach):
			missed = errors.Join(missed, err)
		case err != nil:
			return run.report, err
		case run.report.Interrupted:
			return run.report, nil
		default:
			run.report.Goals = append(run.report.Goals, Goal{Goal: g.words, Rate: run.report.Probes[best].Rate, Probe: best})
		}
	}
	return run.report, missed
}

type search struct {
	Searching
	probe  func(ctx context.Context, rate float64) (Report, error)
	report SearchReport
}

type goal struct {
	words   string
	reached func(Probe) bool
}

// highest returns the number of the probe with the highest rate that reaches the goal.
func (s *search) highest(ctx context.Context, g goal) (int, error) {
	for {
		best, failed, undecided := s.bounds(g)
		rate := s.Start
		switch {
		case undecided > 0:
			rate = undecided
		case best < 0 && failed <= minRate:
			return -1, fmt.Errorf("%w: %s, down to %d a second", ErrOutOfReach, g.words, minRate)
		case best < 0 && !math.IsInf(failed, 1):
			rate = max(failed/2, minRate)
		case best >= 0:
			low := s.report.Probes[best].Rate
			if failed <= low*(1+s.Precision) || low >= s.Max {
				return best, nil
			}
			if rate = min(2*low, s.Max); !math.IsInf(failed, 1) {
				rate = (low + failed) / 2
			}
		}
		if err := s.try(ctx, rate); err != nil || s.report.Interrupted {
			return -1, err
		}
	}
}

// bounds returns the lowest rate that failed; the probe with the highest rate below it that reached the goal, -1 if there is
// none; and a rate below the one that failed which has not been tried often enough to say, 0 if there is none.
func (s *search) bounds(g goal) (best int, failed, undecided float64) {
	tries, reached := make(map[float64]int), make(map[float64]bool)
	for _, p := range s.report.Probes {
		tries[p.Rate]++
		reached[p.Rate] = reached[p.Rate] || g.reached(p)
	}
	failed = math.Inf(1)
	for rate, n := range tries {
		if n >= s.Tries && !reached[rate] {
			failed = min(failed, rate)
		}
	}
	for rate, n := range tries {
		if n < s.Tries && !reached[rate] && rate < failed {
			undecided = max(undecided, rate)
		}
	}
	best = -1
	for i, p := range s.report.Probes {
		if p.Rate < failed && g.reached(p) && (best < 0 || p.Rate > s.report.Probes[best].Rate) {
			best = i
		}
	}
	return best, failed, undecided
}

// try makes a probe.
func (s *search) try(ctx context.Context, rate float64) error {
	report, err := s.probe(ctx, rate)
	if errors.Is(err, ErrInterrupted) || err == nil && report.Interrupted {
		s.report.Interrupted = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("at %g operations a second: %w", rate, err)
	}
	offered := rate
	if report.OfferedPerS > 0 {
		offered = report.OfferedPerS // in a short probe Poisson arrivals are some more or fewer
	}
	p := Probe{Rate: rate, Achieved: report.CommittedPerS / (offered * s.Useful), P99: report.LatencyMS[allKinds].P99, Report: report}
	s.report.Probes = append(s.report.Probes, p)
	if s.OnProbe != nil {
		s.OnProbe(p)
	}
	return nil
}

// ByRate returns the probes in the order of their rates.
func (r SearchReport) ByRate() []Probe {
	return slices.SortedFunc(slices.Values(r.Probes), func(a, b Probe) int { return int(math.Copysign(1, a.Rate-b.Rate)) })
}
