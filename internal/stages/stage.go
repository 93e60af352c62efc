// Package stages tells where the processor time of a benchmark goes. A [Recorder] takes a CPU profile of the measured part of a run; its
// [Split] has the time of each [Stage]: the workers, the conductor, the sealer and so on, which an operation passes one after the other.
//
// A stage is serial if only one goroutine at a time is in it, however many processors there are: what an operation takes in the longest of
// these bounds the rate of any machine.
//
// Stages are told apart by the names of the functions that their goroutines run, which stand in stage.go.
//
// Start reading at stage.go, then split.go.
package stages

// Stage is what a part of the processor time went to. Its text names it in columns.
type Stage string

// The stages. Each sample of a profile is of exactly one of them.
const (
	Workers     Stage = "workers"     // functions, protocols and locks: rounds of workers, and bodies of coordinator functions
	Conductor   Stage = "conductor"   // breaks cycles and cuts the epoch, on whichever goroutine; all workers are at rest meanwhile
	Sealer      Stage = "sealer"      // makes an entry of an epoch and appends it to the log
	Release     Stage = "release"     // lets out what waited for an epoch to be sealed
	Index       Stage = "index"       // makes a sealed entry's rows readable
	Apply       Stage = "apply"       // writes sealed rows to the store in large portions
	Compactions Stage = "compactions" // flushes and compactions of the store
	Segments    Stage = "segments"    // files that the log makes ahead
	Clients     Stage = "clients"     // the benchmark's own goroutines, with what they do of a call of the engine
	Collector   Stage = "collector"   // the garbage collector's own goroutines; what it has others do while they allocate is theirs
	Rest        Stage = "rest"        // scheduler, timers, watchdog, profiler
)

// Parts of stages that are told separately. Their time is that of their stage, too.
const (
	WorkersEncoding Stage = "workers_encoding" // of Workers: encode portions of an epoch that was cut
	SealerEncoding  Stage = "sealer_encoding"  // of Sealer: encode the portions that no worker has begun
	LogWriter       Stage = "log_writer"       // of Sealer: append the entry to the log's file
)

// about is what is known of a stage.
type about struct {
	stage  Stage
	words  string // for people
	of     Stage  // the stage that it is a part of; "" if it is whole
	serial bool
}

// all are the stages in the order in which an operation comes to them, parts after what they are of.
var all = []about{
	{Clients, "clients", "", false},
	{Workers, "workers", "", false},
	{WorkersEncoding, "encoding by workers", Workers, false},
	{Conductor, "conductor", "", true},
	{Sealer, "sealer", "", true},
	{SealerEncoding, "encoding by the sealer", Sealer, true},
	{LogWriter, "log writer", Sealer, true},
	{Release, "release", "", true},
	{Index, "index", "", true},
	{Apply, "apply", "", true},
	{Compactions, "compactions", "", false},
	{Segments, "log's files made ahead", "", false},
	{Collector, "garbage collector", "", false},
	{Rest, "rest", "", false},
}

// All are the stages in the order in which an operation comes to them, parts after what they are of.
func All() (stages []Stage) {
	for _, a := range all {
		stages = append(stages, a.stage)
	}
	return stages
}

// Whole are the stages of All that are no parts of others: their times add up.
func Whole() (stages []Stage) {
	for _, a := range all {
		if a.of == "" {
			stages = append(stages, a.stage)
		}
	}
	return stages
}

// about panics if there is no such stage.
func (s Stage) about() about {
	for _, a := range all {
		if a.stage == s {
			return a
		}
	}
	panic("stages: there is no stage " + string(s))
}

// Words name the stage for people.
func (s Stage) Words() string { return s.about().words }

// Title is Words as they begin a line of a table of all stages: with what the stage is.
func (s Stage) Title() string {
	switch a := s.about(); {
	case a.of != "":
		return "of it " + a.words
	case a.serial:
		return a.words + " (serial)"
	default:
		return a.words
	}
}

// Of is the stage that this one is a part of; "" if it is whole.
func (s Stage) Of() Stage { return s.about().of }

// Serial reports whether only one goroutine at a time is in the stage, however many processors there are.
func (s Stage) Serial() bool { return s.about().serial }

const module = "github.com/concordat-dev/concordat/"

// conduct makes its sample the conductor's wherever it is in the stack: it runs on the goroutine of whoever finds all workers at rest.
const conduct = module + "engine.(*Engine).conduct"

// homes are the stages of goroutines: the outermost function of a stack that is here decides. Outside of it are only functions that
// start goroutines.
var homes = map[string]Stage{
	module + "engine.(*worker).serve":                     Workers,
	module + "internal/machine/routines.NewRoutine.func1": Workers, // the coroutine of a body
	"runtime.coroswitch_m":                                Workers, // into it and out of it; only workers do so
	module + "engine.(*Engine).sealLoop":                  Sealer,
	module + "engine.(*Engine).releaseLoop":               Release,
	module + "internal/table.(*Table).indexLoop":          Index,
	module + "internal/table.(*Table).applyLoop":          Apply,
	module + "internal/log.(*segment).make":               Segments,
	"runtime.gcBgMarkWorker":                              Collector,
	"runtime.bgsweep":                                     Collector,
	"runtime.bgscavenge":                                  Collector,
}

// homePackages are the stages of goroutines by how the names of their functions begin.
var homePackages = map[string]Stage{
	module + "ycsb.":                   Clients,
	module + "ycsb/":                   Clients,
	"github.com/cockroachdb/pebble/v2": Compactions,
}

// inside is a function of a stage.
type inside struct {
	stage    Stage
	function string
}

// parts are the parts of stages by a function that is somewhere in the stack.
var parts = map[inside]Stage{
	{Workers, encode}: WorkersEncoding,
	{Sealer, encode}:  SealerEncoding,
	{Sealer, module + "internal/log.(*Log).Append"}: LogWriter,
}

// encode encodes a portion of an epoch, for the worker or for the sealer.
const encode = module + "engine.(*sealing).encode"
