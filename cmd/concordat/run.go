package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/floor"
)

// errInterrupted: a run was ended early by a signal. What it measured has been written.
var errInterrupted = errors.New("interrupted")

// floorProtocol is the name of the floor among the protocols.
const floorProtocol = "floor"

type runCommand struct {
	Protocol string `default:"serializable" help:"How a transfer is made: plain (two calls, no protocol), saga or serializable."`
	workload
	Duration   time.Duration `default:"10s" help:"Length of the measured part."`
	Warmup     time.Duration `default:"2s" help:"What comes before it and does not count."`
	CPUProfile string        `name:"cpuprofile" placeholder:"FILE" help:"Write a profile for go tool pprof."`
}

// Run is called by kong.
func (c *runCommand) Run(p *program) error {
	s, err := c.settings(timing{c.Duration, c.Warmup})
	if _, protocolErr := accounts.ParseProtocol(c.Protocol); protocolErr != nil {
		err = errors.Join(fmt.Errorf("%w: %w", errUsage, protocolErr), err)
	}
	if err != nil {
		return err
	}
	return p.runOne(c.Protocol, s, c.CPUProfile)
}

type floorCommand struct {
	workload
	Duration   time.Duration `default:"10s" help:"Length of the measured part."`
	Warmup     time.Duration `default:"2s" help:"What comes before it and does not count."`
	CPUProfile string        `name:"cpuprofile" placeholder:"FILE" help:"Write a profile for go tool pprof."`
}

// Run is called by kong.
func (c *floorCommand) Run(p *program) error {
	s, err := c.settings(timing{c.Duration, c.Warmup})
	if err != nil {
		return err
	}
	return p.runOne(floorProtocol, s, c.CPUProfile)
}

// runOne runs a protocol and writes its report.
func (p *program) runOne(protocol string, s settings, profile string) (err error) {
	json, err := p.createOutput(s.json)
	if err != nil {
		return fmt.Errorf("%w: json: %w", errUsage, err)
	}
	defer func() { err = errors.Join(err, json.close()) }()
	dir, err := dataDir(s.dir)
	if err != nil {
		return fmt.Errorf("%w: dir: %w", errUsage, err)
	}
	defer func() { err = errors.Join(err, dir.remove()) }()
	stopProfile, err := startProfile(profile)
	if err != nil {
		return fmt.Errorf("%w: cpuprofile: %w", errUsage, err)
	}
	defer func() { err = errors.Join(err, stopProfile()) }()

	report, result, err := p.measure(protocol, s, dir.path)
	if err != nil && !errors.Is(err, ycsb.ErrWrongSum) {
		return err
	}
	if json.used() {
		err = errors.Join(err, report.WriteJSON(json))
	}
	if !json.toStdout() {
		err = errors.Join(err, writeSummary(p.stdout, report, result))
	}
	if err == nil && result.Interrupted {
		return errInterrupted
	}
	return err
}

// measure opens the target in dir, runs, and closes it.
func (p *program) measure(protocol string, s settings, dir string) (report ycsb.Report, result ycsb.Result, err error) {
	setup := ycsb.Setup{Protocol: protocol, Policy: s.policy.String(), Workers: s.workers}
	if protocol == floorProtocol {
		setup.Policy, setup.Workers = "", 0
	}
	target, err := p.open(setup, s, dir, slog.New(slog.NewTextHandler(p.stderr, nil)))
	if err != nil && s.dir != "" {
		return report, result, fmt.Errorf("%w: dir: %w", errUsage, err)
	}
	if err != nil {
		return report, result, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	progress := newProgress(p.stderr, protocol)
	defer progress.close()
	s.config.OnProgress = progress.show
	result, err = ycsb.Run(p.ctx, s.config, target)
	return ycsb.NewReport(setup, s.config, result, ycsb.ThisEnvironment()), result, err
}

// opener opens the target of a protocol; tests have their own.
type opener func(setup ycsb.Setup, s settings, dir string, logger *slog.Logger) (ycsb.Target, error)

func openTarget(setup ycsb.Setup, s settings, dir string, logger *slog.Logger) (ycsb.Target, error) {
	if setup.Protocol == floorProtocol {
		return floor.Open(floor.Options{Dir: dir, Keys: s.config.Keys, Logger: logger})
	}
	return accounts.Open(accounts.Options{
		Dir: dir, Keys: s.config.Keys, Protocol: accounts.Protocol(setup.Protocol), Policy: s.policy, Workers: s.workers, Logger: logger,
	})
}

// startProfile writes a CPU profile to the file until the returned function is called; "" is none.
func startProfile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
