// Package fuzz runs the fuzz targets of a module with the go tool and counts what they tried.
package fuzz

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoTargets: the packages that were named have no fuzz target.
var ErrNoTargets = errors.New("fuzz: no package has a target")

// Go is the go tool of one module.
type Go struct {
	Tool string // its name or path; default: go
	Dir  string // a directory of the module; default: the process's own
}

// Target is a function that is fuzzed.
type Target struct {
	Package string // import path
	Name    string
}

// String is the target's package and name, as in engine.FuzzTail.
func (t Target) String() string { return path.Base(t.Package) + "." + t.Name }

// Result is what came of fuzzing one target.
type Result struct {
	Target
	Executions int
	Took       time.Duration
	// Failed: an input made the target fail, or it could not be run, or nothing was executed. Output says which. The go tool
	// has written the input to testdata/fuzz of the package, where every later go test runs it.
	Failed bool
	Output string
}

// FoundInput reports whether an input made the target fail, also if the run was ended early.
func (r Result) FoundInput() bool { return strings.Contains(r.Output, failingInput) }

// failingInput is what go test says when it has written such an input.
const failingInput = "Failing input"

// Targets lists the fuzz targets of the packages that the patterns name, such as ./..., in the go tool's order.
func (g Go) Targets(ctx context.Context, patterns ...string) ([]Target, error) {
	out, err := g.command(ctx, append([]string{"test", "-run", "^$", "-list", "^Fuzz"}, patterns...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("fuzz: list the targets: %w\n%s", err, out)
	}
	targets := readTargets(string(out))
	if len(targets) == 0 {
		return nil, ErrNoTargets
	}
	return targets, nil
}

// readTargets finds the targets in what go test -list prints: for each package the names, and then a line that says that it is ok.
func readTargets(out string) (targets []Target) {
	named := 0 // targets whose package is known
	for line := range strings.Lines(out) {
		switch words := strings.Fields(line); {
		case len(words) == 1 && strings.HasPrefix(words[0], "Fuzz"):
			targets = append(targets, Target{Name: words[0]})
		case len(words) > 1 && words[0] == "ok":
			for ; named < len(targets); named++ {
				targets[named].Package = words[1]
			}
		}
	}
	return targets[:named]
}

// Run fuzzes a target for as long as budget says: a duration, or a number of executions such as 1000x. It blocks until then.
func (g Go) Run(ctx context.Context, t Target, budget string) Result {
	began := time.Now()
	out, err := g.command(ctx, "test", t.Package, "-run", "^$", "-fuzz", "^"+t.Name+"$", "-fuzztime", budget, "-fuzzminimizetime", "20x").
		CombinedOutput()
	r := Result{Target: t, Executions: executions(out), Took: time.Since(began), Output: string(out)}
	r.Failed = (err != nil && !ranOutOfTime(out)) || r.Executions == 0
	return r
}

var outOfTime = regexp.MustCompile(`(?m)^--- FAIL: \w+ \([0-9.]+s\)\n\s+context deadline exceeded\nFAIL$`)

// ranOutOfTime reports whether go test failed for no other reason than that its time was over: now and then it takes the end of
// -fuzztime for a failure, without an input (golang.org/issue/75804).
func ranOutOfTime(out []byte) bool {
	return outOfTime.Match(out) && !strings.Contains(string(out), failingInput)
}

var counted = regexp.MustCompile(`\bexecs: (\d+)`)

// executions is the last count that go test printed, 0 if there is none.
func executions(out []byte) int {
	all := counted.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(string(all[len(all)-1][1]))
	if err != nil {
		return 0 // more than an int holds
	}
	return n
}

// command is a run of the go tool. When ctx ends the tool and all that it started are interrupted, and the tool is killed if it does
// not end.
func (g Go) command(ctx context.Context, args ...string) *exec.Cmd {
	tool := g.Tool
	if tool == "" {
		tool = "go"
	}
	c := exec.CommandContext(ctx, tool, args...)
	c.Dir, c.WaitDelay = g.Dir, 10*time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }
	return c
}
