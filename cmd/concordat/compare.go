package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/page"
)

type compareCommand struct {
	Target []string `placeholder:"URL" sep:"none" help:"Compare also a server (http://127.0.0.1:7411, of concordat serve --ycsb) or PostgreSQL (postgres://...). Repeatable."`
	externalFlags
	workload
	Duration time.Duration `default:"4s" help:"Length of the measured part of each run."`
	Warmup   time.Duration `default:"1s" help:"What comes before it and does not count."`
	HTML     string        `name:"html" default:"concordat-compare.html" placeholder:"FILE" empty:"none" help:"The page to write (default: concordat-compare.html); --html= writes none."`
}

// compared are the protocols in the order in which they are run and shown.
var compared = []string{"plain", "saga", "serializable", floorProtocol, limitProtocol}

// Run is called by kong.
func (c *compareCommand) Run(p *program) error {
	s, err := c.settings(timing{c.Duration, c.Warmup}, p.given)
	if err != nil {
		return err
	}
	s.external = externals{}
	var names []string
	for _, target := range c.Target {
		some, err := s.external.add(c.externalFlags, target)
		if err != nil {
			return usage(err)
		}
		names = append(names, some...)
	}
	if s.dir != "" {
		if entries, err := os.ReadDir(s.dir); err == nil && len(entries) > 0 {
			return usage(fmt.Errorf("dir: %s is not empty; compare starts each protocol in a fresh directory", s.dir))
		}
	}
	for _, file := range s.read {
		p.outputs.Input("properties", file)
	}
	jsonOut, err := p.outputs.Open("json", s.json)
	if err != nil {
		return err
	}
	htmlOut, err := p.outputs.Open("html", c.HTML)
	if err != nil && !p.given["html"] {
		err = fmt.Errorf("%w; name another file with --html, or none with --html=", err)
	}
	if err != nil {
		return err
	}
	p.note(s.notes...)
	all := p.compareAll(s, append(slices.Clip(compared), names...))
	if len(all.reports) == 0 {
		return all.err
	}
	return errors.Join(all.err, p.writeComparison(all.reports, jsonOut, htmlOut, c.command(s, p.given)))
}

// compareAll runs one protocol after the other, all of them in each round, so that what changes over time on the machine
// changes for all of them. After a wrong audit it goes on, after an interrupt it returns what it has.
func (p *program) compareAll(s settings, protocols []string) collected {
	all := collected{rounds: s.repeat}
	for round := 1; round <= s.repeat; round++ {
		for _, protocol := range protocols {
			report, result, err := p.runIn(roundDir(s.dir, round, s.repeat, protocol), protocol, p.onRows(protocol, s))
			if err != nil && !errors.Is(err, cli.ErrUsage) {
				err = fmt.Errorf("%s: %w", protocol, err)
			}
			if !all.add(round, report, result, err) {
				return all
			}
		}
	}
	return all
}

// writeComparison writes the table, the page, and the reports as a JSON array. The table and the page show all rounds of a
// protocol as one.
func (p *program) writeComparison(reports []ycsb.Report, jsonOut, htmlOut *cli.Output, command string) (err error) {
	ycsb.Relate(reports)
	if jsonOut.Used() {
		err = ycsb.WriteReports(jsonOut, reports)
	}
	merged, mergeErr := ycsb.MergeRounds(reports)
	if mergeErr != nil {
		return errors.Join(err, mergeErr)
	}
	if !jsonOut.ToStdout() && !htmlOut.ToStdout() {
		fmt.Fprintln(p.stdout, page.Workload(merged[0]))
		err = errors.Join(err, page.NewTable(merged).WriteText(p.stdout))
		for _, line := range page.Interrupted(merged) {
			fmt.Fprintln(p.stdout, line)
		}
	}
	if htmlOut.Used() {
		err = errors.Join(err, page.Write(htmlOut, merged, command))
	}
	wrote := htmlOut.Close()
	if wrote == nil && htmlOut.Path() != "" {
		fmt.Fprintf(p.stderr, "charts: %s\n", htmlOut.Path())
	}
	return errors.Join(err, wrote)
}

// command is the command line with which the comparison can be repeated: with all flags that make a difference, as they were used, or,
// beside properties, with those of them that were given, as these go before properties.
func (c *compareCommand) command(s settings, given map[string]bool) string {
	words := []string{"concordat", "ycsb", "compare"}
	for _, file := range c.PropertyFiles {
		words = append(words, option("-P", "--properties", file)...)
	}
	for _, target := range c.Target {
		if u, err := url.Parse(target); err == nil {
			words = append(words, "--target="+u.Redacted())
		}
	}
	for _, property := range c.Properties {
		words = append(words, option("-p", "--property", property)...)
	}
	plain, unused := len(c.PropertyFiles)+len(c.Properties) == 0, unused(s.config)
	for _, flag := range []struct {
		name  string
		value any
	}{
		{"keys", s.config.Keys}, {"clients", s.config.Clients}, {"rate", s.config.Rate}, {"arrivals", s.config.Arrivals}, {"mix", c.Mix},
		{"distribution", s.config.Distribution}, {"theta", s.config.Theta}, {"duration", s.config.Duration}, {"warmup", s.config.Warmup},
		{"rollbacks", s.config.Rollbacks}, {"parties", s.config.Parties}, {"snapshot-keys", s.config.SnapshotKeys}, {"policy", s.policy},
		{"workers", s.workers}, {"seed", s.config.Seed}, {"ids", c.IDs}, {"repeat", s.repeat}, {"interval", s.config.Interval},
	} {
		if (plain || given[flag.name]) && unused[flag.name] == "" {
			words = append(words, fmt.Sprintf("--%s=%v", flag.name, flag.value))
		}
	}
	return cli.Command(words...)
}

// option is a flag and its value, in the way that a value which begins like a flag needs.
func option(short, long, value string) []string {
	if strings.HasPrefix(value, "-") {
		return []string{long + "=" + value}
	}
	return []string{short, value}
}
