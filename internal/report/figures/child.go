package figures

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
)

// Children measures each time in a process of its own, so that nothing is left of the one before and GOMAXPROCS and build tags
// can differ.
type Children struct {
	// Program is the path of a program that calls [Serve] when it gets Args.
	Program string
	Args    []string
	// Tagged are the paths of the same program built with a tag, by the tag.
	Tagged map[string]string
}

// answer is what a child writes to its standard output.
type answer struct {
	Measurement Measurement `json:"measurement"`
	Error       string      `json:"error,omitempty"`
	Audit       bool        `json:"audit,omitempty"` // the error is a wrong audit, and the store could go on
}

// Measure has a child measure. When the context ends the child is killed: what it has measured until then is of no use, and all its
// files are below the order's directory, which whoever gave the order removes.
func (c Children) Measure(ctx context.Context, o Order) (Measurement, error) {
	program := c.Program
	if o.Cell.Build != "" {
		if program = c.Tagged[o.Cell.Build]; program == "" {
			return Measurement{}, fmt.Errorf("figures: there is no program with the build tag %s", o.Cell.Build)
		}
	}
	order, err := json.Marshal(o)
	if err != nil {
		return Measurement{}, fmt.Errorf("figures: encode an order: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, o.Cell.expected()+slowest)
	defer cancel()
	child := exec.CommandContext(limited, program, c.Args...)
	child.WaitDelay = time.Second
	child.Env = os.Environ()
	if o.Cell.Procs > 0 {
		child.Env = append(child.Env, "GOMAXPROCS="+strconv.Itoa(o.Cell.Procs))
	}
	var out, complaints bytes.Buffer
	child.Stdin, child.Stdout, child.Stderr = bytes.NewReader(order), &out, &complaints
	runErr := child.Run()
	switch {
	case ctx.Err() != nil:
		return Measurement{}, ctx.Err()
	case limited.Err() != nil:
		return Measurement{}, fmt.Errorf("figures: it took longer than %v and was given up; %s", o.Cell.expected()+slowest, tail(complaints.String()))
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return a.Measurement, fmt.Errorf("figures: the process that measured gave no answer: %w; %s", errors.Join(runErr, err), tail(complaints.String()))
	}
	return a.Measurement, a.err()
}

func (a answer) err() error {
	switch {
	case a.Audit:
		return fmt.Errorf("%w: %s", ycsb.ErrAudit, a.Error)
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
}

// tail is the end of what a process said.
func tail(text string) string {
	const most = 2000
	if len(text) > most {
		text = "..." + text[len(text)-most:]
	}
	return strings.TrimSpace(text)
}

// Serve is the child: it reads an order, measures, and writes the answer. Its error is one of reading or writing; those of the
// measurement are in the answer.
func Serve(ctx context.Context, in io.Reader, out, log io.Writer) error {
	var o Order
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return fmt.Errorf("figures: read the order: %w", err)
	}
	m, err := Measure(ctx, o, slog.New(slog.NewTextHandler(log, nil)))
	a := answer{Measurement: m}
	if err != nil {
		a.Error, a.Audit = err.Error(), errors.Is(err, ycsb.ErrAudit) && !errors.Is(err, ycsb.ErrStore)
	}
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return fmt.Errorf("figures: write the answer: %w", err)
	}
	return nil
}

// BuildTagged builds the package of a program once more for each build tag that the plan has, into the directory, where the Go command
// also has its temporary files. When the context ends so does the build, and the error is [ErrInterrupted].
func BuildTagged(ctx context.Context, p Plan, pkg, dir string) (map[string]string, error) {
	tagged := make(map[string]string)
	for _, e := range p.Experiments {
		for _, c := range e.Cells {
			if c.Build == "" || tagged[c.Build] != "" {
				continue
			}
			path := filepath.Join(dir, "results-"+c.Build)
			build := exec.CommandContext(ctx, "go", "build", "-tags", c.Build, "-o", path, pkg)
			build.Env = append(os.Environ(), "GOTMPDIR="+dir)
			cli.Group(build)
			out, err := build.CombinedOutput()
			cli.EndGroup(build)
			if ctx.Err() != nil {
				return nil, ErrInterrupted
			}
			if err != nil {
				return nil, fmt.Errorf("figures: build with the tag %s: %w; %s", c.Build, err, tail(string(out)))
			}
			tagged[c.Build] = path
		}
	}
	return tagged, nil
}
