// Command prove tries to prove Concordat wrong, and says how hard it tried.
//
//	prove sim             runs from seeds, with everything going wrong that can
//	prove sweep           a crash at every operation of the disk, and at every step of the protocols
//	prove topics          an engine between topics, against a model of a broker that loses answers
//	prove chaos           an engine in a process of its own, killed under load
//	prove load            record a history of an engine under load, and check it
//	prove check FILE...   check recorded histories for strict serializability
//	prove fuzz            fuzz everything that reads bytes from outside or from disk
//
// The exit status is 0 if nothing is wrong, 1 if something is, or failed, or nothing was tried, 2 if the command line was bad or its input
// cannot be read, 130 after an interrupt (SIGINT, SIGTERM or SIGHUP; what was found until then is told), and 141 if nobody reads the
// standard output any more. A violation that was found is always 1, whatever else happened. A failing seed is printed together with the
// command that runs it again.
//
// With --ledger a command adds a line to a file: what was done, on which commit, and what was found.
//
// This package binds flags to internal/proof/sim, internal/proof/topics, internal/proof/chaos, internal/proof/history and internal/proof/fuzz.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/concordat-dev/concordat/internal/cli"
)

// Exit statuses.
const (
	exitOK          = cli.OK
	exitViolated    = cli.Failed
	exitUsage       = cli.BadUsage
	exitInterrupted = cli.Interrupted
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program: it parses the arguments, does what they say, and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := cli.Context()
	defer stop()
	return newProgram(ctx, stdout, stderr).main(args)
}

// program is what the commands need.
type program struct {
	ctx     context.Context
	stdout  *cli.Stdout
	text    io.Writer // what is told goes there: to the standard output, unless that is for something else
	stderr  io.Writer
	outputs *cli.Outputs
}

func newProgram(ctx context.Context, stdout, stderr io.Writer) *program {
	out := cli.NewStdout(stdout)
	return &program{ctx: ctx, stdout: out, text: out, stderr: stderr, outputs: cli.NewOutputs(ctx, out, stderr)}
}

// commands are the commands; each has a file.
type commands struct {
	Sim    simCommand    `cmd:"" help:"Run the engine from seeds on a simulated clock, disk and scheduler, with faults."`
	Sweep  sweepCommand  `cmd:"" help:"Crash at every operation of the disk and every step of the protocols, and damage every file."`
	Topics topicsCommand `cmd:"" help:"Run an engine between topics of Kafka, against a model of a broker that loses answers, with crashes."`
	Chaos  chaosCommand  `cmd:"" help:"Kill, stop and starve an engine in a process of its own, under load, and check what its clients saw."`
	Load   loadCommand   `cmd:"" help:"Record a history of an engine under load, and check it."`
	Check  checkCommand  `cmd:"" help:"Check recorded histories: are they strictly serializable?"`
	Fuzz   fuzzCommand   `cmd:"" help:"Fuzz every decoder and parser that reads bytes from outside or from disk."`

	ChaosChild chaosChildCommand `cmd:"" hidden:"" help:"The process that chaos kills."`
}

func (p *program) main(args []string) int {
	var done context.CancelFunc
	p.ctx, done = p.stdout.Reader(p.ctx, p.outputs.Elsewhere)
	defer done()
	var c commands
	chosen, err := cli.Parse(&c, "prove", "Tries to break the engine, and says how hard it tried.", args, p.stdout, p.stderr)
	switch {
	case err != nil:
		err = cli.Usage(err)
	case chosen != nil:
		err = errors.Join(chosen.Run(p), p.outputs.Close())
	}
	return cli.Ending{Name: "prove", Help: "prove --help", Stdout: p.stdout, Stderr: p.stderr}.Finish(p.ctx, err)
}

// open opens an output. What is told goes to standard error if the output is the standard one.
func (p *program) open(flag, path string) (*cli.Output, error) {
	out, err := p.outputs.Open(flag, path)
	p.text = p.outputs.Text()
	return out, err
}
