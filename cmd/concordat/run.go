package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/pprof"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/floor"
)

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
	protocol, protocolErr := accounts.ParseProtocol(c.Protocol)
	s, err := c.settings(timing{c.Duration, c.Warmup}, p.given)
	if err := errors.Join(usage(protocolErr), err); err != nil {
		return err
	}
	return p.runJob(p.rowsJob(string(protocol), s, c.CPUProfile))
}

type floorCommand struct {
	workload
	Duration   time.Duration `default:"10s" help:"Length of the measured part."`
	Warmup     time.Duration `default:"2s" help:"What comes before it and does not count."`
	CPUProfile string        `name:"cpuprofile" placeholder:"FILE" help:"Write a profile for go tool pprof."`
}

// Run is called by kong.
func (c *floorCommand) Run(p *program) error {
	s, err := c.settings(timing{c.Duration, c.Warmup}, p.given)
	if err != nil {
		return err
	}
	return p.runJob(p.rowsJob(floorProtocol, s, c.CPUProfile))
}

func (p *program) rowsJob(protocol string, s settings, profile string) job {
	for _, file := range s.read {
		p.outputs.Input("properties", file)
	}
	return job{label: protocol, dir: s.dir, json: s.json, repeat: s.repeat, profile: profile, notes: s.notes, run: p.onRows(protocol, s)}
}

// onRows measures rows under a protocol.
func (p *program) onRows(protocol string, s settings) once {
	return func(dir string, logger *slog.Logger, onProgress func(ycsb.Progress)) (report ycsb.Report, result ycsb.Result, err error) {
		setup := s.setup(protocol)
		target, err := p.open(setup, s, dir, logger)
		if err != nil {
			return report, result, s.openError(err)
		}
		defer func() { err = errors.Join(err, target.Close()) }()
		s.config.OnProgress = onProgress
		result, err = ycsb.Run(p.ctx, s.config, target)
		return ycsb.NewReport(setup, s.config, result, ycsb.ThisEnvironment()), result, err
	}
}

// setup is what a report says of a protocol.
func (s settings) setup(protocol string) ycsb.Setup {
	if protocol == floorProtocol {
		return ycsb.Setup{Protocol: protocol}
	}
	return ycsb.Setup{Protocol: protocol, Policy: s.policy.String(), Workers: s.workers}
}

// openError is the error of a target that could not be opened: the user's mistake if the directory is the user's.
func (s settings) openError(err error) error {
	if s.dir == "" {
		return err
	}
	return usage(fmt.Errorf("dir: %w", err))
}

// target is what is measured, opened by this program.
type target interface {
	ycsb.Target
	io.Closer
}

// opener opens the target of a protocol; tests have their own.
type opener func(setup ycsb.Setup, s settings, dir string, logger *slog.Logger) (target, error)

func openTarget(setup ycsb.Setup, s settings, dir string, logger *slog.Logger) (target, error) {
	if setup.Protocol == floorProtocol {
		o := floor.Options{Dir: dir, Keys: s.config.Keys, Logger: logger}
		if s.config.Mix.Insert > 0 {
			o.Room = ycsb.MaxKeys - o.Keys
		}
		return floor.Open(o)
	}
	return accounts.Open(accounts.Options{
		Dir: dir, Keys: s.config.Keys, Protocol: accounts.Protocol(setup.Protocol), Policy: s.policy, Workers: s.workers, Logger: logger,
	})
}

// startProfile makes a CPU profile for the file until the returned function is called; "" is none.
func (p *program) startProfile(path string) (stop func(), err error) {
	out, err := p.outputs.Open("cpuprofile", path)
	if err != nil || !out.Used() {
		return func() {}, err
	}
	return pprof.StopCPUProfile, pprof.StartCPUProfile(out)
}
