package main

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/cli"
)

// FuzzFlags: flags with any values give settings that can be run, or an error of usage; never anything else.
func FuzzFlags(f *testing.F) {
	f.Add(5000, 512, 0.0, "read=0,update=0,transfer=100", "uniform", 0.99, 0.0, "detect", 0, int64(time.Second), int64(0))
	f.Add(1, 0, math.NaN(), "transfer=1", "zipf", -1.0, 2.0, "wait", 65, int64(0), int64(-1))
	f.Add(100, 3, 1e9, "read=50,update=50", "Zipfian", 1.2, 0.5, "no-wait", 2, int64(time.Hour), int64(time.Minute))
	f.Fuzz(func(t *testing.T, keys, clients int, rate float64, mix, distribution string, theta, rollbacks float64, policy string, workers int, duration, warmup int64) {
		w := workload{
			Keys: keys, Mix: mix, Distribution: distribution, Theta: theta, Rollbacks: rollbacks, Parties: 2, SnapshotKeys: 10,
			driving:     driving{Clients: clients, Rate: rate, Arrivals: "poisson"},
			engineFlags: engineFlags{Policy: policy, Workers: workers},
			outputFlags: outputFlags{Repeat: 1},
		}
		s, err := w.settings(timing{time.Duration(duration), time.Duration(warmup)}, nil)
		switch {
		case err != nil && (!errors.Is(err, cli.ErrUsage) || err.Error() == ""):
			t.Fatalf("%+v: the error is not one of usage: %v", w, err)
		case err == nil && (s.config.Validate() != nil || s.config.Keys != keys || s.config.Clients != clients || s.workers < 1 || s.workers > engine.MaxWorkers):
			t.Fatalf("%+v gives %+v (%v)", w, s, s.config.Validate())
		case err == nil && !strings.EqualFold(s.policy.String(), policy):
			t.Fatalf("the policy %q became %v", policy, s.policy)
		}
	})
}
