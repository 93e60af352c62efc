package tpcc

import (
	"context"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
)

// TestDrive: the driver loads, runs and audits the workload, in a closed and in an open loop, with and without request ids, on
// the same data.
func TestDrive(t *testing.T) {
	for _, protocol := range protocols {
		w := opened(t, Options{Protocol: protocol})
		for seed, d := range []ycsb.Driving{
			{Clients: 8, Operations: 300},
			{Clients: 8, Operations: 300, NoIDs: true},
			{Clients: 8, Operations: 300, Rate: 5000, Arrivals: ycsb.Poisson},
		} {
			d.Seed = uint64(seed)
			r, err := ycsb.Drive(t.Context(), d, w)
			if err != nil || r.Committed < 200 || r.Unknown > 0 || r.Committed+r.Failed != 300 {
				t.Errorf("%s: %+v: %+v, %v", protocol, d, r.Counts, err)
			}
			if len(r.After.Constant) != 3 || len(r.Kinds) < 3 {
				t.Errorf("%s: figures %v, kinds %v", protocol, r.After.Constant, r.Kinds)
			}
		}
	}
}

// TestDriveInterrupted: a run that is interrupted has been audited all the same.
func TestDriveInterrupted(t *testing.T) {
	w := opened(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := ycsb.Driving{Clients: 4, Duration: time.Hour, OnProgress: func(p ycsb.Progress) {
		if p.Stage == "run" && p.Count > 50 {
			cancel()
		}
	}}
	r, err := ycsb.Drive(ctx, d, w)
	if err != nil || !r.Interrupted || len(r.After.Constant) != 3 || r.Committed == 0 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
}
