package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

// workload are the flags that all commands have.
type workload struct {
	Keys         int     `default:"5000" help:"Rows. At least 1, and 2 if there are transfers."`
	Clients      int     `default:"512" help:"Operations under way at once."`
	Rate         float64 `default:"0" help:"Operations that arrive in a second (open loop; latency counts from the intended start). 0: closed loop."`
	Mix          string  `default:"read=0,update=0,transfer=100" help:"Proportions of the operations: percent, or shares of 1."`
	Distribution string  `default:"uniform" help:"How keys are drawn: uniform or zipfian."`
	Theta        float64 `default:"0.99" help:"Skew of zipfian."`
	Rollbacks    float64 `default:"0" help:"Share of the transfers, 0 to 1, that fail explicitly after their debit."`
	Policy       string  `default:"detect" help:"What a transaction does that finds a lock taken: detect, wait-die, wound-wait or no-wait."`
	Workers      int     `default:"0" help:"Workers of the engine. 0: one for each processor."`
	Dir          string  `placeholder:"DIR" help:"Directory for the data, which stay. Default: a temporary one on disk, removed afterwards."`
	Seed         uint64  `default:"1" help:"Seed of the random choices."`
	IDs          bool    `name:"ids" default:"true" negatable:"" help:"Send writes with request ids: each has its effect once, and its outcome is kept."`
	JSON         string  `name:"json" placeholder:"FILE" help:"Write the result as JSON; - is standard output."`
}

// timing are the flags for how long; their defaults differ.
type timing struct{ Duration, Warmup time.Duration }

// settings are the flags, checked.
type settings struct {
	config  ycsb.Config
	policy  locks.Policy
	workers int
	dir     string
	json    string
}

// settings checks the flags. All that is wrong with them is in the error, which is errUsage.
func (w workload) settings(t timing) (settings, error) {
	s := settings{workers: w.Workers, dir: w.Dir, json: w.JSON}
	mix, mixErr := ycsb.ParseMix(w.Mix)
	distribution, distributionErr := ycsb.ParseDistribution(w.Distribution)
	policy, policyErr := locks.ParsePolicy(w.Policy)
	if policyErr != nil {
		policyErr = fmt.Errorf("policy: %w", policyErr)
	}
	errs := []error{mixErr, distributionErr, policyErr, w.zeros(t)}
	if mixErr == nil && distributionErr == nil {
		s.config = ycsb.Config{
			Keys: w.Keys, Clients: w.Clients, Rate: w.Rate, Mix: mix, Distribution: distribution, Theta: w.Theta,
			Duration: t.Duration, Warmup: t.Warmup, Rollbacks: w.Rollbacks, Seed: w.Seed, NoIDs: !w.IDs,
		}
		errs = append(errs, s.config.Validate())
	}
	if w.Workers < 0 || w.Workers > maxWorkers {
		errs = append(errs, fmt.Errorf("workers: %d is not between 0 and %d", w.Workers, maxWorkers))
	}
	if s.workers == 0 {
		s.workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	if s.policy = policy; errors.Join(errs...) != nil {
		return settings{}, fmt.Errorf("%w: %w", errUsage, errors.Join(errs...))
	}
	return s, nil
}

// maxWorkers is the engine's bound.
const maxWorkers = 64

// zeros reports flags that are 0 and must not be; to the library 0 means the default.
func (w workload) zeros(t timing) error {
	var errs []error
	for _, flag := range []struct {
		name string
		zero bool
	}{
		{"keys", w.Keys == 0}, {"clients", w.Clients == 0}, {"theta", w.Theta == 0}, {"duration", t.Duration == 0},
	} {
		if flag.zero {
			errs = append(errs, fmt.Errorf("%s: must be more than 0", flag.name))
		}
	}
	return errors.Join(errs...)
}
