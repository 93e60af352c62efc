package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/internal/proof/history/record"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

type loadCommand struct {
	Workload     string  `default:"list-append" help:"What the clients do: list-append, bank or saga."`
	Transactions int     `default:"100000" help:"How many transactions or sagas."`
	Clients      int     `default:"64" help:"How many clients there are, each with one transaction at a time."`
	Live         int     `default:"16" help:"How many lists or accounts they choose from at a time: few mean many conflicts."`
	Refused      float64 `default:"0.03" help:"The share of transactions that fail at their end by themselves."`
	Policy       string  `default:"detect" help:"Policy of the locks: detect, wait-die, wound-wait or no-wait."`
	Workers      int     `help:"Workers of the engine. Default: half as many as processors, at least 1."`
	Seed         uint64  `default:"1" help:"What the clients choose depends on it."`
	Dir          string  `placeholder:"DIR" help:"Where the engine's directory is made, for the time of the run. Default: the system's for temporary files."`
	Out          string  `placeholder:"FILE" help:"Keep the history there; a name that ends in .gz is compressed. Default: it is removed, unless something is wrong with it."`
	drawings
	ledgerFlag
}

// What some flags may be; upper and lower case are the same.
var (
	loadWorkloads = []string{string(history.ListAppend), string(history.Bank), string(history.Sagas)}
	loadPolicies  = []string{locks.Detect.String(), locks.WaitDie.String(), locks.WoundWait.String(), locks.NoWait.String()}
)

// Bounds of what is recorded.
const (
	mostTransactions = 100_000_000
	mostLive         = 1_000_000
)

// validate checks the flags, and makes their names lower case.
func (c *loadCommand) validate() error {
	var errs []error
	oneOf := func(name string, value *string, all []string) {
		if *value = strings.ToLower(*value); !slices.Contains(all, *value) {
			errs = append(errs, fmt.Errorf("load: --%s must be one of %s, not %q", name, strings.Join(all, ", "), *value))
		}
	}
	oneOf("workload", &c.Workload, loadWorkloads)
	oneOf("policy", &c.Policy, loadPolicies)
	within := func(name string, n, least, most int) {
		if n < least || n > most {
			errs = append(errs, fmt.Errorf("load: --%s is %d, it must be at least %d and at most %d", name, n, least, most))
		}
	}
	within("transactions", c.Transactions, 1, mostTransactions)
	within("clients", c.Clients, 1, ycsb.MaxClients)
	within("live", c.Live, 2, mostLive)
	within("workers", c.Workers, 0, engine.MaxWorkers)
	if c.Refused != 0 && !(c.Refused >= ycsb.MinShare && c.Refused <= 1) {
		errs = append(errs, fmt.Errorf("load: --refused is %g, it must be 0, or at least %g and at most 1", c.Refused, ycsb.MinShare))
	}
	return cli.Usage(errs...)
}

// Run is called by kong.
func (c *loadCommand) Run(p *program) (err error) {
	if err := c.validate(); err != nil {
		return err
	}
	out, err := p.open("out", c.Out)
	if err != nil {
		return err
	}
	drawn, err := p.draw(c.drawings)
	if err == nil {
		err = c.openLedger(p)
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "prove-load-")
	if err != nil {
		return fmt.Errorf("%w: load: %w", cli.ErrUsage, err)
	}
	keep, start := false, time.Now()
	defer func() {
		if !keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	path, err := c.path(out, dir)
	if err != nil {
		return err
	}
	if err := c.record(p, filepath.Join(dir, "engine"), path); err != nil {
		return err
	}
	r, err := c.check(p, path, drawn)
	if r == nil {
		return err
	}
	kept := deliver(out, path)
	counts := map[string]int{"transactions_checked": r.Transactions + r.Sagas, "largest_history": r.Transactions + r.Sagas}
	err = errors.Join(err, kept, c.note("load", time.Since(start), len(r.Anomalies)+r.More, counts))
	switch {
	case !r.OK():
		where := out.Path()
		if keep = !out.Used() || kept != nil && !out.Regular(); keep {
			where = path
		}
		if where != "" {
			fmt.Fprintf(p.text, "the history is in %s\n", where)
		}
		return errors.Join(cli.ErrTold, err)
	case err == nil && p.ctx.Err() != nil:
		return cli.ErrInterrupted
	}
	return err
}

// path is where the history is recorded: beside the file for it, which stays as it is until all has gone well, or, if that is none that
// can be read again, in dir.
func (c *loadCommand) path(out *cli.Output, dir string) (string, error) {
	if out.Regular() {
		path, err := out.Beside()
		if err != nil {
			err = cli.Usage(fmt.Errorf("out: %w", err))
		}
		return path, err
	}
	if strings.HasSuffix(c.Out, ".gz") {
		return filepath.Join(dir, "history.jsonl.gz"), nil
	}
	return filepath.Join(dir, "history.jsonl"), nil
}

// deliver puts a recorded history where it is wanted.
func deliver(out *cli.Output, path string) error {
	switch {
	case !out.Used():
		return nil
	case out.Regular():
		return out.Replace()
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, file)
	return errors.Join(err, file.Close(), out.Close())
}

// check checks what was recorded, also after an interrupt.
func (c *loadCommand) check(p *program, path string, drawn *drawn) (*history.Report, error) {
	began := time.Now()
	h, err := history.Load(path)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.text, "read in %.3f s\n", time.Since(began).Seconds())
	return p.report(context.WithoutCancel(p.ctx), h, drawn)
}

// record runs the workload on an engine in dir and writes the history to path.
func (c *loadCommand) record(p *program, dir, path string) (err error) {
	options := record.Options{
		Workload: history.Workload(c.Workload), Live: c.Live, Requests: c.Transactions, Refused: c.Refused, Seed: c.Seed,
	}
	if c.Refused == 0 {
		options.Refused = -1
	}
	writer, err := history.Create(path, options.Header())
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	recorder, err := record.New(options, writer)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(p.ctx)
	defer stop(nil)
	policy, err := locks.ParsePolicy(c.Policy)
	if err != nil {
		return err
	}
	e, err := engine.Open(engine.Options{
		Dir: dir, Policy: policy, Workers: c.Workers, Logger: cli.NewLogger(p.stderr),
		Fatal: func(err error) { stop(fmt.Errorf("load: the store failed: %w", err)) },
	}, record.Parts()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return c.measure(ctx, p, recorder, e, stop)
}

// measure lets the clients run. It stops them when the engine cannot go on, which is an error: of a full disk nothing is proven.
func (c *loadCommand) measure(ctx context.Context, p *program, recorder *record.Recorder, e *engine.Engine, stop context.CancelCauseFunc) error {
	began := time.Now()
	do := func(ctx context.Context, r functions.Request) error {
		err := e.Do(ctx, r)
		if errors.Is(err, engine.ErrNoSpace) {
			stop(fmt.Errorf("load: %w", err))
		}
		return err
	}
	err := recorder.Run(ctx, do, c.Clients)
	if cause := context.Cause(ctx); cause != nil && p.ctx.Err() == nil {
		return cause
	}
	if err != nil {
		return err
	}
	took, counts, stats := time.Since(began).Seconds(), recorder.Counts(), e.Stats()
	done := counts.OK.Load() + counts.Failed.Load() + counts.Unknown.Load()
	fmt.Fprintf(p.text, "%s: %d clients, %d done, %d refused, %d unknown in %.3f s: %.0f/s; %d deadlocks, %d retries, %d epochs\n",
		c.Workload, c.Clients, counts.OK.Load(), counts.Failed.Load(), counts.Unknown.Load(), took, float64(done)/took,
		stats.Deadlocks, stats.Retries, stats.Epochs)
	if p.ctx.Err() != nil {
		fmt.Fprintln(p.text, "interrupted: what was recorded until then is checked")
	}
	return nil
}
