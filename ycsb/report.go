package ycsb

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// Report is a run as it is written for machines: one JSON object, whose fields are these.
type Report struct {
	Protocol        string             `json:"protocol"`
	Keys            int                `json:"keys"`
	Clients         int                `json:"clients"`
	Rate            float64            `json:"rate"` // 0: a closed loop
	Mix             Mix                `json:"mix"`
	Distribution    string             `json:"distribution"`
	DurationSeconds float64            `json:"duration_s"` // of the measured part, as it was
	Seed            uint64             `json:"seed"`
	Policy          string             `json:"policy"`
	Workers         int                `json:"workers"`
	Committed       uint64             `json:"committed"`
	CommittedPerS   float64            `json:"committed_per_s"`
	Failed          uint64             `json:"failed"`
	Unknown         uint64             `json:"unknown"`
	Retries         uint64             `json:"retries"`
	Deadlocks       uint64             `json:"deadlocks"`
	SumBefore       int64              `json:"sum_before"`
	SumAfter        int64              `json:"sum_after"`
	LatencyMS       map[string]Latency `json:"latency_ms"` // "read", "update", "transfer" as far as there were any, and "all"
	Commit          string             `json:"commit"`
	Go              string             `json:"go"`
	CPU             string             `json:"cpu"`
}

// Setup is what a report says of the target.
type Setup struct {
	Protocol string // "plain", "saga", "serializable", "floor", or a name of your own
	Policy   string // of the locks; "" if there is none
	Workers  int    // 0 if there are none
}

// NewReport describes a run.
func NewReport(s Setup, c Config, r Result, e Environment) Report {
	c = c.withDefaults()
	return Report{
		Protocol:        s.Protocol,
		Keys:            c.Keys,
		Clients:         c.Clients,
		Rate:            c.Rate,
		Mix:             c.Mix,
		Distribution:    c.distributionName(),
		DurationSeconds: math.Round(r.Elapsed.Seconds()*1000) / 1000,
		Seed:            c.Seed,
		Policy:          s.Policy,
		Workers:         s.Workers,
		Committed:       r.Committed,
		CommittedPerS:   math.Round(r.PerSecond()*10) / 10,
		Failed:          r.Failed,
		Unknown:         r.Unknown,
		Retries:         r.Counters.Retries,
		Deadlocks:       r.Counters.Deadlocks,
		SumBefore:       r.SumBefore,
		SumAfter:        r.SumAfter,
		LatencyMS:       r.Latency,
		Commit:          e.Commit,
		Go:              e.Go,
		CPU:             e.CPU,
	}
}

// distributionName is the distribution, with its theta if that is not the usual one.
func (c Config) distributionName() string {
	if c.Distribution == Zipfian && c.Theta != DefaultTheta {
		return fmt.Sprintf("zipfian(%g)", c.Theta)
	}
	return string(c.Distribution)
}

// Balanced reports whether no money appeared or vanished.
func (r Report) Balanced() bool { return r.SumBefore == r.SumAfter }

// WriteJSON writes the report as one indented object.
func (r Report) WriteJSON(w io.Writer) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		_, err = w.Write(append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("ycsb: write the report: %w", err)
	}
	return nil
}
