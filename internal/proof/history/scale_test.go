package history

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// More: go test ./internal/proof/history -run TestScale -v -history.transactions 5000000.
var scale = flag.Int("history.transactions", 100_000, "how large a history TestScale checks")

// TestScale writes a large valid history, reads it, and checks it.
func TestScale(t *testing.T) {
	for _, workload := range []Workload{ListAppend, Register} {
		t.Run(string(workload), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.jsonl")
			w, err := Create(path, NewHeader(workload))
			if err != nil {
				t.Fatal(err)
			}
			s := newSimulator(1, workload, 32, 50)
			began := time.Now()
			for range *scale {
				if err := w.Tx(s.next()); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			wrote := time.Since(began)
			began = time.Now()
			h, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			loaded := time.Since(began)
			r := Check(h)
			if !r.OK() || r.Transactions != *scale {
				t.Errorf("%d transactions:\n%s", r.Transactions, reportText(t, r))
			}
			if r.Unknown == 0 || r.Failed == 0 || r.Edges[WR] < int64(*scale/4) || r.Edges[RW]+r.Edges[RWTime] < int64(*scale/4) {
				t.Errorf("the history shows too little: %+v", r)
			}
			logScale(t, path, h, r, wrote, loaded)
		})
	}
}

func logScale(t *testing.T, path string, h *History, r *Report, wrote, loaded time.Duration) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	runtime.KeepAlive(h)
	perSecond := func(d time.Duration) float64 { return float64(*scale) / d.Seconds() }
	t.Logf("%d transactions, %d operations, %d keys, %d MB: made and written in %.2f s, read in %.2f s (%.0f/s), checked in %.2f s (%.0f/s), %d edges, %d MB kept",
		*scale, r.Operations, r.Keys, info.Size()>>20, wrote.Seconds(), loaded.Seconds(), perSecond(loaded), r.Elapsed.Seconds(), perSecond(r.Elapsed),
		r.Edges[WW]+r.Edges[WR]+r.Edges[RW]+r.Edges[RWTime]+r.Edges[Process], memory.HeapAlloc>>20)
}
