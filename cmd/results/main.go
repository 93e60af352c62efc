// Command results measures what the project's tables and pictures show, and renders them: results/README.md, report.html, charts,
// CSV and raw JSON. A full run refuses to measure a working tree that has changes.
//
//	results                        measure everything, about 50 minutes
//	results --quick                the same questions in under five minutes, into results-quick
//	results --only NAME            one experiment; repeatable
//	results --render               only render again what was measured
//	results --before PROGRAM       the same in turns with a build of this command from an earlier commit, and which is slower
//
// It measures into a directory of its own, named for the commit, and copies what it has to --out at the end, when all is measured
// and every audit was right. So it names the commit that it was started on, and a run that was ended early is gone on with by the
// same command. Two runs do not measure in one directory: the second is refused while the first lives. What the command line names is
// looked at before anything is measured.
//
// The exit status is 0 if all went well, 1 if an audit was wrong, a measurement failed or something could not be written, 2 if the
// command line was wrong or there is nothing to render, 130 after an interrupt (SIGINT, SIGTERM or SIGHUP), and 141 if nobody reads the
// standard output any more.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/concordat-dev/concordat/internal/broker"
	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/report/figures"
	"github.com/concordat-dev/concordat/ycsb"
)

// Exit statuses.
const (
	exitOK          = cli.OK
	exitFailed      = cli.Failed
	exitUsage       = cli.BadUsage
	exitInterrupted = cli.Interrupted
)

// childArg makes the program measure one cell, which it reads from its standard input.
const childArg = "--measure-one"

// program is the package of this command, for building it with a tag.
const program = "github.com/concordat-dev/concordat/cmd/results"

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // as cmd/concordat does
	}
	ctx, stop := cli.Context()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type flags struct {
	Out    string   `placeholder:"DIR" help:"Where the results go. Default: results, or results-quick."`
	Work   string   `placeholder:"DIR" help:"Where they are made, and gone on with after an interrupt. Default: one in the temporary directory, named for the commit."`
	Only   []string `placeholder:"NAME" empty:"" help:"Only this experiment. Repeatable."`
	Quick  bool     `help:"Fewer cells, for a second each."`
	Fresh  bool     `help:"Measure again what an earlier run on this commit has measured."`
	Render bool     `xor:"mode" help:"Measure nothing; render the results that are there."`
	List   bool     `xor:"mode" help:"Only tell the experiments and how long they take."`
	Seed   uint64   `default:"1" help:"Seed of the random choices."`

	Before    []string `placeholder:"PROGRAM" empty:"" help:"This command, built from an earlier commit: both measure each cell in turns, and nothing is written but a table. Repeatable: builds with other layouts (-ldflags=-randlayout=N) take turns."`
	After     []string `placeholder:"PROGRAM" empty:"" help:"Builds of the later commit. Default: this program."`
	Pairs     int      `default:"6" help:"Pairs of measurements of each cell."`
	Tolerance float64  `default:"0.03" help:"Share by which a cell may be slower than before."`

	Quote []string `placeholder:"FILE" empty:"none" help:"Files whose quoted numbers are brought up to date. Default: README.md, docs/performance.md and docs/GUARANTEES.md; none of a quick run."`
}

// quoting are the texts that quote numbers.
var quoting = []string{"README.md", "docs/performance.md", "docs/GUARANTEES.md"}

// run is the whole program: it parses the arguments, does what they say, and returns the exit status. Results are files, so they are
// measured and written even if nobody reads the standard output.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := cli.NewStdout(stdout)
	ctx, done := out.Reader(ctx, func() bool { return true })
	defer done()
	ending := cli.Ending{
		Name: "results", Help: "results --help", Stdout: out, Stderr: stderr, Interrupted: []error{figures.ErrInterrupted, ycsb.ErrInterrupted},
	}
	if len(args) == 1 && args[0] == childArg {
		return ending.Finish(ctx, figures.Serve(ctx, os.Stdin, out, stderr))
	}
	var f flags
	chosen, err := cli.Parse(&f, "results", "Measure and render the project's tables and pictures.", args, out, stderr)
	switch {
	case err != nil:
		err = cli.Usage(err)
	case chosen != nil:
		err = f.do(ctx, cli.Given(chosen), out, stderr)
	}
	return ending.Finish(ctx, err)
}

// do does what the flags say.
func (f flags) do(ctx context.Context, given map[string]bool, stdout, stderr io.Writer) error {
	if err := f.settle(given); err != nil {
		return err
	}
	plan, err := figures.NewPlan(f.Quick).Only(f.Only)
	if err != nil {
		return cli.Usage(fmt.Errorf("only: %w", err))
	}
	switch {
	case f.List:
		list(stdout, plan)
		return nil
	case f.Render:
		err := f.render(stdout)
		if errors.Is(err, figures.ErrResults) {
			err = fmt.Errorf("%w: %w", cli.ErrInput, err)
		}
		return err
	}
	if err := broker.Check(); err != nil && plan.NeedsKafka() {
		if len(f.Only) > 0 {
			return err
		}
		fmt.Fprintf(stderr, "results: what goes over topics is left out: %v\n", err)
		plan = plan.WithoutKafka()
	}
	if len(f.Before) > 0 {
		return f.pair(ctx, plan, stdout, stderr)
	}
	return f.measure(ctx, plan, stdout, stderr)
}

// list tells what there is to measure.
func list(w io.Writer, plan figures.Plan) {
	for _, e := range plan.Experiments {
		one := figures.Plan{Experiments: []figures.Experiment{e}}
		fmt.Fprintf(w, "%-14s %3d measurements, about %v: %s\n", e.Name, one.Rounds(), one.Expected().Round(1e9), e.Title)
	}
	fmt.Fprintf(w, "%-14s %3d measurements, about %v\n", "all", plan.Rounds(), plan.Expected().Round(1e9))
}

// command is the command that measures the same again; where it goes is of no interest.
func (f flags) command(plan figures.Plan) string {
	words := []string{"results"}
	if f.Quick {
		words = append(words, "--quick")
	}
	if len(f.Only) > 0 {
		for _, e := range plan.Experiments {
			words = append(words, "--only="+e.Name)
		}
	}
	if f.Seed != 1 {
		words = append(words, fmt.Sprintf("--seed=%d", f.Seed))
	}
	return cli.Command(words...)
}

// again is the command that goes on with a run that was ended early.
func (f flags) again(plan figures.Plan) string {
	words := []string{"--out=" + f.Out, "--quote=" + strings.Join(f.Quote, ",")}
	if f.Work != "" {
		words = append(words, "--work="+f.Work)
	}
	return f.command(plan) + " " + cli.Command(words...)
}

// workDir is where results are made.
func (f flags) workDir(e ycsb.Environment) string {
	if f.Work != "" {
		return f.Work
	}
	name := "concordat-results-" + e.Commit[:min(12, len(e.Commit))]
	if strings.HasSuffix(e.Commit, "+dirty") {
		name += "-dirty"
	}
	if f.Quick {
		name += "-quick"
	}
	return filepath.Join(os.TempDir(), name)
}

// render renders the results that are there, and brings quoted numbers up to date.
func (f flags) render(stdout io.Writer) error {
	if err := figures.RenderDir(f.Out); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s and %s\n", filepath.Join(f.Out, "README.md"), filepath.Join(f.Out, "report.html"))
	return figures.Requote(f.Out, f.Quote)
}
