// Command concordat measures the protocols of Concordat with an extended YCSB.
//
//	concordat ycsb run      one protocol: plain, saga or serializable
//	concordat ycsb floor    the same transfers in hand-written Go
//	concordat ycsb compare  all four in one go, as a table and as an HTML page
//
// The exit status is 0 if all went well, 1 if a sum of balances was wrong or a run failed, 2 if the command line was, and 130
// after an interrupt, which ends a run early: what was measured until then is audited and written. A second interrupt ends
// the program at once.
//
// This package binds flags to the libraries: ycsb, ycsb/accounts, ycsb/floor, ycsb/page.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/concordat-dev/concordat/ycsb"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errUsage marks errors of the command line: nothing was run.
var errUsage = errors.New("usage")

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// gcPercent is what a program with a small heap and many requests would set, for all that is measured alike; GOGC overrides it.
const gcPercent = 400

// run is the whole program: it parses the arguments, does what they say, and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal has its usual effect
	return newProgram(ctx, stdout, stderr).main(args)
}

// program is what the commands need.
type program struct {
	ctx            context.Context
	stdout, stderr io.Writer
	open           opener
}

func newProgram(ctx context.Context, stdout, stderr io.Writer) *program {
	return &program{ctx: ctx, stdout: stdout, stderr: stderr, open: openTarget}
}

type commands struct {
	YCSB struct {
		Run     runCommand     `cmd:"" help:"Run one protocol."`
		Floor   floorCommand   `cmd:"" help:"Run the same transfers in careful hand-written Go: the yardstick."`
		Compare compareCommand `cmd:"" help:"Run plain, saga, serializable and floor, and compare them."`
	} `cmd:"" name:"ycsb" help:"The extended YCSB: reads, updates and transfers."`
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
		kong.Name("concordat"),
		kong.Description("Transactional coordinator functions: measure them."),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic("concordat: the flags are not well-formed: " + err.Error())
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		return p.finish(fmt.Errorf("%w: %w", errUsage, err))
	}
	return p.finish(chosen.Run(p))
}

// finish says what went wrong and returns the exit status for it.
func (p *program) finish(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintf(p.stderr, "concordat: %s\n", usageText(err))
		return exitUsage
	case !errors.Is(err, ycsb.ErrWrongSum) && errors.Is(err, errInterrupted) || errors.Is(err, ycsb.ErrInterrupted):
		fmt.Fprintln(p.stderr, "concordat: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(p.stderr, p.red("concordat: "+err.Error()))
	return exitFailed
}

// usageText is the error without the mark.
func usageText(err error) string {
	text, mark := err.Error(), errUsage.Error()+": "
	if len(text) > len(mark) && text[:len(mark)] == mark {
		text = text[len(mark):]
	}
	return text + "\nTry: concordat ycsb --help"
}

// red makes text red on a terminal.
func (p *program) red(text string) string {
	if isTerminal(p.stderr) {
		return "\x1b[31;1m" + text + "\x1b[0m"
	}
	return text
}
