package mill

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb"
)

func noProgress(int, int) {}

func opened(t testing.TB, o Options) *Workload {
	t.Helper()
	o.Dir, o.Workers = t.TempDir(), 1
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestRequestsAndMillsBothGoOn: under each protocol, beside each kind of work, both get through; all that was acknowledged is there
// once, all chains end, and a second run on the same data goes as well.
func TestRequestsAndMillsBothGoOn(t *testing.T) {
	for _, protocol := range []ycsb.Protocol{0, ycsb.Saga, ycsb.Serializable} {
		for _, work := range []Work{
			{}, {Chains: 1, Cost: 30 * time.Microsecond, By: Send}, {Chains: 1, Cost: 4 * time.Millisecond, By: Send},
			{Chains: 2*mostAtOnce + 1, Cost: 20 * time.Microsecond, By: Send}, {Chains: 50, Cost: time.Millisecond, By: Timer},
			{Chains: 5, Cost: time.Millisecond, By: Transaction},
		} {
			w := opened(t, Options{Protocol: protocol, Clients: 2, Beside: work})
			for round := range 2 {
				r, err := ycsb.Drive(t.Context(), ycsb.Driving{Clients: 2, Operations: 8, Seed: uint64(round)}, w)
				if err != nil || r.Committed != 8 {
					t.Errorf("%v beside %+v: %+v, %v", protocol, work, r.Counts, err)
				}
				if g := w.Ground(); (g.Turns == 0) != (work.Chains == 0) || g.Seal == 0 || w.Promised() <= MaxDrain+work.Cost {
					t.Errorf("%v beside %+v: ground %+v, promised %v", protocol, work, g, w.Promised())
				}
			}
		}
	}
}

// TestInterrupted: a run that is ended early is audited all the same, and its mills stand.
func TestInterrupted(t *testing.T) {
	w := opened(t, Options{Beside: Work{Chains: 1, Cost: time.Millisecond, By: Send}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := ycsb.Driving{Clients: 8, Duration: time.Hour, OnProgress: func(p ycsb.Progress) {
		if p.Stage == "run" && p.Count > 0 {
			cancel()
		}
	}}
	if r, err := ycsb.Drive(ctx, d, w); err != nil || !r.Interrupted || r.Committed == 0 {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	if m, err := engine.Ask(t.Context(), w.engine, lookAtMill.On(mills[0])); err != nil || !m.Stopped || m.Ended != 1 {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestEachConditionCanFail: each has something that breaks it, and the audit says which.
func TestEachConditionCanFail(t *testing.T) {
	for condition, breakIt := range map[string]func(w *Workload) error{
		"acknowledged": func(w *Workload) error { return w.engine.Do(context.Background(), Serve.On("0a", 0)) },
		"halves":       func(w *Workload) error { return w.engine.Do(context.Background(), Serve.On("1b", 0)) },
		"chains": func(w *Workload) error {
			return w.engine.Do(context.Background(), turn.On(mills[1], turning{}))
		},
		"progress": func(w *Workload) error { w.options.Beside.Chains = 1; return nil },
	} {
		w := opened(t, Options{Protocol: ycsb.Saga, Clients: 2})
		w.wait = time.Millisecond
		if err := w.Load(t.Context(), noProgress); err != nil {
			t.Fatal(err)
		}
		audit := func() ycsb.Audit {
			t.Helper()
			a, err := w.Audit(t.Context(), noProgress)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		before := audit()
		if condition == "chains" { // one that is told of its end when nobody began it
			if err := w.engine.Do(t.Context(), stop.On(mills[1], true)); err != nil {
				t.Fatal(err)
			}
		}
		client := w.Client(0, rand.New(rand.NewPCG(1, 1)))
		client.Next()
		if err := errors.Join(client.Do(t.Context(), "x"), breakIt(w)); err != nil {
			t.Fatal(err)
		}
		if found := errors.Join(audit().Wrong...); len(before.Wrong) > 0 || found == nil || !strings.Contains(found.Error(), "condition "+condition+":") {
			t.Errorf("%s: before %v, after %v", condition, before.Wrong, found)
		}
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"clients":       {Clients: -1},
		"no protocol 9": {Protocol: 9},
		"-1 chains":     {Beside: Work{Chains: -1}},
		"0 chains":      {Beside: Work{Cost: 1}},
		"500001 chains": {Beside: Work{Chains: MaxChains + 1, By: Send}},
		"a turn of -1":  {Beside: Work{Chains: 1, Cost: -1, By: Send}},
		`by "post"`:     {Beside: Work{Chains: 1, By: "post"}},
	} {
		if w, err := Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, %v", o, w, err)
		}
	}
}
