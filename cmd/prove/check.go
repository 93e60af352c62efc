package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/history"
)

type checkCommand struct {
	Files []string `arg:"" name:"file" help:"Histories. A name that ends in .gz is a compressed one."`
	drawings
	ledgerFlag
}

// drawings are where anomalies are drawn to.
type drawings struct {
	SVG string `name:"svg" placeholder:"FILE" help:"Draw the anomalies, if there are any. For several histories their names become part of it."`
	DOT string `name:"dot" placeholder:"FILE" help:"The same for Graphviz."`
}

// Run is called by kong.
func (c *checkCommand) Run(p *program) error {
	violations, checked, start := 0, 0, time.Now()
	for _, path := range c.Files {
		began := time.Now()
		h, err := history.Load(path)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		fmt.Fprintf(p.stdout, "%s: read in %.3f s\n", path, time.Since(began).Seconds())
		target := c.drawings
		if len(c.Files) > 1 {
			target = target.of(path)
		}
		r, err := p.report(h, target)
		if err != nil {
			return err
		}
		violations += len(r.Anomalies) + r.More
		checked += r.Transactions + r.Sagas
	}
	if err := c.note("check", time.Since(start), violations, map[string]int{"transactions_checked": checked}); err != nil {
		return err
	}
	if violations > 0 {
		return errViolated
	}
	return nil
}

// of are the drawings of one of several histories.
func (d drawings) of(path string) drawings {
	name := strings.TrimSuffix(filepath.Base(path), ".gz")
	name = strings.TrimSuffix(name, filepath.Ext(name))
	for _, file := range []*string{&d.SVG, &d.DOT} {
		if *file != "" {
			dir, base := filepath.Split(*file)
			*file = filepath.Join(dir, name+"-"+base)
		}
	}
	return d
}

// report checks a history, writes what was found, and draws it.
func (p *program) report(h *history.History, d drawings) (*history.Report, error) {
	r := history.Check(h)
	if err := r.WriteText(p.stdout); err != nil {
		return nil, err
	}
	if r.OK() {
		return r, nil
	}
	return r, errors.Join(draw(d.SVG, r.WriteSVG), draw(d.DOT, r.WriteDOT))
}

// draw writes a drawing to a file; "" is none.
func draw(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return errors.Join(write(file), file.Close())
}
