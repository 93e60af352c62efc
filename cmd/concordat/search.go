package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/page"
)

type searchCommand struct {
	Protocol string `default:"serializable" help:"plain, saga, serializable, floor or limit; by PostgreSQL: read-committed or serializable."`
	Target   string `placeholder:"URL" help:"Search that of a server (http://..., of concordat serve --ycsb) or PostgreSQL (postgres://...)."`
	externalFlags
	workload
	Duration  time.Duration `default:"3s" help:"Length of the measured part of each probe."`
	Warmup    time.Duration `default:"1s" help:"What comes before it and does not count."`
	StartRate float64       `default:"1000" help:"Operations a second of the first probe."`
	MaxRate   float64       `default:"1000000" help:"The highest rate that is tried."`
	Achieved  float64       `default:"0.95" help:"Share of the rate that must be committed."`
	P99       time.Duration `name:"p99" default:"0s" placeholder:"BOUND" help:"Search also for the highest rate with a p99 of at most this. 0s: do not."`
	Tries     int           `default:"2" help:"Probes at a rate that have to fail before it has failed."`
	Precision float64       `default:"0.05" help:"Share by which the found rate may be too low."`
}

// Run is called by kong.
func (c *searchCommand) Run(p *program) error {
	s, searching, err := c.check(p.given)
	if err != nil {
		return err
	}
	for _, file := range s.read {
		p.outputs.Input("properties", file)
	}
	out, err := p.outputs.Open("json", s.json)
	if err != nil {
		return err
	}
	p.note(s.notes...)
	text := p.outputs.Text()
	searching.OnProbe = func(probe ycsb.Probe) { writeProbe(text, probe) }
	report, err := p.search(s.protocol(c.protocol()), s, searching)
	if report.Interrupted {
		err = errors.Join(err, cli.ErrInterrupted)
	}
	if len(report.Probes) == 0 {
		return err
	}
	if out.Used() {
		err = errors.Join(err, report.WriteJSON(out))
	}
	return errors.Join(err, writeGoals(text, report))
}

// protocol is the flag, in lower case.
func (c *searchCommand) protocol() string { return strings.ToLower(c.Protocol) }

// check checks the flags.
func (c *searchCommand) check(given map[string]bool) (settings, ycsb.Searching, error) {
	var errs []error
	if _, err := accounts.ParseProtocol(c.Protocol); c.Target == "" && err != nil && !isYardstick(c.protocol()) {
		errs = append(errs, err)
	}
	if given["rate"] {
		errs = append(errs, errors.New("rate: it is what the search finds; --start-rate says where it begins"))
	}
	if c.Repeat != 1 {
		errs = append(errs, errors.New("repeat: a search is not repeated"))
	}
	errs = append(errs, notZero(zero{"start-rate", c.StartRate == 0}, zero{"max-rate", c.MaxRate == 0}, zero{"achieved", c.Achieved == 0},
		zero{"precision", c.Precision == 0}, zero{"tries", c.Tries == 0}))
	c.Rate = max(c.StartRate, 1) // so that poisson arrivals have one; each probe sets its own
	s, err := c.settings(timing{c.Duration, c.Warmup}, given)
	if c.Target != "" {
		s.external = externals{}
		_, targetErr := s.external.add(c.externalFlags, c.Target, c.Protocol)
		errs = append(errs, targetErr, engineFlagsGiven(given))
	}
	searching := ycsb.Searching{
		Start: c.StartRate, Max: c.MaxRate, Precision: c.Precision, Achieved: c.Achieved, P99: c.P99, Tries: c.Tries,
		Useful: 1 - s.config.Mix.Transfer*s.config.Rollbacks,
	}
	if searching.Useful < ycsb.MinShare {
		errs = append(errs, errors.New("rollbacks: all operations are to be refused, so no rate can be achieved"))
		searching.Useful = 1
	}
	return s, searching, errors.Join(usage(append(errs, searching.Validate())...), err)
}

// search opens the target once and makes all probes on it.
func (p *program) search(protocol string, s settings, searching ycsb.Searching) (report ycsb.SearchReport, err error) {
	dir, err := p.dataDir(s.dir, protocol)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, dir.remove()) }()
	setup := s.setup(protocol)
	target, err := p.open(setup, s, dir.path, cli.NewLogger(p.stderr))
	if err != nil {
		return report, s.openError(err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	environment := ycsb.ThisEnvironment()
	return ycsb.Search(p.ctx, searching, func(ctx context.Context, rate float64) (ycsb.Report, error) {
		progress := newProgress(p.stderr, fmt.Sprintf("%s/s", page.Thousands(int64(rate))))
		defer progress.close()
		config := s.config
		config.Rate, config.OnProgress = rate, progress.show
		result, err := ycsb.Run(ctx, config, target)
		if s.external[protocol] != nil {
			result.Written = nil // whoever writes is another process
		}
		return ycsb.NewReport(setup, config, result, environment), err
	})
}

func writeProbe(w io.Writer, p ycsb.Probe) {
	fmt.Fprintf(w, "%10s/s  achieved %5.1f %%  p50 %9.3f ms  p99 %9.3f ms\n", page.Thousands(int64(p.Rate)), p.Achieved*100,
		p.Report.LatencyMS["all"].P50, p.P99)
}

func writeGoals(w io.Writer, r ycsb.SearchReport) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range r.Goals {
		fmt.Fprintf(tw, "\nhighest rate with %s\t%s/s\n", g.Goal, page.Thousands(int64(g.Rate)))
	}
	if r.Interrupted {
		fmt.Fprintf(tw, "\ninterrupted after %d probes\n", len(r.Probes))
	}
	return tw.Flush()
}
