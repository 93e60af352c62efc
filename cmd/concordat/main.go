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
// The exit status is 0 if all went well, 1 if an audit was wrong, a run failed, a report could not be written or a diff found something
// slower, 2 if the command line or an input was wrong, and 130 after an interrupt (SIGINT, SIGTERM or SIGHUP), which ends a run early:
// what was measured until then is audited and written. A second one ends the program at once. It is 141 if nobody reads the standard
// output any more; then a run ends early, too, unless it has something to write to a file.
//
// This package binds flags to the libraries: ycsb, ycsb/accounts, ycsb/floor, ycsb/tpcc, ycsb/hotel, ycsb/page.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
)

// Exit statuses.
const (
	exitOK          = cli.OK
	exitFailed      = cli.Failed
	exitUsage       = cli.BadUsage
	exitInterrupted = cli.Interrupted
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// gcPercent is what a program with a small heap and many requests would set, for all that is measured alike; GOGC overrides it. Its
// effect is in docs/benchmark.md.
const gcPercent = 400

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
	stderr  io.Writer
	outputs *cli.Outputs
	open    opener
	given   map[string]bool // flags that the command line has
	told    map[string]bool // notes that were made
}

func newProgram(ctx context.Context, stdout, stderr io.Writer) *program {
	out := cli.NewStdout(stdout)
	return &program{
		ctx: ctx, stdout: out, stderr: stderr, outputs: cli.NewOutputs(ctx, out, stderr), open: openTarget, told: make(map[string]bool),
	}
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
	var done context.CancelFunc
	p.ctx, done = p.stdout.Reader(p.ctx, p.outputs.Elsewhere)
	defer done()
	var c commands
	chosen, err := cli.Parse(&c, "concordat", "Transactional coordinator functions: measure them.", args, p.stdout, p.stderr)
	switch {
	case err != nil:
		err = usage(err)
	case chosen != nil:
		p.given = cli.Given(chosen)
		err = errors.Join(chosen.Run(p), p.outputs.Close())
	}
	return cli.Ending{
		Name: "concordat", Help: "concordat --help", Stdout: p.stdout, Stderr: p.stderr,
		Usage: []error{ycsb.ErrUnable}, Interrupted: []error{ycsb.ErrInterrupted},
	}.Finish(p.ctx, err)
}
