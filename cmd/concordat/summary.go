package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/page"
)

// writeSummary writes a run for people.
func writeSummary(w io.Writer, r ycsb.Report, result ycsb.Result) error {
	fmt.Fprintf(w, "%s: %s\n", r.Protocol, page.Workload(r))
	if r.Workers > 0 {
		fmt.Fprintf(w, "policy %s, %d workers\n", r.Policy, r.Workers)
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "committed\t%s\t%s/s over %.1f s\n", page.Thousands(r.Committed), page.Thousands(int64(r.CommittedPerS)), r.DurationSeconds)
	fmt.Fprintf(tw, "failed\t%s\t%s\n", page.Thousands(r.Failed), example(result.FirstFailure))
	fmt.Fprintf(tw, "unknown\t%s\t%s\n", page.Thousands(r.Unknown), example(result.FirstUnknown))
	if result.NotStarted > 0 {
		fmt.Fprintf(tw, "not started\t%s\tthe rate is more than the target can do\n", page.Thousands(result.NotStarted))
	}
	fmt.Fprintf(tw, "retries\t%s\t\n", page.Thousands(r.Retries))
	fmt.Fprintf(tw, "deadlocks\t%s\t\n", page.Thousands(r.Deadlocks))
	fmt.Fprintf(tw, "lock waits\t%s\t%s\n", page.Thousands(r.LockWaits), meanWait(r))
	fmt.Fprintf(tw, "bytes written\t%s\t%s\n", page.Written(r), written(r))
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := writeLatency(w, r.LatencyMS); err != nil {
		return err
	}
	if r.Lag != nil {
		fmt.Fprintf(w, "of it the load generator's own lag: p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", r.Lag.P50, r.Lag.P99, r.Lag.Max)
	}
	if r.Append != nil {
		fmt.Fprintf(w, "a synced append to the log: p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", r.Append.P50, r.Append.P99, r.Append.Max)
	}
	fmt.Fprintln(w)
	return writeAudit(w, r)
}

// written explains what is told of the bytes written to disks.
func written(r ycsb.Report) string {
	if r.WrittenBytes == nil {
		return "not known: the system does not tell"
	}
	return fmt.Sprintf("for each committed operation, %s in all", page.Thousands(*r.WrittenBytes))
}

func meanWait(r ycsb.Report) string {
	if r.LockWaits == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f ms each", r.LockWaitMS/float64(r.LockWaits))
}

// writeAudit says of each audited figure that it is right, or else what is wrong.
func writeAudit(w io.Writer, r ycsb.Report) error {
	lines := page.WrongAudit(r)
	if r.Interrupted {
		lines = append(page.Interrupted([]ycsb.Report{r}), lines...)
	}
	if r.Balanced() {
		for _, f := range r.Audit {
			lines = append(lines, fmt.Sprintf("the %s is right: %s", f.Name, page.Thousands(f.After)))
		}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

func example(err error) string {
	if err == nil {
		return ""
	}
	return "the first: " + err.Error()
}

func writeLatency(w io.Writer, latency map[string]ycsb.Latency) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "latency ms\tp50\tp95\tp99\tp99.9\tmax\t")
	kinds := slices.SortedFunc(maps.Keys(latency), func(a, b string) int { // all kinds together come last
		return cmp.Or(cmp.Compare(isAll(a), isAll(b)), strings.Compare(a, b))
	})
	for _, kind := range kinds {
		l := latency[kind]
		fmt.Fprintf(tw, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t\n", kind, l.P50, l.P95, l.P99, l.P999, l.Max)
	}
	return tw.Flush()
}

func isAll(kind string) int {
	if kind == "all" {
		return 1
	}
	return 0
}
