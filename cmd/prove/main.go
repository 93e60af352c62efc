// Command prove tries to prove Concordat wrong, and says how hard it tried.
//
//	prove sim             runs from seeds, with everything going wrong that can
//	prove sweep           a crash at every operation of the disk, and at every step of the protocols
//	prove chaos           an engine in a process of its own, killed under load
//	prove load            record a history of an engine under load, and check it
//	prove check FILE...   check recorded histories for strict serializability
//	prove fuzz            fuzz everything that reads bytes from outside or from disk
//
// The exit status is 0 if nothing is wrong, 1 if something is or nothing was tried, 2 if the command line was bad or its input can
// not be read, and 130 after an interrupt. A failing seed is printed together with the command that runs it again.
//
// With --ledger a command adds a line to a file: what was done, on which commit, and what was found.
//
// This package binds flags to internal/sim, internal/chaos, internal/history and internal/fuzz.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/concordat-dev/concordat/internal/cli"
)

// Exit statuses.
const (
	exitOK          = 0
	exitViolated    = 1
	exitUsage       = 2
	exitInterrupted = 130
)

var (
	// errUsage marks errors of the command line and of its input: nothing was run.
	errUsage = errors.New("usage")
	// errInterrupted: somebody did not want to wait.
	errInterrupted = errors.New("interrupted")
	// errViolated is the error of a command that found a violation and has said so.
	errViolated = errors.New("violated")
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program: it parses the arguments, does what they say, and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := cli.Context()
	defer stop()
	return (&program{ctx: ctx, stdout: stdout, stderr: stderr}).main(args)
}

// program is what the commands need.
type program struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

// commands are the commands; each has a file.
type commands struct {
	Sim   simCommand   `cmd:"" help:"Run the engine from seeds on a simulated clock, disk and scheduler, with faults."`
	Sweep sweepCommand `cmd:"" help:"Crash at every operation of the disk and every step of the protocols, and damage every file."`
	Chaos chaosCommand `cmd:"" help:"Kill, stop and starve an engine in a process of its own, under load, and check what its clients saw."`
	Load  loadCommand  `cmd:"" help:"Record a history of an engine under load, and check it."`
	Check checkCommand `cmd:"" help:"Check recorded histories: are they strictly serializable?"`
	Fuzz  fuzzCommand  `cmd:"" help:"Fuzz every decoder and parser that reads bytes from outside or from disk."`

	ChaosChild chaosChildCommand `cmd:"" hidden:"" help:"The process that chaos kills."`
}

func (p *program) main(args []string) int {
	var c commands
	chosen, err := cli.Parse(&c, "prove", "Tries to break the engine, and says how hard it tried.", args, p.stdout, p.stderr)
	if err != nil {
		return p.finish(fmt.Errorf("%w: %w", errUsage, err))
	}
	if chosen == nil {
		return exitOK
	}
	return p.finish(chosen.Run(p))
}

// finish says what went wrong and returns the exit status for it.
func (p *program) finish(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintf(p.stderr, "prove: %s\nTry: prove --help\n", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
		return exitUsage
	case errors.Is(err, errViolated):
		return exitViolated
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(p.stderr, "prove: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(p.stderr, "prove: "+err.Error())
	return exitViolated
}
