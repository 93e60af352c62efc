package stages

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/pprof/profile"

	"github.com/concordat-dev/concordat/ycsb/page"
)

// Split is the processor time of a run by stage.
type Split struct {
	// CPU is the time of each stage that had any, parts included.
	CPU map[Stage]time.Duration `json:"cpu_ns"`
	// Elapsed is how long the profile was taken.
	Elapsed time.Duration `json:"elapsed_ns"`
	// Processors that the process could use.
	Processors int `json:"processors"`
}

// ErrProfile: a profile is not one of processor time.
var ErrProfile = errors.New("stages: not a CPU profile")

// Of splits a CPU profile. Any other is [ErrProfile].
func Of(p *profile.Profile, processors int) (Split, error) {
	value := -1
	for i, t := range p.SampleType {
		if t.Type == "cpu" && t.Unit == "nanoseconds" {
			value = i
		}
	}
	if value < 0 {
		return Split{}, ErrProfile
	}
	s := Split{CPU: make(map[Stage]time.Duration), Elapsed: time.Duration(p.DurationNanos), Processors: processors}
	for _, one := range p.Sample {
		spent := time.Duration(one.Value[value])
		whole, part := place(one)
		s.CPU[whole] += spent
		if part != "" {
			s.CPU[part] += spent
		}
	}
	return s, nil
}

// place is the stage of a sample, and the part of it, if it is of one.
func place(s *profile.Sample) (whole, part Stage) {
	for function := range functions(s) {
		if function == conduct {
			return Conductor, ""
		}
		if whole == "" {
			whole = home(function)
		}
		if part == "" {
			part = parts[inside{whole, function}]
		}
	}
	if whole == "" {
		whole = Rest
	}
	return whole, part
}

// functions are the names of the functions of a stack, the outermost first, those that were inlined included.
func functions(s *profile.Sample) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(s.Location) - 1; i >= 0; i-- {
			lines := s.Location[i].Line
			for j := len(lines) - 1; j >= 0; j-- {
				if f := lines[j].Function; f != nil && !yield(f.Name) {
					return
				}
			}
		}
	}
}

// home is the stage of goroutines that run the function, or "" if it does not tell.
func home(function string) Stage {
	if stage, ok := homes[function]; ok {
		return stage
	}
	for prefix, stage := range homePackages {
		if strings.HasPrefix(function, prefix) {
			return stage
		}
	}
	return ""
}

// Total is the time of all stages.
func (s Split) Total() (sum time.Duration) {
	for _, stage := range Whole() {
		sum += s.CPU[stage]
	}
	return sum
}

// Longest is the serial stage that took the most time, with that time. It is a whole one; the first of several.
func (s Split) Longest() (longest Stage, took time.Duration) {
	for _, stage := range Whole() {
		if stage.Serial() && (longest == "" || s.CPU[stage] > took) {
			longest, took = stage, s.CPU[stage]
		}
	}
	return longest, took
}

// Turns is the time of conductor and sealer together: an epoch is cut only once the one before is sealed, so they take turns.
func (s Split) Turns() time.Duration { return s.CPU[Conductor] + s.CPU[Sealer] }

// Used is the share of the processors that the process used.
func (s Split) Used() float64 {
	return s.Total().Seconds() / max(s.Elapsed.Seconds()*float64(s.Processors), 1e-9)
}

// Microseconds is a time as a number.
func Microseconds(t time.Duration) float64 { return float64(t) / float64(time.Microsecond) }

// Each is what a time is for each of so many operations, in microseconds.
func Each(t time.Duration, operations uint64) float64 {
	return Microseconds(t) / float64(max(operations, 1))
}

// Bound is the rate, in operations a second, of a machine on which this time of so many operations is all that they wait for: one after
// the other. It is 0 if nothing was measured.
func Bound(t time.Duration, operations uint64) float64 {
	if t <= 0 {
		return 0
	}
	return float64(operations) / t.Seconds()
}

// WriteTable writes a table of the stages, for so many committed operations.
func (s Split) WriteTable(w io.Writer, operations uint64) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CPU by stage\tµs a committed operation")
	for _, stage := range All() {
		indent := ""
		if stage.Of() != "" {
			indent = "  "
		}
		fmt.Fprintf(tw, "%s%s\t%7.2f\n", indent, stage.Title(), Each(s.CPU[stage], operations))
	}
	fmt.Fprintf(tw, "all\t%7.2f\n", Each(s.Total(), operations))
	if err := tw.Flush(); err != nil {
		return err
	}
	longest, took := s.Longest()
	rate := func(t time.Duration) string { return page.Thousands(int64(Bound(t, operations))) }
	_, err := fmt.Fprintf(w, "the longest serial stage is %s: at most %s a second; conductor and sealer take turns: at most %s\n"+
		"%s operations, %.0f %% of %d processors used\n",
		longest.Words(), rate(took), rate(s.Turns()), page.Thousands(operations), 100*s.Used(), s.Processors)
	return err
}
