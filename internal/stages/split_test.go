package stages

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// made is a profile of samples of 10 ms, each with a stack, the outermost function first. A function of a stack that ends in "+" was
// inlined into the one before it.
func made(stacks ...string) *profile.Profile {
	p := &profile.Profile{
		SampleType:    []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DurationNanos: int64(100 * time.Millisecond),
	}
	for _, stack := range stacks {
		s := &profile.Sample{Value: []int64{1, int64(10 * time.Millisecond)}}
		for name := range strings.FieldsSeq(stack) {
			name, inlined := strings.CutSuffix(name, "+")
			line := profile.Line{Function: &profile.Function{Name: name}}
			if inlined {
				s.Location[0].Line = slices.Insert(s.Location[0].Line, 0, line)
				continue
			}
			s.Location = slices.Insert(s.Location, 0, &profile.Location{Line: []profile.Line{line}})
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

const (
	engine    = module + "engine."
	loop      = engine + "(*worker).loop " + engine + "(*worker).serve "
	seal      = engine + "(*Engine).sealLoop "
	group     = "sync.(*WaitGroup).Go.func1 "
	body      = "runtime.corostart iter.Pull[go.shape.struct {}].func1 " + module + "internal/machine/routines.NewRoutine.func1 "
	appendLog = module + "internal/log.(*Log).Append "
)

// TestPlaces: of each stack the one stage, and the part of it.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		name, stack string
		whole, part Stage
	}{
		{"a round", loop + engine + "(*worker).work", Workers, ""},
		{"a worker that was taken over", engine + "(*worker).takeOver.func1 " + engine + "(*worker).serve", Workers, ""},
		{"a body, which is code of the benchmark", body + module + "ycsb/accounts.transfer", Workers, ""},
		{"into a body", "runtime.mcall runtime.coroswitch_m", Workers, ""},
		{"a worker that collects garbage", loop + "runtime.mallocgc runtime.gcAssistAlloc", Workers, ""},
		{"a portion, by its worker", loop + engine + "(*worker).encodePortion " + encode + " x", Workers, WorkersEncoding},
		{"a portion, by the sealer", seal + encode, Sealer, SealerEncoding},
		{"a portion, inlined", seal + encode + "+ x+", Sealer, SealerEncoding},
		{"the log", seal + module + "internal/table.(*Table).append " + appendLog + "x", Sealer, LogWriter},
		{"the sealer", seal + "x", Sealer, ""},
		{"a worker that conducts", loop + engine + "(*gate).rest " + conduct + " " + engine + "(*Engine).cut", Conductor, ""},
		{"the sealer conducts", seal + conduct, Conductor, ""},
		{"a client conducts", group + module + "ycsb.(*runner).closedLoop " + conduct, Conductor, ""},
		{"a conductor that was inlined", loop + "x " + conduct + "+ y+", Conductor, ""},
		{"conducting, below a part of a stage", seal + encode + " " + conduct, Conductor, ""},
		{"replies", engine + "(*Engine).releaseLoop x", Release, ""},
		{"the index", group + module + "internal/table.(*Table).indexLoop x", Index, ""},
		{"a layer", group + module + "internal/table.(*Table).applyLoop github.com/cockroachdb/pebble/v2.(*DB).Ingest", Apply, ""},
		{"the log's front", group + module + "internal/table.(*Table).applyLoop " + appendLog, Apply, ""},
		{"a flush", "github.com/cockroachdb/pebble/v2.(*DB).flush x", Compactions, ""},
		{"a thread of the store", "github.com/cockroachdb/pebble/v2/internal/x.y", Compactions, ""},
		{"a segment made ahead", module + "internal/log.(*Log).makeAhead.func1 " + module + "internal/log.(*segment).make x", Segments, ""},
		{"a client", group + module + "ycsb.(*runner).closedLoop " + engine + "(*Engine).Do", Clients, ""},
		{"a target", "main.main " + module + "ycsb/accounts.x", Clients, ""},
		{"marking", "runtime.gcBgMarkWorker runtime.systemstack", Collector, ""},
		{"sweeping", "runtime.bgsweep x", Collector, ""},
		{"returning memory", "runtime.bgscavenge x", Collector, ""},
		{"the scheduler", "runtime.mcall runtime.park_m runtime.schedule", Rest, ""},
		{"nothing", "", Rest, ""},
		{"a name that only begins like one", engine + "(*Engine).sealLoops", Rest, ""},
		{"encoding elsewhere", "x " + encode, Rest, ""},
	} {
		s, err := Of(made(c.stack), 2)
		want := map[Stage]time.Duration{c.whole: 10 * time.Millisecond}
		if c.part != "" {
			want[c.part] = 10 * time.Millisecond
		}
		if err != nil || !reflect.DeepEqual(s.CPU, want) || s.Total() != 10*time.Millisecond {
			t.Errorf("%s: %v, %v, want %v", c.name, s.CPU, err, want)
		}
	}
	if _, err := Of(&profile.Profile{SampleType: []*profile.ValueType{{Type: "inuse_space", Unit: "bytes"}}}, 1); !errors.Is(err, ErrProfile) {
		t.Errorf("a profile of memory: %v", err)
	}
	if _, err := Of(&profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "jiffies"}}}, 1); !errors.Is(err, ErrProfile) {
		t.Errorf("a profile of another unit: %v", err)
	}
}

// TestNumbers: the longest serial stage is none that is not serial, and with its parts; what is used is of all processors.
func TestNumbers(t *testing.T) {
	s, err := Of(made(loop, loop, loop, loop, seal+encode, seal+appendLog, seal, conduct, conduct, "x"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if stage, took := s.Longest(); stage != Sealer || took != 30*time.Millisecond {
		t.Errorf("%s, %v", stage, took)
	}
	if s.Total() != 100*time.Millisecond || s.Turns() != 50*time.Millisecond || math.Abs(s.Used()-0.5) > 1e-9 {
		t.Errorf("%v, %v, %g", s.Total(), s.Turns(), s.Used())
	}
	if each, bound := Each(s.Turns(), 1000), Bound(s.Turns(), 1000); each != 50 || bound != 20_000 || Bound(0, 7) != 0 {
		t.Errorf("%g µs each, at most %g a second", each, bound)
	}
	var table bytes.Buffer
	if err := s.WriteTable(&table, 1000); err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(table.String()), " ")
	for _, want := range []string{
		"workers 40.00", "conductor (serial) 20.00", "sealer (serial) 30.00", "of it encoding by the sealer 10.00", "of it log writer 10.00",
		"all 100.00", "longest serial stage is sealer: at most 33,333 a second; conductor and sealer take turns: at most 20,000",
		"1,000 operations, 50 % of 2 processors",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, table.String())
		}
	}
}

// TestStages: there is one of each name; a part comes after its stage, is serial as it is, and is none of the whole ones.
func TestStages(t *testing.T) {
	all, whole := All(), Whole()
	for i, stage := range all {
		if slices.Index(all, stage) != i {
			t.Errorf("there are two stages %s", stage)
		}
		of := stage.Of()
		if of == "" != slices.Contains(whole, stage) || of != "" && (!slices.Contains(all[:i], of) || of.Serial() != stage.Serial()) {
			t.Errorf("%s is of %q", stage, of)
		}
	}
}
