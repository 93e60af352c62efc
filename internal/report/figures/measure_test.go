package figures

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb/mill"
)

// TestMeasure: each kind of cell can be measured, balances, and gives the numbers that it is shown by.
func TestMeasure(t *testing.T) {
	hot, skewed, many, refused, fewer := simple("hot"), simple("skewed"), simple("many"), simple("refused"), simple("procs")
	hot.HotOperations, skewed.Theta, many.Parties, refused.Rollbacks = 0.5, 0.9, 4, 1
	fewer.Procs, fewer.Workers, fewer.CacheBytes = 1, 2, 1<<20
	floor, limit, lone, plain, noWait := simple("floor"), simple("limit"), simple("lone"), simple("plain"), simple("no-wait")
	limit.Protocol, lone.Protocol, lone.Clients = limitProtocol, limitProtocol, 1
	floor.Protocol, plain.Protocol, plain.Mix = floorProtocol, "plain", mix(0)
	noWait.Protocol, noWait.Policy = "serializable", "no-wait"
	travel := simple("travel")
	travel.Workload, travel.Keys, travel.Mix = hotelWorkload, 0, mix(0)
	ground := simple("ground")
	ground.Workload, ground.Protocol, ground.Keys, ground.Mix, ground.DurationSeconds = millWorkload, "plain", 0, mix(0), 1
	ground.Beside = mill.Work{Chains: 1, Cost: time.Millisecond, By: mill.Send}
	for _, c := range []Cell{simple("saga"), hot, skewed, many, refused, fewer, floor, limit, lone, plain, noWait, travel, ground} {
		t.Run(c.Name, func(t *testing.T) {
			procs := runtime.GOMAXPROCS(0)
			m, err := Measure(t.Context(), Order{Cell: c, Seed: 1, Dir: filepath.Join(t.TempDir(), "data")}, slog.Default())
			if err != nil || len(m.Wrong()) > 0 || m.Report.Unknown > 0 {
				t.Fatalf("%+v, %v", m, err)
			}
			if c.Rollbacks == 1 != (m.Report.Committed == 0) {
				t.Errorf("%d committed and %d failed", m.Report.Committed, m.Report.Failed)
			}
			if b := m.Beside; (b != nil) != (c.Workload == millWorkload) || b != nil && (b.TurnsPerS <= 0 || b.SealMS <= 0 || b.PromisedMS <= 51) {
				t.Errorf("beside the requests: %+v", b)
			}
			for _, f := range []Field{AppendP50, AppendP99} {
				if v, ok := (Measured{Rounds: []Measurement{m}}).Value(f); ok != (c.Name == "lone") || ok && v.Median <= 0 {
					t.Errorf("%s: %+v, %v", f, v, ok)
				}
			}
			if c.Procs > 0 && m.Report.CPU[:2] != "1 " {
				t.Errorf("measured on %q", m.Report.CPU)
			}
			if runtime.GOMAXPROCS(0) != procs {
				t.Error("GOMAXPROCS has not been put back")
			}
		})
	}
}

// TestLocks: waits and deadlocks become percentiles, in milliseconds; none of them is nothing.
func TestLocks(t *testing.T) {
	var counts engine.WaitCounts
	counts[0], counts[41] = 60, 40 // up to 1 µs, and up to 1.28 ms
	if l := waits(counts); l == nil || l.P50 != 0.001 || math.Abs(l.P99-1.28) > 0.01 {
		t.Errorf("waits %+v", l)
	}
	begin := time.Now()
	stood := func(ms int) engine.Deadlock {
		return engine.Deadlock{Closed: begin, At: begin.Add(time.Duration(ms) * time.Millisecond)}
	}
	if l := detection([]engine.Deadlock{stood(3), stood(1), stood(2)}); l == nil || l.P50 != 2 || math.Abs(l.P99-3) > 0.01 {
		t.Errorf("detection %+v", l)
	}
	if waits(engine.WaitCounts{}) != nil || detection(nil) != nil {
		t.Error("there are percentiles of nothing")
	}
}

// TestMeasureSearch: a search finds a rate, and its report is of the probe that found it.
func TestMeasureSearch(t *testing.T) {
	c := simple("search")
	c.Search, c.LoadOf, c.LoadShare, c.Clients = true, "saga", 0.5, 64
	m, err := Measure(t.Context(), Order{Cell: c, Rate: 100, Dir: filepath.Join(t.TempDir(), "data")}, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	v, ok := Measured{Rounds: []Measurement{m}}.Value(Rate)
	if !ok || v.Median <= 0 || m.Report.Rate != v.Median {
		t.Errorf("found %+v, the report is of %g a second", v, m.Report.Rate)
	}
}

// TestChild: a process of its own measures the same way, also what goes wrong there.
func TestChild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	children := Children{Program: self, Args: []string{childArg}}
	c := simple("child")
	c.Procs = 1
	m, err := children.Measure(t.Context(), Order{Cell: c, Dir: filepath.Join(t.TempDir(), "data")})
	if err != nil || m.Report.Committed == 0 || m.Report.CPU[:2] != "1 " {
		t.Errorf("%+v, %v", m.Report, err)
	}
	bad := simple("bad")
	bad.Keys = 1
	if _, err := children.Measure(t.Context(), Order{Cell: bad}); err == nil {
		t.Error("a transfer with one key was measured")
	}
	tagged := simple("tagged")
	tagged.Build = noTransactions
	if _, err := children.Measure(t.Context(), Order{Cell: tagged}); err == nil {
		t.Error("a program that was not built has measured")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := children.Measure(ctx, Order{Cell: simple("late"), Dir: filepath.Join(t.TempDir(), "data")}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := (Children{Program: self, Args: []string{"-test.run=^$"}}).Measure(t.Context(), Order{Cell: simple("mute")}); err == nil {
		t.Error("a program that says nothing has measured")
	}
}
