package figures

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
)

// childArg has the test's program be a child, see TestMain.
const childArg = "--measure-one"

// TestMain makes this program the child that TestChild starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArg {
		if err := Serve(context.Background(), os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// simple is a cell that is valid.
func simple(name string) Cell {
	return Cell{Name: name, Line: "saga", Protocol: "saga", Keys: 100, Mix: mix(1), Clients: 8, Rounds: 1, DurationSeconds: 0.1, X: float64(len(name))}
}

// made is a measurement with this rate whose audit was right.
func made(rate float64) Measurement {
	latency := ycsb.Latency{P50: 1.5, P95: 2.5, P99: 3.25, P999: 4, Max: 5}
	return Measurement{Report: ycsb.Report{
		Schema: ycsb.Schema, CommittedPerS: rate, Committed: uint64(rate), DurationSeconds: 1, Deadlocks: 3, Retries: 5, LockWaits: 10, LockWaitMS: 20,
		WrittenPerOp: new(700.0),
		LatencyMS:    map[string]ycsb.Latency{"all": latency, "transfer": latency},
		Kinds:        map[string]ycsb.KindReport{"transfer": {Counts: ycsb.Counts{Committed: uint64(rate)}, Latency: new(ycsb.Histogram)}},
	}}
}

// wrong is a measurement whose audit was wrong.
func wrong() Measurement {
	m := made(7)
	m.Report.Wrong = []string{"the books do not balance"}
	return m
}

// sheetOf is a sheet with cells of these rates, a round for each.
func sheetOf(experiment string, cells ...Measured) *Sheet {
	return &Sheet{Schema: SheetSchema, Experiment: experiment, Command: "results", Commit: "abcdef0123456789", Go: "go1", CPU: "2 x CPU", Seed: 1, Cells: cells}
}

func measuredAs(name string, rates ...float64) Measured {
	m := Measured{Cell: simple(name)}
	for _, rate := range rates {
		m.Rounds = append(m.Rounds, made(rate))
	}
	m.Cell.Rounds = len(rates)
	return m
}
