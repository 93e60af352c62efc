package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/history"
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
func (c *checkCommand) Run(p *program) (err error) {
	for _, path := range c.Files {
		p.outputs.Input("file", path)
	}
	if err := c.openLedger(p); err != nil {
		return err
	}
	all, err := c.open(p)
	if err != nil {
		return err
	}
	start, found := time.Now(), tally{}
	for i, path := range c.Files {
		if err = c.one(p, path, all[i], &found); err != nil {
			break
		}
	}
	return c.finish(found, time.Since(start), err)
}

// open opens the drawings of each history.
func (c *checkCommand) open(p *program) (all []*drawn, err error) {
	names := names(c.Files)
	for _, name := range names {
		target := c.drawings
		if len(names) > 1 {
			target, err = target.of(p, name)
		}
		var d *drawn
		if err == nil {
			d, err = p.draw(target)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// tally is what was found in the histories so far.
type tally struct{ histories, transactions, violations int }

// one checks a history.
func (c *checkCommand) one(p *program, path string, d *drawn, found *tally) error {
	began := time.Now()
	h, err := unless(p.ctx, func() (*history.History, error) { return history.Load(path) })
	if errors.Is(err, cli.ErrInterrupted) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	fmt.Fprintf(p.text, "%s: read in %.3f s\n", path, time.Since(began).Seconds())
	r, err := p.report(p.ctx, h, d)
	if r != nil {
		found.histories++
		found.transactions += r.Transactions + r.Sagas
		found.violations += len(r.Anomalies) + r.More
	}
	return err
}

// finish notes what was found, also if not all histories were checked: err is why. No error hides a violation.
func (c *checkCommand) finish(found tally, took time.Duration, err error) error {
	if found.histories > 0 {
		err = errors.Join(err, c.note("check", took, found.violations, map[string]int{"transactions_checked": found.transactions}))
	}
	if found.violations > 0 {
		err = errors.Join(cli.ErrTold, err)
	}
	return err
}

// names are what the files are called in the names of their drawings: each differently.
func names(files []string) []string {
	all, seen := make([]string, len(files)), make(map[string]int)
	for i, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".gz")
		name = strings.TrimSuffix(name, filepath.Ext(name))
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
		}
		all[i] = name
	}
	return all
}

// of are the drawings of one of several histories. Each is a file of its own: a stream would have one behind the other, and take them for
// one.
func (d drawings) of(p *program, name string) (drawings, error) {
	for flag, path := range map[string]*string{"svg": &d.SVG, "dot": &d.DOT} {
		switch {
		case *path == "" || *path == os.DevNull:
		case !p.outputs.HasName(*path):
			return d, cli.Usage(fmt.Errorf("%s: %s cannot take the drawings of several histories: name a file, or check one", flag, *path))
		default:
			dir, base := filepath.Split(*path)
			*path = filepath.Join(dir, name+"-"+base)
		}
	}
	return d, nil
}

// drawn are the files that anomalies are drawn to.
type drawn struct{ svg, dot *cli.Output }

// draw opens them.
func (p *program) draw(d drawings) (*drawn, error) {
	svg, err := p.open("svg", d.SVG)
	if err != nil {
		return nil, err
	}
	dot, err := p.open("dot", d.DOT)
	return &drawn{svg, dot}, err
}

// report checks a history, writes what was found, and draws it. What was found is returned with an error of the drawing.
func (p *program) report(ctx context.Context, h *history.History, d *drawn) (*history.Report, error) {
	r, err := unless(ctx, func() (*history.Report, error) { return history.Check(h), nil })
	if err != nil {
		return nil, err
	}
	if err := r.WriteText(p.text); err != nil || r.OK() {
		return r, err
	}
	for out, write := range map[*cli.Output]func(io.Writer) error{d.svg: r.WriteSVG, d.dot: r.WriteDOT} {
		if out.Used() {
			err = errors.Join(err, write(out), out.Close())
		}
	}
	return r, err
}

// unless does something that cannot be called off, and does not wait for it any more once the context is over.
func unless[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := do()
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		var none T
		return none, cli.ErrInterrupted
	}
}
