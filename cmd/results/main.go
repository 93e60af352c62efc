// Command results measures what the project's tables and pictures show, and renders them: results/README.md, report.html, charts,
// CSV and raw JSON.
//
//	results                        measure everything, about half an hour
//	results --quick                the same questions in under five minutes
//	results --only NAME            one experiment; repeatable
//	results --render               only render again what was measured
//
// It measures into a directory of its own, named for the commit, and moves what it has to --out at the end, when all is measured
// and every audit was right. So it names the commit that it was started on, and a run that was ended early is gone on with by the
// same command. The exit status is 0 if all went well, 1 if an audit was wrong or a measurement failed, 2 if the command line was
// wrong, and 130 after an interrupt.
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

	"golang.org/x/term"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/figures"
	"github.com/concordat-dev/concordat/internal/scratch"
	"github.com/concordat-dev/concordat/ycsb"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
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
	Out    string   `default:"results" placeholder:"DIR" help:"Where the results go (default: results)."`
	Work   string   `placeholder:"DIR" help:"Where they are made, and gone on with after an interrupt. Default: one in the temporary directory, named for the commit."`
	Only   []string `placeholder:"NAME" help:"Only this experiment. Repeatable."`
	Quick  bool     `help:"Fewer cells, for a second each."`
	Fresh  bool     `help:"Measure again what an earlier run on this commit has measured."`
	Render bool     `help:"Measure nothing; render the results that are there."`
	List   bool     `help:"Only tell the experiments and how long they take."`
	Seed   uint64   `default:"1" help:"Seed of the random choices."`
	Quote  []string `default:"README.md,docs/performance.md" placeholder:"FILE" help:"Files whose quoted numbers are brought up to date."`
}

// errUsage marks errors of the command line.
var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == childArg {
		return finish(figures.Serve(ctx, os.Stdin, stdout, stderr), stderr)
	}
	var f flags
	chosen, err := cli.Parse(&f, "results", "Measure and render the project's tables and pictures.", args, stdout, stderr)
	if err != nil {
		return finish(fmt.Errorf("%w: %w", errUsage, err), stderr)
	}
	if chosen == nil {
		return exitOK
	}
	plan, err := figures.NewPlan(f.Quick).Only(f.Only)
	if err != nil {
		return finish(fmt.Errorf("%w: only: %w", errUsage, err), stderr)
	}
	switch {
	case f.List:
		list(stdout, plan)
		return exitOK
	case f.Render:
		return finish(f.render(stdout), stderr)
	}
	return finish(f.measure(ctx, plan, stdout, stderr), stderr)
}

// list tells what there is to measure.
func list(w io.Writer, plan figures.Plan) {
	for _, e := range plan.Experiments {
		one := figures.Plan{Experiments: []figures.Experiment{e}}
		fmt.Fprintf(w, "%-14s %3d measurements, about %v: %s\n", e.Name, one.Rounds(), one.Expected().Round(1e9), e.Title)
	}
	fmt.Fprintf(w, "%-14s %3d measurements, about %v\n", "all", plan.Rounds(), plan.Expected().Round(1e9))
}

// finish says what went wrong and returns the exit status for it.
func finish(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "results: %s\nTry: results --help\n", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
		return exitUsage
	case errors.Is(err, figures.ErrInterrupted) && !errors.Is(err, ycsb.ErrAudit):
		fmt.Fprintf(stderr, "results: %v\n", err)
		return exitInterrupted
	}
	fmt.Fprintln(stderr, red(stderr, "results: "+err.Error()))
	return exitFailed
}

// red makes text red on a terminal.
func red(w io.Writer, text string) string {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return "\x1b[31;1m" + text + "\x1b[0m"
	}
	return text
}

// measure measures the plan in the working directory, and publishes the results if nothing was wrong.
func (f flags) measure(ctx context.Context, plan figures.Plan, stdout, stderr io.Writer) (err error) {
	environment := ycsb.ThisEnvironment()
	data, err := scratch.Dir("concordat-results-data-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	work := f.workDir(environment)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return fmt.Errorf("%w: work: %w", errUsage, err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	tagged, err := figures.BuildTagged(ctx, plan, program, data)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d measurements, about %v, in %s\n", plan.Rounds(), plan.Expected().Round(1e9), work)
	runner := figures.Runner{
		Dir: work, Data: data, Seed: f.Seed, Command: f.command(), Environment: environment, Fresh: f.Fresh, Progress: stderr,
		Measure: figures.Children{Program: self, Args: []string{childArg}, Tagged: tagged}.Measure,
	}
	sheets, err := runner.Run(ctx, plan)
	err = errors.Join(err, figures.Wrong(sheets))
	if err != nil {
		if len(sheets) > 0 {
			err = errors.Join(err, figures.RenderDir(work))
			fmt.Fprintf(stderr, "what was measured is in %s; %s is as it was\n", work, f.Out)
		}
		return err
	}
	if err := figures.Publish(sheets, f.Out); err != nil {
		return err
	}
	return f.render(stdout)
}

// command is the command that measures the same again; where it goes is of no interest.
func (f flags) command() string {
	words := []string{"results"}
	if f.Quick {
		words = append(words, "--quick")
	}
	for _, name := range f.Only {
		words = append(words, "--only="+name)
	}
	if f.Seed != 1 {
		words = append(words, fmt.Sprintf("--seed=%d", f.Seed))
	}
	return strings.Join(words, " ")
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
