package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/hotel"
	"github.com/concordat-dev/concordat/ycsb/tpcc"
)

// drivenFlags are the flags of workloads other than rows.
type drivenFlags struct {
	Protocol string `default:"serializable" help:"How the operations are made: saga or serializable."`
	driving
	engineFlags
	outputFlags
	Duration   time.Duration `default:"10s" help:"Length of the measured part."`
	Warmup     time.Duration `default:"2s" help:"What comes before it and does not count."`
	Operations uint64        `default:"0" help:"End after so many operations, if the time is not over before. 0: after the time."`
	CPUProfile string        `name:"cpuprofile" placeholder:"FILE" help:"Write a profile for go tool pprof."`
}

// driven are the flags, checked.
type driven struct {
	protocol ycsb.Protocol
	policy   locks.Policy
	workers  int
	driving  ycsb.Driving
	notes    []string // what flags mean nothing here
}

// check checks the flags. All that is wrong with them is in the error, which is errUsage.
func (f drivenFlags) check() (driven, error) {
	d := driven{driving: f.config(timing{f.Duration, f.Warmup})}
	d.driving.Operations = f.Operations
	var protocolErr, engineErr error
	d.protocol, protocolErr = parseProtocol(f.Protocol)
	d.policy, d.workers, engineErr = f.engineFlags.parse()
	return d, usage(protocolErr, engineErr, f.outputFlags.check(), d.driving.Validate(),
		notZero(zero{"clients", f.Clients == 0}, zero{"duration", f.Duration == 0}))
}

func parseProtocol(s string) (ycsb.Protocol, error) {
	for _, p := range []ycsb.Protocol{ycsb.Saga, ycsb.Serializable} {
		if strings.EqualFold(s, p.String()) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("protocol: %q is neither saga nor serializable", s)
}

// closable is a workload with an engine of its own.
type closable interface {
	ycsb.Workload
	io.Closer
}

// opensWorkload opens a workload in a directory.
type opensWorkload func(dir string, logger *slog.Logger) (closable, error)

// drive runs a workload as often as the flags say. The parameters are for the report.
func (p *program) drive(name string, f drivenFlags, d driven, parameters map[string]string, open opensWorkload) error {
	setup := ycsb.Setup{Workload: name, Protocol: d.protocol.String(), Policy: d.policy.String(), Workers: d.workers, Parameters: parameters}
	run := func(dir string, logger *slog.Logger, onProgress func(ycsb.Progress)) (report ycsb.Report, result ycsb.Result, err error) {
		w, err := open(dir, logger)
		if err != nil {
			return report, result, settings{dir: f.Dir}.openError(err)
		}
		defer func() { err = errors.Join(err, w.Close()) }()
		driving := d.driving
		driving.OnProgress = onProgress
		result, err = ycsb.Drive(p.ctx, driving, w)
		if errors.Is(err, tpcc.ErrOtherData) || errors.Is(err, hotel.ErrOtherData) {
			err = usage(fmt.Errorf("dir: %w", err))
		}
		return ycsb.DriveReport(setup, driving, result, ycsb.ThisEnvironment()), result, err
	}
	return p.runJob(job{label: name, dir: f.Dir, json: f.JSON, repeat: f.Repeat, profile: f.CPUProfile, notes: d.notes, run: run})
}
