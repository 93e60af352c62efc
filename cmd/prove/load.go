package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/history"
	"github.com/concordat-dev/concordat/internal/history/record"
	"github.com/concordat-dev/concordat/locks"
)

type loadCommand struct {
	Workload     string  `default:"list-append" enum:"list-append,bank,saga" help:"What the clients do: list-append, bank or saga."`
	Transactions int     `default:"100000" help:"How many transactions or sagas."`
	Clients      int     `default:"64" help:"How many clients there are, each with one transaction at a time."`
	Live         int     `default:"16" help:"How many lists or accounts they choose from at a time: few mean many conflicts."`
	Refused      float64 `default:"0.03" help:"The share of transactions that fail at their end by themselves."`
	Policy       string  `default:"detect" enum:"detect,wait-die,wound-wait,no-wait" help:"Policy of the locks: detect, wait-die, wound-wait or no-wait."`
	Workers      int     `help:"Workers of the engine. Default: half as many as processors, at least 1."`
	Seed         uint64  `default:"1" help:"What the clients choose depends on it."`
	Dir          string  `placeholder:"DIR" help:"Where the engine's directory is made, for the time of the run. Default: the system's for temporary files."`
	Out          string  `placeholder:"FILE" help:"Keep the history there; a name that ends in .gz is compressed. Default: it is removed, unless something is wrong with it."`
	drawings
	ledgerFlag
}

// policies are the lock policies by their names on the command line.
var policies = map[string]locks.Policy{
	"detect": locks.Detect, "wait-die": locks.WaitDie, "wound-wait": locks.WoundWait, "no-wait": locks.NoWait,
}

// validate checks what kong does not.
func (c *loadCommand) validate() error {
	if c.Transactions < 1 || c.Clients < 1 || c.Live < 2 || c.Workers < 0 || c.Refused < 0 || c.Refused > 1 {
		return errors.New("load: --transactions and --clients must be at least 1, --live at least 2, --workers not negative, --refused from 0 to 1")
	}
	return nil
}

// Run is called by kong.
func (c *loadCommand) Run(p *program) (err error) {
	if err := c.validate(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	dir, err := os.MkdirTemp(c.Dir, "prove-load-")
	if err != nil {
		return fmt.Errorf("%w: load: %w", errUsage, err)
	}
	keep, start := false, time.Now()
	defer func() {
		if !keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	path := c.Out
	if path == "" {
		path = filepath.Join(dir, "history.jsonl")
	}
	if err := c.record(p, filepath.Join(dir, "engine"), path); err != nil {
		return err
	}
	began := time.Now()
	h, err := history.Load(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "read in %.3f s\n", time.Since(began).Seconds())
	r, err := p.report(h, c.drawings)
	if err != nil {
		return err
	}
	counts := map[string]int{"transactions_checked": r.Transactions + r.Sagas, "largest_history": r.Transactions + r.Sagas}
	if err := c.note("load", time.Since(start), len(r.Anomalies)+r.More, counts); err != nil {
		return err
	}
	if !r.OK() {
		keep = c.Out == ""
		fmt.Fprintf(p.stdout, "the history is in %s\n", path)
		return errViolated
	}
	return nil
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
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	recorder, err := record.New(options, writer)
	if err != nil {
		return err
	}
	e, err := engine.Open(engine.Options{
		Dir: dir, Policy: policies[c.Policy], Workers: c.Workers, Logger: slog.New(slog.NewTextHandler(p.stderr, nil)),
	}, record.Parts()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return c.measure(p, recorder, e)
}

func (c *loadCommand) measure(p *program, recorder *record.Recorder, e *engine.Engine) error {
	began := time.Now()
	if err := recorder.Run(p.ctx, e.Do, c.Clients); err != nil {
		return err
	}
	took, counts, stats := time.Since(began).Seconds(), recorder.Counts(), e.Stats()
	done := counts.OK.Load() + counts.Failed.Load() + counts.Unknown.Load()
	fmt.Fprintf(p.stdout, "%s: %d clients, %d done, %d refused, %d unknown in %.3f s: %.0f/s; %d deadlocks, %d retries, %d epochs\n",
		c.Workload, c.Clients, counts.OK.Load(), counts.Failed.Load(), counts.Unknown.Load(), took, float64(done)/took,
		stats.Deadlocks, stats.Retries, stats.Epochs)
	if p.ctx.Err() != nil {
		fmt.Fprintln(p.stdout, "interrupted: what was recorded until then is checked")
	}
	return nil
}
