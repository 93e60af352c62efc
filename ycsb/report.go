package ycsb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Schema is the version of the form of a [Report].
const Schema = 2

// Report is a run as it is written for machines: one JSON object, whose fields are these. Fields of rows are missing from the
// report of another workload.
type Report struct {
	Schema          int                   `json:"schema"`
	Workload        string                `json:"workload"`             // "rows", or another's name
	Parameters      map[string]string     `json:"parameters,omitempty"` // what else the workload was told
	Protocol        string                `json:"protocol"`
	Round           int                   `json:"round,omitempty"` // of a repeated run, from 1
	Keys            int                   `json:"keys,omitempty"`
	Clients         int                   `json:"clients"`
	Rate            float64               `json:"rate"` // 0: a closed loop
	Arrivals        string                `json:"arrivals,omitempty"`
	OfferedPerS     float64               `json:"offered_per_s,omitempty"` // what arrived; missing if that is not known
	Mix             Mix                   `json:"mix,omitzero"`
	Distribution    string                `json:"distribution,omitempty"`
	DurationSeconds float64               `json:"duration_s"` // of the measured part, as it was
	Seed            uint64                `json:"seed"`
	Policy          string                `json:"policy"`
	Workers         int                   `json:"workers"`
	Committed       uint64                `json:"committed"`
	CommittedPerS   float64               `json:"committed_per_s"`
	Failed          uint64                `json:"failed"`
	Unknown         uint64                `json:"unknown"`
	NotStarted      uint64                `json:"not_started"`
	Retries         uint64                `json:"retries"`
	Deadlocks       uint64                `json:"deadlocks"`
	LockWaits       uint64                `json:"lock_waits"`
	LockWaitMS      float64               `json:"lock_wait_ms"`                   // the time of all waits together
	WrittenBytes    *uint64               `json:"written_bytes,omitempty"`        // to disks; missing if that is not known
	WrittenPerOp    *float64              `json:"written_bytes_per_op,omitempty"` // by those that were committed
	Append          *Times                `json:"append,omitempty"`               // of a lone client; see Result.Appends
	Of              map[string]float64    `json:"of,omitempty"`                   // in a comparison: ratios of throughput, see Relate
	SumBefore       int64                 `json:"sum_before"`                     // of the first figure of the audit; of rows: all balances
	SumAfter        int64                 `json:"sum_after"`
	Audit           []AuditedFigure       `json:"audit"`
	Wrong           []string              `json:"wrong,omitempty"`         // conditions that the audit found not to hold
	NotAudited      string                `json:"not_audited,omitempty"`   // why the audit after the mix could not look, or does not count; sum_after is missing then
	LatencyMS       map[string]Latency    `json:"latency_ms"`              // of each kind as far as there were any, and of "all"
	Kinds           map[string]KindReport `json:"kinds"`                   // likewise, without "all"
	Lag             *Times                `json:"generator_lag,omitempty"` // of an open loop; see Result.Lag
	Series          []Moment              `json:"series"`
	Interrupted     bool                  `json:"interrupted,omitempty"`
	Commit          string                `json:"commit"`
	Go              string                `json:"go"`
	CPU             string                `json:"cpu"`
}

// AuditedFigure is a figure that the mix must not change.
type AuditedFigure struct {
	Name   string `json:"name"`
	Before int64  `json:"before"`
	After  int64  `json:"after"`
}

// KindReport is what was measured of a kind of operations.
type KindReport struct {
	Counts
	Latency *Histogram `json:"histogram"`
}

// Times are how long something took each time, in milliseconds.
type Times struct {
	Latency
	Histogram *Histogram `json:"histogram"`
}

// plain is a report that is written as its fields are.
type plain Report

// MarshalJSON leaves out the sum after the mix if nobody has seen it.
func (r Report) MarshalJSON() ([]byte, error) {
	if r.NotAudited == "" {
		return json.Marshal(plain(r))
	}
	return json.Marshal(struct {
		plain
		SumAfter *int64 `json:"sum_after,omitempty"`
	}{plain: plain(r)})
}

// Setup is what a report says of what was measured.
type Setup struct {
	Workload   string            // default "rows"
	Protocol   string            // "plain", "saga", "serializable", "floor", "limit", or a name of your own
	Policy     string            // of the locks; "" if there is none
	Workers    int               // 0 if there are none
	Parameters map[string]string // what else there is to say of the workload
}

// NewReport describes a run on rows.
func NewReport(s Setup, c Config, r Result, e Environment) Report {
	c = c.withDefaults()
	report := DriveReport(s, c.Driving, r, e)
	report.Keys = c.Keys
	report.Mix = c.Mix
	report.Distribution = c.distributionName()
	report.Parameters = c.parameters(s.Parameters)
	return report
}

// DriveReport describes a run of another workload.
func DriveReport(s Setup, d Driving, r Result, e Environment) Report {
	d = d.withDefaults()
	report := Report{
		Schema:          Schema,
		Workload:        s.Workload,
		Parameters:      s.Parameters,
		Protocol:        s.Protocol,
		Clients:         d.Clients,
		Rate:            d.Rate,
		OfferedPerS:     math.Round(r.Offered*1000) / 1000,
		DurationSeconds: math.Round(r.Elapsed.Seconds()*1000) / 1000,
		Seed:            d.Seed,
		Policy:          s.Policy,
		Workers:         s.Workers,
		Committed:       r.Committed,
		CommittedPerS:   math.Round(r.PerSecond()*10) / 10,
		Failed:          r.Failed,
		Unknown:         r.Unknown,
		NotStarted:      r.NotStarted,
		Retries:         r.Counters.Retries,
		Deadlocks:       r.Counters.Deadlocks,
		LockWaits:       r.Counters.LockWaits,
		LockWaitMS:      float64(r.Counters.LockWaitTime.Microseconds()) / 1000,
		Series:          r.Series,
		Interrupted:     r.Interrupted,
		Commit:          e.Commit,
		Go:              e.Go,
		CPU:             e.CPU,
	}
	if report.Workload == "" {
		report.Workload = "rows"
	}
	if d.Rate > 0 {
		report.Arrivals = string(d.Arrivals)
	}
	if r.Lag.Count() > 0 {
		report.Lag = &Times{r.Lag.Latency(), &r.Lag}
	}
	if d.Clients == 1 && r.Appends.Count() > 0 {
		report.Append = &Times{r.Appends.Latency(), &r.Appends}
	}
	report.WrittenBytes = r.Written
	report.perOperation()
	report.measured(r)
	report.audited(r)
	return report
}

// perOperation divides what was written among the committed operations.
func (r *Report) perOperation() {
	if r.WrittenPerOp = nil; r.WrittenBytes == nil || r.Committed == 0 {
		return
	}
	each := math.Round(float64(*r.WrittenBytes)/float64(r.Committed)*10) / 10
	r.WrittenPerOp = &each
}

func (r *Report) measured(result Result) {
	r.LatencyMS = make(map[string]Latency)
	r.Kinds = make(map[string]KindReport)
	for name, kind := range result.Kinds {
		r.LatencyMS[name] = kind.Latency.Latency()
		if name != allKinds {
			r.Kinds[name] = KindReport{kind.Counts, &kind.Latency}
		}
	}
}

func (r *Report) audited(result Result) {
	if result.NotAudited != nil {
		r.NotAudited = result.NotAudited.Error()
		if len(result.Before.Constant) > 0 {
			r.SumBefore = result.Before.Constant[0].Value
		}
		return
	}
	for i, before := range result.Before.Constant {
		f := AuditedFigure{Name: before.Name, Before: before.Value}
		if i < len(result.After.Constant) {
			f.After = result.After.Constant[i].Value
		}
		r.Audit = append(r.Audit, f)
	}
	if len(r.Audit) > 0 {
		r.SumBefore, r.SumAfter = r.Audit[0].Before, r.Audit[0].After
	}
	for _, wrong := range append(slices.Clip(result.After.Wrong), unlike(result.Before, result.After)...) {
		r.Wrong = append(r.Wrong, wrong.Error())
	}
}

// distributionName is the distribution, with its parameters if those are not the usual ones.
func (c Config) distributionName() string {
	switch {
	case (c.Distribution == Zipfian || c.Distribution == Latest) && c.Theta != DefaultTheta:
		return fmt.Sprintf("%s(%g)", c.Distribution, c.Theta)
	case c.Distribution == Hotspot:
		return fmt.Sprintf("%s(%g,%g)", c.Distribution, c.HotData, c.HotOperations)
	}
	return string(c.Distribution)
}

// parameters are the parts of the configuration that have no field of their own in a report, where they are not the usual.
func (c Config) parameters(more map[string]string) map[string]string {
	p := make(map[string]string)
	for name, text := range more {
		p[name] = text
	}
	add := func(differs bool, name string, value any) {
		if differs {
			p[name] = fmt.Sprint(value)
		}
	}
	add(c.Rollbacks != 0, "rollbacks", c.Rollbacks)
	add(c.Parties != 2, "parties", c.Parties)
	add(c.Mix.Snapshot > 0, "snapshotkeys", c.SnapshotKeys)
	add(c.Mix.Scan > 0, "scanlengths", fmt.Sprintf("%d-%d %s", c.MinScan, c.MaxScan, c.ScanLengths))
	add(c.Shape != Shape{}.withDefaults(), "fields", fmt.Sprintf("%d of %d bytes", c.Shape.Fields, c.Shape.FieldBytes))
	add(c.ReadOneField, "readallfields", false)
	add(c.WriteAllFields, "writeallfields", true)
	add(c.NoIDs, "ids", false)
	if len(p) == 0 {
		return nil
	}
	return p
}

// Balanced reports whether no audited figure changed and every condition held, as far as the audit could look.
func (r Report) Balanced() bool {
	return r.NotAudited == "" && r.SumBefore == r.SumAfter && r.auditError() == nil
}

// auditError is what [Drive] returned.
func (r Report) auditError() error {
	if r.NotAudited != "" {
		return errors.New(r.NotAudited)
	}
	var before, after Audit
	for _, f := range r.Audit {
		before.Constant = append(before.Constant, Figure{f.Name, f.Before})
		after.Constant = append(after.Constant, Figure{f.Name, f.After})
	}
	for _, wrong := range r.Wrong {
		after.Wrong = append(after.Wrong, errors.New(wrong))
	}
	return compareAudits(before, after)
}

// WriteJSON writes the report as one indented object.
func (r Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteReports writes reports as an indented array.
func WriteReports(w io.Writer, reports []Report) error { return writeJSON(w, reports) }

func writeJSON(w io.Writer, what any) error {
	data, err := json.MarshalIndent(what, "", "  ")
	if err == nil {
		_, err = w.Write(append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("ycsb: write the report: %w", err)
	}
	return nil
}
