// Command prove tries to prove Concordat wrong.
//
//	prove check FILE...   check recorded histories for strict serializability
//	prove load            record a history of an engine under load, and check it
//
// The exit status is 0 if nothing is wrong, 1 if something is, and 2 if the command line was bad or its input can not be read.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitOK       = 0
	exitViolated = 1
	exitUsage    = 2
)

// errViolated is the error of a command that found a violation and has said so.
var errViolated = errors.New("violated")

// commands are the commands, each in a file of its own. Run returns nil, errViolated, or what is wrong with its input.
type commands struct {
	Check checkCommand `cmd:"" help:"Check recorded histories: are they strictly serializable?"`
	Load  loadCommand  `cmd:"" help:"Record a history of an engine under load, and check it."`
}

// program is what the commands need.
type program struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program: it parses the arguments, does what they say, and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal has its usual effect
	return (&program{ctx: ctx, stdout: stdout, stderr: stderr}).main(args)
}

// exited is what kong's exit is turned into, so that --help ends main and not the process.
type exited int

func (p *program) main(args []string) (status int) {
	defer func() {
		if r := recover(); r != nil {
			code, ok := r.(exited)
			if !ok {
				panic(r)
			}
			status = int(code)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("prove"),
		kong.Description("Try to prove Concordat wrong."),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic("prove: the flags are not well-formed: " + err.Error())
	}
	chosen, err := parser.Parse(args)
	if err == nil {
		err = chosen.Run(p)
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errViolated):
		return exitViolated
	}
	fmt.Fprintf(p.stderr, "prove: %v\n", err)
	return exitUsage
}
