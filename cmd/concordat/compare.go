package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/page"
)

type compareCommand struct {
	workload
	Duration time.Duration `default:"5s" help:"Length of the measured part of each run."`
	Warmup   time.Duration `default:"1s" help:"What comes before it and does not count."`
	HTML     string        `name:"html" default:"concordat-compare.html" placeholder:"FILE" help:"The page to write (default: concordat-compare.html)."`
}

// compared are the protocols in the order in which they are run and shown.
var compared = []string{"plain", "saga", "serializable", floorProtocol}

// Run is called by kong.
func (c *compareCommand) Run(p *program) (err error) {
	s, err := c.settings(timing{c.Duration, c.Warmup})
	if err != nil {
		return err
	}
	if s.dir != "" {
		if entries, err := os.ReadDir(s.dir); err == nil && len(entries) > 0 {
			return fmt.Errorf("%w: dir: %s is not empty; compare starts each protocol in a fresh directory", errUsage, s.dir)
		}
	}
	jsonOut, err := p.createOutput(s.json)
	if err != nil {
		return fmt.Errorf("%w: json: %w", errUsage, err)
	}
	defer func() { err = errors.Join(err, jsonOut.close()) }()
	htmlOut, err := p.createOutput(c.HTML)
	if err != nil {
		return fmt.Errorf("%w: html: %w", errUsage, err)
	}
	defer func() { err = errors.Join(err, htmlOut.close()) }()

	reports, err := p.compareAll(s)
	if err != nil && !errors.Is(err, ycsb.ErrWrongSum) && !errors.Is(err, errInterrupted) {
		return err
	}
	if len(reports) == 0 {
		return err
	}
	return errors.Join(err, p.writeComparison(reports, jsonOut, htmlOut, c.command()))
}

// compareAll runs one protocol after the other. After a wrong sum it goes on, after an interrupt it returns what it has.
func (p *program) compareAll(s settings) (reports []ycsb.Report, err error) {
	for _, protocol := range compared {
		report, result, runErr := p.compareOne(protocol, s)
		switch {
		case errors.Is(runErr, ycsb.ErrInterrupted):
			return reports, errors.Join(err, errInterrupted)
		case runErr != nil && !errors.Is(runErr, ycsb.ErrWrongSum):
			return reports, fmt.Errorf("%s: %w", protocol, runErr)
		case runErr != nil:
			err = errors.Join(err, fmt.Errorf("%s: %w", protocol, runErr))
		}
		reports = append(reports, report)
		if result.Interrupted {
			return reports, errors.Join(err, errInterrupted)
		}
	}
	return reports, err
}

// compareOne runs a protocol in a directory of its own.
func (p *program) compareOne(protocol string, s settings) (report ycsb.Report, result ycsb.Result, err error) {
	path := ""
	if s.dir != "" {
		path = filepath.Join(s.dir, protocol)
	}
	dir, err := dataDir(path)
	if err != nil {
		return report, result, err
	}
	defer func() { err = errors.Join(err, dir.remove()) }()
	return p.measure(protocol, s, dir.path)
}

// writeComparison writes the table, the page, and the reports as a JSON array.
func (p *program) writeComparison(reports []ycsb.Report, jsonOut, htmlOut *output, command string) (err error) {
	if jsonOut.used() {
		encoder := json.NewEncoder(jsonOut)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(reports)
	}
	if !jsonOut.toStdout() && !htmlOut.toStdout() {
		fmt.Fprintln(p.stdout, page.Workload(reports[0]))
		err = errors.Join(err, page.NewTable(reports).WriteText(p.stdout))
	}
	if htmlOut.used() {
		err = errors.Join(err, page.Write(htmlOut, reports, command))
	}
	if htmlOut.file != nil {
		fmt.Fprintf(p.stderr, "charts: %s\n", htmlOut.path)
	}
	return err
}

// command is the command line with which the comparison can be repeated.
func (c *compareCommand) command() string {
	words := []string{"concordat ycsb compare",
		fmt.Sprintf("--keys %d --clients %d --rate %g --mix %s", c.Keys, c.Clients, c.Rate, c.Mix),
		fmt.Sprintf("--distribution %s --theta %g --duration %v --warmup %v", c.Distribution, c.Theta, c.Duration, c.Warmup),
		fmt.Sprintf("--rollbacks %g --policy %s --workers %d --seed %d --ids=%v", c.Rollbacks, c.Policy, c.Workers, c.Seed, c.IDs)}
	return strings.Join(words, " ")
}
