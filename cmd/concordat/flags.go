package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

// driving are the flags for how a workload is driven, whatever it is.
type driving struct {
	Clients  int           `default:"512" help:"Operations under way at once."`
	Rate     float64       `default:"0" help:"Operations that arrive in a second (open loop; latency counts from the intended start). 0: closed loop."`
	Arrivals string        `default:"constant" help:"How they arrive in an open loop: constant (even intervals) or poisson."`
	Interval time.Duration `default:"0s" help:"What an entry of the time series stands for. 0s: a second, more if the run lasts over an hour."`
	Seed     uint64        `default:"1" help:"Seed of the random choices."`
	IDs      bool          `name:"ids" default:"true" negatable:"" help:"Send writes with request ids: each has its effect once, and its outcome is kept."`
}

// patience is how long a run waits for any answer at all.
const patience = 20 * time.Second

// timing are the flags for how long; their defaults differ.
type timing struct{ Duration, Warmup time.Duration }

// config is what the flags say, unchecked.
func (d driving) config(t timing) ycsb.Driving {
	return ycsb.Driving{
		Clients: d.Clients, Rate: d.Rate, Arrivals: ycsb.Arrivals(d.Arrivals), Interval: d.Interval, Seed: d.Seed, NoIDs: !d.IDs,
		Duration: t.Duration, Warmup: t.Warmup, Patience: patience,
	}
}

// engineFlags are the flags for the engine and for where it keeps its data.
type engineFlags struct {
	Policy  string `default:"detect" help:"What a transaction does that finds a lock taken: detect, wait-die, wound-wait or no-wait."`
	Workers int    `default:"0" help:"Workers of the engine. 0: half as many as processors, at least 1."`
	Dir     string `placeholder:"DIR" help:"Directory for the data, which stay. Default: a temporary one on disk, removed afterwards."`
}

// parse checks the flags and fills in the number of workers.
func (e engineFlags) parse() (policy locks.Policy, workers int, err error) {
	policy, err = locks.ParsePolicy(strings.ToLower(e.Policy))
	if err != nil {
		err = fmt.Errorf("policy: %w", err)
	}
	if e.Workers < 0 || e.Workers > engine.MaxWorkers {
		err = errors.Join(err, fmt.Errorf("workers: %d is not between 0 and %d", e.Workers, engine.MaxWorkers))
	}
	if workers = e.Workers; workers == 0 {
		workers = engine.DefaultWorkers()
	}
	return policy, workers, err
}

// outputFlags are the flags for what is written, and how many times it is run.
type outputFlags struct {
	JSON   string `name:"json" placeholder:"FILE" help:"Write the result as JSON: to a file, a pipe, a device, or - for standard output."`
	Repeat int    `default:"1" help:"Run so many times and write an array of all results: the input of concordat ycsb diff."`
}

// maxRepeat bounds the rounds.
const maxRepeat = 1000

func (o outputFlags) check() error {
	if o.Repeat < 1 || o.Repeat > maxRepeat {
		return fmt.Errorf("repeat: %d is not between 1 and %d", o.Repeat, maxRepeat)
	}
	return nil
}

// usage marks errors of the command line; nil if there are none.
func usage(errs ...error) error { return cli.Usage(errs...) }

// zero is a flag with what it must not be.
type zero struct {
	name string
	is   bool
}

// notZero reports flags that are 0 and must not be; to the library 0 means the default.
func notZero(flags ...zero) error {
	var errs []error
	for _, flag := range flags {
		if flag.is {
			errs = append(errs, fmt.Errorf("%s: must be more than 0", flag.name))
		}
	}
	return errors.Join(errs...)
}
