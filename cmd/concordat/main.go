// Command concordat shows and serves a bank to try, works with servers, looks into directories, and measures the protocols of Concordat with an
// extended YCSB.
//
//	concordat demo          watch a bank under both protocols in a browser, and take it apart
//	concordat serve DIR     serve the bank, to try a server without writing a program
//	concordat token         make a token for a server
//	concordat call          call an operation on a server; also ask, run
//	concordat request       look up a request by what it was for and its id, on a server
//	concordat functions     what functions a server has; also instances
//	concordat tx list       the transactions under way on a server; also show
//	concordat saga list     its sagas; also show, retry, skip, done, cancel
//	concordat cancel ...    cancels a request by its id
//	concordat locks         who holds locks there, and who waits; also deadlocks list|show, timers
//	concordat ycsb run      one protocol: plain, saga or serializable
//	concordat ycsb floor    the same transfers in hand-written Go
//	concordat ycsb limit    the same rows through the log alone, by one goroutine
//	concordat ycsb compare  all five in one go, as a table and as an HTML page
//	concordat ycsb search   the highest rate that a protocol keeps up with
//	concordat ycsb tpcc     new-order and payment of TPC-C, as sagas or serializable
//	concordat ycsb hotel    reservations of a room and a seat, as sagas or serializable
//	concordat ycsb diff     whether results are slower than others, for CI
//	concordat backup DIR    a backup of a server's engine, or of a directory
//	concordat restore       a directory for an engine, of a backup
//	concordat inspect       what is in a directory of an engine's data
//	concordat verify        what of it is damaged
//	concordat completion    a script with which a shell completes command lines
//	concordat parked list   what is parked in a directory of an engine's data; also retry and drop
//
// The exit status is 0 if all went well, 1 if an audit was wrong, something is damaged, a run failed, a report could not be written or a
// diff found something slower, 2 if the command line or an input was wrong, 3 if it is not known what has become of
// a request to a server, 4 if such a request has not happened and may later, and 130 after an interrupt (SIGINT, SIGTERM or SIGHUP), which
// ends a run early: what was measured until then is audited and written. A second one ends the program at once. It is 141 if nobody reads
// the standard output any more; then a run ends early, too, unless it has something to write to a file.
//
// This package binds flags to the libraries: ycsb, ycsb/accounts, ycsb/floor, ycsb/limit, ycsb/tpcc, ycsb/hotel, ycsb/page.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
)

// Exit statuses.
const (
	exitOK          = cli.OK
	exitFailed      = cli.Failed
	exitUsage       = cli.BadUsage
	exitInterrupted = cli.Interrupted
	exitUnknown     = cli.Unknown
	exitUnavailable = cli.Unavailable
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
		Floor   floorCommand   `cmd:"" help:"Run the same transfers in careful hand-written Go: a yardstick."`
		Limit   limitCommand   `cmd:"" help:"Write the rows of the same transfers to the log alone, by one goroutine: a yardstick."`
		Compare compareCommand `cmd:"" help:"Run plain, saga, serializable, floor and limit, and compare them."`
		Search  searchCommand  `cmd:"" help:"Search the highest rate that a protocol keeps up with."`
		TPCC    tpccCommand    `cmd:"" name:"tpcc" help:"Run new-order and payment of TPC-C."`
		Hotel   hotelCommand   `cmd:"" help:"Run reservations of a hotel room and a flight seat, among searches."`
		Diff    diffCommand    `cmd:"" help:"Compare repeated runs: is B slower than A?"`
	} `cmd:"" name:"ycsb" help:"The extended YCSB: reads, updates, scans, transfers."`

	Demo       demoCommand       `cmd:"" help:"Watch a bank under both protocols in a browser, and take it apart."`
	DemoEngine demoEngineCommand `cmd:"" hidden:""`

	Serve serveCommand `cmd:"" help:"Serve the bank, to try a server without writing a program."`
	Token tokenCommand `cmd:"" help:"Make a token for a server."`

	Call      callCommand           `cmd:"" help:"Call an operation on a server."`
	Ask       askCommand            `cmd:"" help:"Ask an instance on a server a question."`
	Run       runCoordinatorCommand `cmd:"" help:"Run a coordinator function on a server."`
	Request   requestCommand        `cmd:"" help:"Look up a request by what it was for and its id, on a server."`
	Cancel    cancelCommand         `cmd:"" help:"Cancel a request by what it is for and its id, on a server."`
	Functions functionsCommand      `cmd:"" help:"List the functions of a server."`
	Instances instancesCommand      `cmd:"" help:"List instances of a type, on a server."`
	Tx        txCommands            `cmd:"" help:"The transactions that are under way on a server."`
	Saga      sagaCommands          `cmd:"" help:"The sagas on a server: look at them, and decide about those that are stuck."`
	Locks     locksCommand          `cmd:"" help:"Who holds locks on a server, and who waits."`
	Deadlocks deadlockCommands      `cmd:"" help:"The deadlocks that a server's engine has broken."`
	Timers    timersCommand         `cmd:"" help:"The timers that instances have set, on a server."`

	Backup  backupCommand  `cmd:"" help:"Make a backup of a server's engine, or of a directory."`
	Restore restoreCommand `cmd:"" help:"Make a directory for an engine of a backup."`
	Inspect inspectCommand `cmd:"" help:"Say what is in a directory of an engine's data that no engine has open."`
	Verify  verifyCommand  `cmd:"" help:"Read all of such a directory, and say what is damaged."`

	Completion completionCommand `cmd:"" help:"Write a script with which a shell completes command lines."`
	Complete   completeCommand   `cmd:"" hidden:""`

	Parked parkedCommands `cmd:"" help:"What no process survives, in a directory that no engine has open."`
}

func (p *program) main(args []string) int {
	var done context.CancelFunc
	p.ctx, done = p.stdout.Reader(p.ctx, p.outputs.Elsewhere)
	defer done()
	var c commands
	chosen, err := cli.Parse(&c, "concordat", "Transactional coordinator functions: serve them, look at them, measure them.", args, p.stdout, p.stderr)
	switch {
	case err != nil:
		err = usage(err)
	case chosen != nil:
		p.given = cli.Given(chosen)
		err = errors.Join(p.do(chosen), p.outputs.Close())
	}
	return cli.Ending{
		Name: "concordat", Help: "concordat --help", Stdout: p.stdout, Stderr: p.stderr,
		Usage: []error{ycsb.ErrUnable}, Interrupted: []error{ycsb.ErrInterrupted},
	}.Finish(p.ctx, err)
}

// do does what the command line says.
func (p *program) do(chosen *kong.Context) error {
	if c, ok := chosen.Selected().Target.Addr().Interface().(configured); ok {
		if err := c.configure(p); err != nil {
			if errors.Is(err, errPrinted) {
				return nil
			}
			return err
		}
	}
	return chosen.Run(p)
}
