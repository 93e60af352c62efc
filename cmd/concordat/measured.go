package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
)

// once opens what is measured in a directory, runs it, and closes it.
type once func(dir string, logger *slog.Logger, onProgress func(ycsb.Progress)) (ycsb.Report, ycsb.Result, error)

// job is what is run, how often, and where its data and results go.
type job struct {
	label   string // of the progress bar
	dir     string // "" for a temporary directory in each round
	json    string
	repeat  int
	profile string   // file for a CPU profile; "" is none
	notes   []string // to be told before it begins
	run     once
	more    func(w io.Writer, r ycsb.Report) error // what people asked for besides the summary of a round, written after it; nil is nothing
}

// runJob runs a job in rounds and writes its reports: one as an object, several as an array. After a wrong audit it goes on;
// an interrupt ends it, and what was measured is written. On the standard output there is either what people read, or one output.
func (p *program) runJob(j job) error {
	out, err := p.outputs.Open("json", j.json)
	if err != nil {
		return err
	}
	stopProfile, err := p.startProfile(j.profile)
	if err != nil {
		return err
	}
	defer stopProfile()
	p.note(j.notes...)
	all := collected{rounds: j.repeat}
	for round := 1; round <= j.repeat; round++ {
		report, result, err := p.runIn(j.dir, j.label, j.run)
		goOn := all.add(round, report, result, err)
		if measured(result) && !out.ToStdout() {
			all.fail(writeSummary(p.outputs.Text(), report, result))
		}
		if measured(result) && j.more != nil {
			all.fail(j.more(p.outputs.Text(), report))
		}
		if !goOn {
			break
		}
	}
	return all.write(out)
}

// note tells people something, once.
func (p *program) note(notes ...string) {
	for _, note := range notes {
		if !p.told[note] {
			fmt.Fprintln(p.stderr, "note: "+note)
		}
		p.told[note] = true
	}
}

// runIn runs once in a directory, or in a temporary one that is removed afterwards.
func (p *program) runIn(path, label string, run once) (report ycsb.Report, result ycsb.Result, err error) {
	dir, err := p.dataDir(path, label)
	if err != nil {
		return report, result, err
	}
	defer func() { err = errors.Join(err, dir.remove()) }()
	progress := newProgress(p.stderr, label)
	defer progress.close()
	return run(dir.path, cli.NewLogger(p.stderr), progress.show)
}

// roundDir is where a round of several keeps its data; "" if there is no directory.
func roundDir(dir string, round, rounds int, name string) string {
	switch {
	case dir == "":
		return ""
	case rounds > 1:
		return filepath.Join(dir, fmt.Sprintf("round-%d", round), name)
	}
	return filepath.Join(dir, name)
}

// collected are the reports of runs, and all that went wrong.
type collected struct {
	rounds  int
	reports []ycsb.Report
	err     error
}

// measured reports whether a run came so far that there is something to report.
func measured(r ycsb.Result) bool { return r.Kinds != nil }

// add takes the report and the error of a run, and reports whether there is a point in going on: not after an interrupt, nor after a
// run that failed, unless its audit was wrong and its store can go on.
func (c *collected) add(round int, report ycsb.Report, result ycsb.Result, err error) (goOn bool) {
	c.fail(err)
	if !measured(result) {
		return false
	}
	if c.rounds > 1 {
		report.Round = round
	}
	c.reports = append(c.reports, report)
	if result.Interrupted {
		c.fail(cli.ErrInterrupted)
	}
	return !result.Interrupted && (err == nil || errors.Is(err, ycsb.ErrAudit) && !errors.Is(err, ycsb.ErrStore))
}

func (c *collected) fail(err error) { c.err = errors.Join(c.err, err) }

// write writes the report, or the reports if more than one was asked for, and returns all that went wrong.
func (c *collected) write(out *cli.Output) error {
	if out.Used() && len(c.reports) > 0 {
		if c.rounds > 1 {
			c.fail(ycsb.WriteReports(out, c.reports))
		} else {
			c.fail(c.reports[0].WriteJSON(out))
		}
	}
	return c.err
}
