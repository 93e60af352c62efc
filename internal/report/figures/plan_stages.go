package figures

import (
	"fmt"
	"maps"

	"github.com/concordat-dev/concordat/internal/stages"
)

// Fields of where the processor time went, besides those of single stages. Times are in microseconds for each committed operation.
const (
	CPUTotal     Field = "cpu_total"
	CPULongest   Field = "cpu_longest"   // in the longest serial stage
	CPUTurns     Field = "cpu_turns"     // in conductor and sealer together
	LongestBound Field = "longest_bound" // operations a second, if only the longest serial stage took time
	TurnsBound   Field = "turns_bound"   // likewise of conductor and sealer
	CPUUsed      Field = "cpu_used"      // percent of the processors
)

// cpu is the field of the time in a stage.
func cpu(s stages.Stage) Field { return Field("cpu_" + string(s)) }

// cpuOf are the fields of the times in stages.
func cpuOf(all []stages.Stage) (fields []Field) {
	for _, s := range all {
		fields = append(fields, cpu(s))
	}
	return fields
}

// withStages adds the fields of where the processor time went.
func withStages(all map[Field]field) map[Field]field {
	each := func(of func(stages.Split) float64) func(Measurement) (float64, bool) {
		return func(m Measurement) (float64, bool) {
			if m.Stages == nil || m.Report.Committed == 0 {
				return 0, false
			}
			return of(*m.Stages) / float64(m.Report.Committed), true
		}
	}
	longest := func(s stages.Split) float64 {
		_, took := s.Longest()
		return stages.Microseconds(took)
	}
	turns := func(s stages.Split) float64 { return stages.Microseconds(s.Turns()) }
	bound := func(read func(Measurement) (float64, bool)) func(Measurement) (float64, bool) {
		return func(m Measurement) (float64, bool) {
			took, ok := read(m)
			return 1e6 / took, ok && took > 0
		}
	}
	for _, s := range stages.All() {
		all[cpu(s)] = field{s.Title(), 2, each(func(split stages.Split) float64 { return stages.Microseconds(split.CPU[s]) })}
	}
	maps.Copy(all, map[Field]field{
		CPUTotal:     {"all", 2, each(func(s stages.Split) float64 { return stages.Microseconds(s.Total()) })},
		CPULongest:   {"longest serial stage", 2, each(longest)},
		CPUTurns:     {"conductor and sealer, which take turns", 2, each(turns)},
		LongestBound: {"bound of the longest serial stage, a second", 0, bound(each(longest))},
		TurnsBound:   {"bound of conductor and sealer, a second", 0, bound(each(turns))},
		CPUUsed: {"processors used, percent", 0, func(m Measurement) (float64, bool) {
			if m.Stages == nil {
				return 0, false
			}
			return 100 * m.Stages.Used(), true
		}},
	})
	return all
}

// subjects tell what a number is of, where that is not the same in all cells.
var subjects = map[Field]func(Summed) string{CPULongest: longestStage}

// longestStage is the serial stage with the largest median; "" if nothing is known of any.
func longestStage(c Summed) string {
	name, most := "", 0.0
	for _, s := range stages.Whole() {
		if v, ok := c.Value(cpu(s)); ok && s.Serial() && (name == "" || v.Median > most) {
			name, most = s.Words(), v.Median
		}
	}
	return name
}

// stages is where the processor time of transfers goes.
func (p planner) stages() Experiment {
	e := Experiment{
		Name: "stages", Title: "Processor time by stage",
		About: "A CPU profile of transfers, 512 clients, each sample of which is given to one stage by the functions in its stack (package " +
			"internal/stages). In a serial stage only one goroutine at a time is, however many processors there are, so the longest one bounds " +
			"the rate of any machine: one operation in the time that is shown. Conductor and sealer take turns, as an epoch is cut only once the " +
			"one before is sealed, and bound it together. Only processor time is looked at, not that of the disk. The stages of a transfer: " +
			"clients ask; workers run functions and protocols; the conductor cuts the epoch; workers and sealer encode what it changes, each " +
			"portion whoever comes first; the sealer appends that to the log; release answers; the index makes the rows readable; they are " +
			"applied to the store, which compacts its files. The garbage collector is its own goroutines; rest is scheduler, timers and profiler.",
		X: Axis{Label: "keys", Log: true, Ticks: []float64{10, 5000}}, Shows: []Show{{Field: Rate}},
		Breakdown: Breakdown{
			Label: "processor time of a transfer, µs",
			Parts: cpuOf(stages.Whole()),
			Rows:  append(cpuOf(stages.All()), CPUTotal, CPULongest, LongestBound, CPUTurns, TurnsBound, CPUUsed, Transfers),
		},
		Compared: onlyOurs,
	}
	for _, protocol := range protocols {
		for _, keys := range []int{10, 5000} {
			c := p.timed(Cell{
				Name: fmt.Sprintf("%s/%d", protocol, keys), Line: protocol, X: float64(keys),
				Protocol: protocol, Keys: keys, Mix: mix(1), Stages: true,
			}, true)
			c.DurationSeconds *= 2 // there are a hundred samples in a second of a processor
			e.Cells = append(e.Cells, c)
		}
	}
	return e
}
