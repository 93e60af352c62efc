package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/pprof"
	"time"

	"github.com/concordat-dev/concordat/internal/stages"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/floor"
	"github.com/concordat-dev/concordat/ycsb/limit"
	"github.com/concordat-dev/concordat/ycsb/topics"
)

// The names of yardsticks among the protocols.
const (
	floorProtocol = "floor"
	limitProtocol = "limit"
)

func isYardstick(protocol string) bool { return protocol == floorProtocol || protocol == limitProtocol }

type runCommand struct {
	Protocol string `default:"serializable" help:"How a transfer is made: plain (two calls, no protocol), saga or serializable; by PostgreSQL: read-committed or serializable."`
	Target   string `placeholder:"URL" help:"Run not an engine of its own but a server (http://127.0.0.1:7411, of concordat serve --ycsb) or PostgreSQL (postgres://...)."`
	externalFlags
	workload
	Duration   time.Duration `default:"10s" help:"Length of the measured part."`
	Warmup     time.Duration `default:"2s" help:"What comes before it and does not count."`
	CPUProfile string        `name:"cpuprofile" xor:"profile" placeholder:"FILE" help:"Write a profile for go tool pprof."`
	Kafka      bool          `help:"Requests come from a topic of Apache Kafka and answers go to one; an operation lasts until its answer can be read."`
	NoAnswers  bool          `help:"With --kafka: answers go to no topic; an operation lasts until its effects are durable."`
	Brokers    []string      `placeholder:"HOST:PORT" help:"With --kafka: brokers of a cluster. Default: a broker is started for the run, which needs Java and Maven."`
	Stages     bool          `xor:"profile" help:"Tell what a committed operation takes of the processors: in workers, conductor, sealer and so on."`
}

// Run is called by kong.
func (c *runCommand) Run(p *program) error {
	if c.Target != "" {
		return c.runElsewhere(p)
	}
	protocol, protocolErr := accounts.ParseProtocol(c.Protocol)
	s, err := c.settings(timing{c.Duration, c.Warmup}, p.given)
	s.kafka, s.noAnswers, s.brokers = c.Kafka, c.NoAnswers, c.Brokers
	if err := errors.Join(usage(protocolErr, c.checkKafka(protocol)), err); err != nil {
		return err
	}
	var recorder stages.Recorder
	if c.Stages {
		s.config.OnMeasured = recorder.Record
	}
	j := p.rowsJob(string(protocol), s, c.CPUProfile)
	if c.Stages {
		j.more = func(w io.Writer, r ycsb.Report) error { return writeStages(w, &recorder, r) }
	}
	return p.runJob(j)
}

// checkKafka reports what does not go together with --kafka.
func (c *runCommand) checkKafka(protocol accounts.Protocol) error {
	switch {
	case !c.Kafka && len(c.Brokers) > 0:
		return errors.New("brokers: they need --kafka")
	case !c.Kafka && c.NoAnswers:
		return errors.New("no-answers: it needs --kafka")
	case c.Kafka && protocol == accounts.Plain:
		return errors.New("kafka: a request from a topic is one call or coordinator function, and plain transfers are two calls")
	}
	return nil
}

// runElsewhere runs the workload on a target that is elsewhere.
func (c *runCommand) runElsewhere(p *program) error {
	s, err := c.settings(timing{c.Duration, c.Warmup}, p.given)
	s.external = externals{}
	names, targetErr := s.external.add(c.externalFlags, c.Target, c.Protocol)
	if err := errors.Join(usage(targetErr, engineFlagsGiven(p.given)), err); err != nil {
		return err
	}
	return p.runJob(p.rowsJob(names[0], s, c.CPUProfile))
}

// writeStages writes where the processor time went, unless the run ended before its measured part.
func writeStages(w io.Writer, recorder *stages.Recorder, r ycsb.Report) error {
	split, err := recorder.Split()
	switch {
	case errors.Is(err, stages.ErrNothing):
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(w)
	return split.WriteTable(w, r.Committed)
}

// yardstick are the flags of the commands that run one.
type yardstick struct {
	workload
	Duration   time.Duration `default:"10s" help:"Length of the measured part."`
	Warmup     time.Duration `default:"2s" help:"What comes before it and does not count."`
	CPUProfile string        `name:"cpuprofile" placeholder:"FILE" help:"Write a profile for go tool pprof."`
}

func (y *yardstick) run(p *program, protocol string) error {
	s, err := y.settings(timing{y.Duration, y.Warmup}, p.given)
	if err != nil {
		return err
	}
	return p.runJob(p.rowsJob(protocol, s, y.CPUProfile))
}

type floorCommand struct{ yardstick }

// Run is called by kong.
func (c *floorCommand) Run(p *program) error { return c.run(p, floorProtocol) }

type limitCommand struct{ yardstick }

// Run is called by kong.
func (c *limitCommand) Run(p *program) error { return c.run(p, limitProtocol) }

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
		if s.external[protocol] != nil {
			result.Written = nil // whoever writes is another process
		}
		return ycsb.NewReport(setup, s.config, result, ycsb.ThisEnvironment()), result, err
	}
}

// setup is what a report says of a protocol.
func (s settings) setup(protocol string) ycsb.Setup {
	if isYardstick(protocol) || s.external[protocol] != nil {
		return ycsb.Setup{Protocol: protocol}
	}
	if s.kafka {
		return ycsb.Setup{Protocol: protocol, Policy: s.policy.String(), Workers: s.workers, Parameters: topics.Parameters(s.noAnswers)}
	}
	return ycsb.Setup{Protocol: protocol, Policy: s.policy.String(), Workers: s.workers}
}

// openError is the error of a target that could not be opened: the user's mistake if the directory is the user's, but for brokers.
func (s settings) openError(err error) error {
	if s.dir == "" || s.kafka {
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
	if open := s.external[setup.Protocol]; open != nil {
		return open(s.config.Keys)
	}
	switch setup.Protocol {
	case floorProtocol:
		o := floor.Options{Dir: dir, Keys: s.config.Keys, Logger: logger}
		if s.config.Mix.Insert > 0 {
			o.Room = ycsb.MaxKeys - o.Keys
		}
		return floor.Open(o)
	case limitProtocol:
		return limit.Open(limit.Options{Dir: dir, Keys: s.config.Keys})
	}
	o := accounts.Options{
		Dir: dir, Keys: s.config.Keys, Protocol: accounts.Protocol(setup.Protocol), Policy: s.policy, Workers: s.workers, Logger: logger,
	}
	if s.kafka {
		return openOverKafka(s, o)
	}
	return accounts.Open(o)
}

// startProfile makes a CPU profile for the file until the returned function is called; "" is none.
func (p *program) startProfile(path string) (stop func(), err error) {
	out, err := p.outputs.Open("cpuprofile", path)
	if err != nil || !out.Used() {
		return func() {}, err
	}
	return pprof.StopCPUProfile, pprof.StartCPUProfile(out)
}
