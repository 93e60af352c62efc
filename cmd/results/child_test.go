package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
)

// child is the program in a process group of its own, with a directory for its temporary files.
type child struct {
	*exec.Cmd
	temporary    string
	stdout, errs bytes.Buffer
}

func newChild(t *testing.T, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(self, args...), temporary: t.TempDir()}
	c.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+c.temporary, "GOTMPDIR=")
	c.Stdout, c.Stderr = &c.stdout, &c.errs
	cli.Group(c.Cmd)
	c.Cancel, c.WaitDelay = nil, 0
	return c
}

// wait waits until there is something below the temporary directory.
func (c *child) wait(t *testing.T, pattern string) {
	t.Helper()
	for range 3000 {
		if made, err := filepath.Glob(filepath.Join(c.temporary, pattern)); err == nil && len(made) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("there is no %s", pattern)
}

// ended waits for the end and returns the exit status. No process and no file may be left, but for what was measured.
func (c *child) ended(t *testing.T) int {
	t.Helper()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for until := time.Now().Add(5 * time.Second); syscall.Kill(-c.Process.Pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Errorf("%v left processes behind", c.Args[1:])
			cli.EndGroup(c.Cmd)
		}
	}
	left, err := filepath.Glob(filepath.Join(c.temporary, "*"))
	for _, path := range left {
		if name := filepath.Base(path); !strings.HasPrefix(name, "concordat-results-") || strings.HasPrefix(name, "concordat-results-data-") {
			t.Errorf("%v left behind %s", c.Args[1:], path)
		}
	}
	if err != nil {
		t.Error(err)
	}
	return c.ProcessState.ExitCode()
}

// TestSignals: each of the three ends a run at once, during the build of a program and during a measurement, with the usual status,
// and nothing is left behind.
func TestSignals(t *testing.T) {
	for only, begun := range map[string]string{"overhead": "*/go-build*", "zipf": "*/concordat-figure-*/data/*.log"} {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			if signal.Ignored(s) {
				continue // the tests themselves were started so, with nohup, and their children are
			}
			out := filepath.Join(t.TempDir(), "out")
			c := newChild(t, "--only", only, "--out", out, "--quote=")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			c.wait(t, begun)
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			status := c.ended(t)
			if took := time.Since(began); status != exitInterrupted || took > 10*time.Second || !strings.HasSuffix(c.errs.String(), "results: interrupted\n") {
				t.Errorf("%s, %v: status %d after %v: %s", only, s, status, took, c.errs.String())
			}
			if _, err := os.Stat(out); err == nil {
				t.Errorf("%s, %v: there are results", only, s)
			}
		}
	}
}

// TestStdout: nobody who reads, a full disk, and none at all.
func TestStdout(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	c := newChild(t, "--list")
	c.Stdout = write
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if status := c.ended(t); status != cli.ReaderGone || c.errs.Len() > 0 {
		t.Errorf("status %d: %s", status, c.errs.String())
	}
	for script, want := range map[string]int{`"$@" >/dev/full`: exitFailed, `"$@" >&-`: exitOK} {
		c := newChild(t, "--list")
		c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, c.Args...)
		if err := c.Start(); err != nil {
			t.Skip(err)
		}
		if status := c.ended(t); status != want || want == exitFailed && !strings.Contains(c.errs.String(), "standard output: ") {
			t.Errorf("%s: status %d: %s", script, status, c.errs.String())
		}
	}
}
