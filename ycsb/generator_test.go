package ycsb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowGenerator is a workload whose clients take a while to draw an operation, and the store none.
type slowGenerator struct{ draw, takes time.Duration }

func (w slowGenerator) Kinds() []string { return []string{"it"} }
func (w slowGenerator) Load(_ context.Context, progress func(int, int)) error {
	progress(1, 1)
	return nil
}
func (w slowGenerator) Client(int, *rand.Rand) Client { return w }
func (w slowGenerator) Audit(context.Context, func(done, total int)) (a Audit, err error) {
	return a, nil
}
func (w slowGenerator) Counters() Counters               { return Counters{} }
func (w slowGenerator) Next() int                        { return 0 }
func (w slowGenerator) Prepare() bool                    { time.Sleep(w.draw); return false }
func (w slowGenerator) Do(context.Context, string) error { time.Sleep(w.takes); return nil }

// TestGeneratorIsNoLatency: in a closed loop the time that it takes to draw an operation is no latency; in an open loop it is, as it
// counts from the intended start, and is told apart.
func TestGeneratorIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := slowGenerator{draw: 30 * time.Millisecond, takes: 10 * time.Millisecond}
		r, err := drive(t.Context(), Driving{Clients: 1, Duration: time.Second}, w, sleepByTimer)
		if all := r.Latency("all"); err != nil || r.Committed != 25 || !near(all.P50, 10) || !near(all.Max, 10) || r.Lag.Count() != 0 {
			t.Errorf("closed: %d operations with %+v, %v", r.Committed, all, err)
		}
		r, err = drive(t.Context(), Driving{Clients: 1, Rate: 10, Duration: time.Second}, w, sleepByTimer)
		lag := r.Lag.Latency()
		if all := r.Latency("all"); err != nil || r.Committed != 10 || !near(all.P50, 40) || !near(lag.P50, 30) || !near(lag.Max, 30) {
			t.Errorf("open: %d operations with %+v, %+v of it the generator's, %v", r.Committed, all, lag, err)
		}
	})
}

// TestBusyClientsAreNoLag: what waits because all clients wait for the store is not late by the generator's fault.
func TestBusyClientsAreNoLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := drive(t.Context(), Driving{Clients: 1, Rate: 20, Duration: time.Second}, slowGenerator{takes: 100 * time.Millisecond}, sleepByTimer)
		if lag := r.Lag.Latency(); err != nil || r.Latency("all").Max < 400 || lag.Max > 0.3 || r.Lag.Count() != int64(r.Committed) {
			t.Errorf("%+v, lag %+v, %v", r.Latency("all"), lag, err)
		}
	})
}

// TestRowsArePrepared: rows draw before Do, and a driver that knows nothing of that still works.
func TestRowsArePrepared(t *testing.T) {
	m := newMemory(0)
	rows, err := NewRows(Config{Keys: 20, Mix: Mix{Read: 0.1, Update: 0.2, Transfer: 0.2, Insert: 0.1, Scan: 0.1, Modify: 0.1, Snapshot: 0.2}}, m)
	if err == nil {
		err = rows.Load(t.Context(), func(int, int) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	c := rows.Client(0, rand.New(rand.NewPCG(1, 2)))
	for i := range 2000 {
		c.Next()
		if i%2 == 0 {
			c.(Preparer).Prepare()
		}
		if err := c.Do(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSmallAndLargeRates end: at the lowest rate one operation arrives, and of a rate far beyond what can be done the arrivals that were
// never started are counted without being made one by one.
func TestSmallAndLargeRates(t *testing.T) {
	for _, arrivals := range []Arrivals{Constant, Poisson} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			r, err := drive(t.Context(), Driving{Clients: 1, Rate: MinRate, Arrivals: arrivals, Duration: time.Second}, slowGenerator{}, sleepByTimer)
			if err != nil || r.Committed > 1 || time.Since(began) > time.Second {
				t.Errorf("%s: %d operations in %v, %v", arrivals, r.Committed, time.Since(began), err)
			}
			d := Driving{Clients: 1, Rate: MaxRate, Arrivals: arrivals, Warmup: time.Hour, Duration: time.Minute}
			r, err = drive(t.Context(), d, slowGenerator{takes: time.Minute}, sleepByTimer)
			if all := float64(r.NotStarted + r.Committed); err != nil || math.Abs(all/(60*MaxRate)-1) > 0.01 {
				t.Errorf("%s: %g arrivals of %d, %v", arrivals, all, 60*MaxRate, err)
			}
		})
	}
}

// TestNamesInAnotherCase are the names.
func TestNamesInAnotherCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{
			Keys: 50, Distribution: "ZipFian", ScanLengths: "ZIPFIAN", Mix: Mix{Read: 0.5, Scan: 0.5}, MaxScan: 100,
			Driving: Driving{Clients: 4, Rate: 100, Arrivals: "Poisson", Duration: 10 * time.Second},
		}
		m := newMemory(time.Millisecond)
		result, err := runBubble(t.Context(), c, m)
		r := NewReport(Setup{}, c, result, Environment{})
		if err != nil || r.Arrivals != "poisson" || r.Distribution != "zipfian" || r.Committed == 1000 {
			t.Errorf("%v, %s, %s, %d operations; at even intervals there are 1000", err, r.Arrivals, r.Distribution, r.Committed)
		}
	})
	if m, err := ParseMix("Read=50,TRANSFER=50"); err != nil || m != (Mix{Read: 0.5, Transfer: 0.5}) {
		t.Errorf("%v, %v", m, err)
	}
}

// TestSmallShares are refused: they would never come up. So are keys that are asked for and never drawn, and other values that mean
// nothing.
func TestSmallShares(t *testing.T) {
	_, mixErr := ParseMix("read=1e-320,transfer=100")
	for name, err := range map[string]error{
		"mix": mixErr, "share": Config{Mix: Mix{Read: 1e-12, Transfer: 1}}.Validate(), "rollbacks": Config{Rollbacks: 1e-320}.Validate(),
		"hotspot":                                 Config{Distribution: Hotspot, HotData: 1e-320, HotOperations: 0.5}.Validate(),
		"2 distinct keys are needed, and only 1":  Config{Distribution: Hotspot, Keys: 100, HotData: 0.01, HotOperations: 1}.Validate(),
		"10 distinct keys are needed, and only 5": Config{Distribution: Hotspot, Keys: 100, HotData: 0.95, Mix: Mix{Snapshot: 1}}.Validate(),
		"rate":     Config{Driving: Driving{Rate: 1e-11}}.Validate(),
		"interval": Config{Driving: Driving{Interval: math.MaxInt64}}.Validate(),
		"patience": Config{Driving: Driving{Patience: time.Millisecond}}.Validate(),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestFullDisk: a store that cannot go on ends the run, in any stage; what was measured is returned, and an audit that cannot read
// says so and nothing of sums.
func TestFullDisk(t *testing.T) {
	full := fmt.Errorf("%w: no space left on device", ErrStore)
	for _, rate := range []float64{0, 1000} {
		for _, readable := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(10 * time.Millisecond)
				n, audits := 0, 0
				m.transfer = func(m *memory, t Transfer) error {
					if n++; n > 50 {
						return full
					}
					return m.move(t)
				}
				target := failingBalance{m, func() error {
					if audits++; audits > 4 && !readable {
						return full
					}
					return nil
				}}
				c := Config{Keys: 4, Driving: Driving{Clients: 2, Rate: rate, Duration: time.Hour}}
				began := time.Now()
				result, err := runBubble(t.Context(), c, target)
				if !errors.Is(err, ErrStore) || errors.Is(err, ErrAudit) || result.Committed != 50 || result.Interrupted || time.Since(began) > 2*time.Second {
					t.Errorf("%+v, %v", result, err)
				}
				r := NewReport(Setup{}, c, result, Environment{})
				if r.Balanced() != readable || (r.NotAudited == "") != readable {
					t.Errorf("%+v", r)
				}
				var out strings.Builder
				if err := r.WriteJSON(&out); err != nil || strings.Contains(out.String(), "sum_after") != readable {
					t.Errorf("%v in %s", err, out.String())
				}
				if back, err := ParseReports([]byte(out.String())); err != nil || back[0].Balanced() != readable || len(back[0].Wrong) > 0 {
					t.Errorf("%v, %+v", err, back)
				} else if err := usable("A", back); (err == nil) != readable {
					t.Errorf("it can be compared: %v", err)
				}
			})
		}
	}
}

// TestHalfDoneOperations: money that an operation has lost because the store ended in the midst of it is no wrong audit: the report says
// that it is not judged, and has no sum.
func TestHalfDoneOperations(t *testing.T) {
	full := fmt.Errorf("%w: no space left on device", ErrStore)
	for _, ended := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(10 * time.Millisecond)
			n := 0
			m.transfer = func(m *memory, t Transfer) error {
				if n++; n != 50 {
					return m.move(t)
				}
				m.balances[t.From] -= t.Amount
				if ended {
					return full
				}
				return nil
			}
			c := Config{Keys: 4, Driving: Driving{Clients: 2, Duration: 2 * time.Second}}
			result, err := runBubble(t.Context(), c, m)
			r := NewReport(Setup{}, c, result, Environment{})
			if errors.Is(err, ErrAudit) == ended || errors.Is(err, ErrStore) != ended || r.Balanced() || (r.NotAudited != "") != ended || len(r.Audit) > 0 == ended {
				t.Errorf("ended %v: %v, %+v", ended, err, r)
			}
			if back := usable("A", []Report{r}); errors.Is(back, ErrAudit) == ended {
				t.Errorf("ended %v: %v", ended, back)
			}
		})
	}
}

// failingBalance is a target whose audit may fail.
type failingBalance struct {
	*memory
	fails func() error
}

func (f failingBalance) Balance(ctx context.Context, key int) (int64, error) {
	f.mu.Lock()
	err := f.fails()
	f.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return f.memory.Balance(ctx, key)
}

// TestPatience: a store that answers nothing any more ends the run, whatever stage it is in; one that has nothing to answer does not.
func TestPatience(t *testing.T) {
	for _, stage := range []string{"load", "mix", "audit"} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			w := hanging{stage: stage, until: release}
			began := time.Now()
			_, err := drive(t.Context(), Driving{Clients: 3, Duration: time.Hour, Patience: 20 * time.Second}, w, sleepByTimer)
			if !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), "in the "+stage) || time.Since(began) > 22*time.Second {
				t.Errorf("%s: %v after %v", stage, err, time.Since(began))
			}
			close(release)
			time.Sleep(2 * time.Hour) // what was left behind ends
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := Driving{Clients: 3, Rate: 0.001, Duration: time.Hour, Patience: time.Second}
		if r, err := drive(t.Context(), d, slowGenerator{}, sleepByTimer); err != nil || r.Committed != 4 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// hanging is a workload that hangs in a stage.
type hanging struct {
	slowGenerator
	stage string
	until chan struct{}
}

func (h hanging) in(stage string) {
	if h.stage == stage {
		<-h.until
	}
}
func (h hanging) Load(context.Context, func(int, int)) error { h.in("load"); return nil }
func (h hanging) Client(int, *rand.Rand) Client              { return h }
func (h hanging) Do(context.Context, string) error           { h.in("mix"); time.Sleep(time.Second); return nil }
func (h hanging) Audit(context.Context, func(int, int)) (a Audit, err error) {
	h.in("audit")
	return a, nil
}
