// Command concordat measures the protocols of Concordat with an extended YCSB.
//
//	concordat ycsb run      one protocol: plain, saga or serializable
//	concordat ycsb floor    the same transfers in hand-written Go
//	concordat ycsb compare  all four in one go, as a table and as an HTML page
//	concordat ycsb search   the highest rate that a protocol keeps up with
//	concordat ycsb tpcc     new-order and payment of TPC-C, as sagas or serializable
//	concordat ycsb hotel    reservations of a room and a seat, as sagas or serializable
//	concordat ycsb diff     whether results are slower than others, for CI
//	concordat parked list   what is parked in a directory of an engine's data; also retry and drop
//
// The exit status is 0 if all went well, 1 if an audit was wrong, a run failed or a diff found something slower, 2 if the
// command line or an input was wrong, and 130 after an interrupt, which ends a run early: what was measured until then is audited and written. A second interrupt ends
// the program at once.
//
// This package binds flags to the libraries: ycsb, ycsb/accounts, ycsb/floor, ycsb/tpcc, ycsb/hotel, ycsb/page.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/concordat-dev/concordat/internal/cli"

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
	ctx, stop := cli.Context()
	defer stop()
	return newProgram(ctx, stdout, stderr).main(args)
}

// program is what the commands need.
type program struct {
	ctx            context.Context
	stdout, stderr io.Writer
	open           opener
	given          map[string]bool // flags that the command line has
}

func newProgram(ctx context.Context, stdout, stderr io.Writer) *program {
	return &program{ctx: ctx, stdout: stdout, stderr: stderr, open: openTarget}
}

type commands struct {
	YCSB struct {
		Run     runCommand     `cmd:"" help:"Run one protocol."`
		Floor   floorCommand   `cmd:"" help:"Run the same transfers in careful hand-written Go: the yardstick."`
		Compare compareCommand `cmd:"" help:"Run plain, saga, serializable and floor, and compare them."`
		Search  searchCommand  `cmd:"" help:"Search the highest rate that a protocol keeps up with."`
		TPCC    tpccCommand    `cmd:"" name:"tpcc" help:"Run new-order and payment of TPC-C."`
		Hotel   hotelCommand   `cmd:"" help:"Run reservations of a hotel room and a flight seat, among searches."`
		Diff    diffCommand    `cmd:"" help:"Compare repeated runs: is B slower than A?"`
	} `cmd:"" name:"ycsb" help:"The extended YCSB: reads, updates, scans, transfers."`

	Parked parkedCommands `cmd:"" help:"What no process survives, in a directory that no engine has open."`
}

func (p *program) main(args []string) int {
	var c commands
	chosen, err := cli.Parse(&c, "concordat", "Transactional coordinator functions: measure them.", args, p.stdout, p.stderr)
	if err != nil {
		return p.finish(fmt.Errorf("%w: %w", errUsage, err))
	}
	if chosen == nil {
		return exitOK
	}
	p.given = make(map[string]bool)
	for _, step := range chosen.Path {
		if step.Flag != nil {
			p.given[step.Flag.Name] = true
		}
	}
	return p.finish(chosen.Run(p))
}

// finish says what went wrong and returns the exit status for it.
func (p *program) finish(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage), errors.Is(err, errInput), errors.Is(err, ycsb.ErrUnable):
		fmt.Fprintf(p.stderr, "concordat: %s\n", usageText(err))
		return exitUsage
	case !errors.Is(err, ycsb.ErrAudit) && errors.Is(err, errInterrupted) || errors.Is(err, ycsb.ErrInterrupted):
		fmt.Fprintln(p.stderr, "concordat: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(p.stderr, p.red("concordat: "+err.Error()))
	return exitFailed
}

// errInput marks errors of files that were to be read: nothing was compared.
var errInput = errors.New("input")

// usageText is the error without the mark.
func usageText(err error) string {
	text := err.Error()
	if errors.Is(err, errInput) {
		return strings.TrimPrefix(text, errInput.Error()+": ")
	}
	return strings.TrimPrefix(text, errUsage.Error()+": ") + "\nTry: concordat ycsb --help"
}

// red makes text red on a terminal.
func (p *program) red(text string) string {
	if isTerminal(p.stderr) {
		return "\x1b[31;1m" + text + "\x1b[0m"
	}
	return text
}
