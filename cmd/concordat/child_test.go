package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
)

// asProgram, in the environment, makes the test's binary be the program.
const asProgram = "CONCORDAT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// child is the program in a process of its own, with a directory for its temporary files.
type child struct {
	*exec.Cmd
	temporary    string
	stdout, errs bytes.Buffer
}

func newChild(t *testing.T, line string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.Command(self, words(line)...), temporary: t.TempDir()}
	c.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+c.temporary)
	c.Stdout, c.Stderr = &c.stdout, &c.errs
	return c
}

// begun waits until the run has its temporary directory, or something has been written.
func (c *child) begun(t *testing.T) {
	t.Helper()
	for range 1000 {
		if made, err := filepath.Glob(filepath.Join(c.temporary, "concordat-ycsb-*", "*.log")); err == nil && len(made) > 0 {
			time.Sleep(300 * time.Millisecond) // the rows are loaded
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the program has not begun")
}

// ended waits for the end and returns the exit status. Nothing may be left in the temporary directory.
func (c *child) ended(t *testing.T) int {
	t.Helper()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(c.temporary); err != nil || len(left) > 0 {
		t.Errorf("%v left behind %v, %v", c.Args[1:], left, err)
	}
	return c.ProcessState.ExitCode()
}

const quarterHour = " --keys 50 --clients 4 --warmup 0s --duration 15m"

func isIgnored(s os.Signal) bool { return signal.Ignored(s) }

// TestSignals: each of the three ends a run early, which is audited and written.
func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if isIgnored(signal) {
			continue // the tests themselves were started so, with nohup, and their children are
		}
		path := filepath.Join(t.TempDir(), "out.json")
		c := newChild(t, "ycsb run --json "+path+quarterHour)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		c.begun(t)
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		status := c.ended(t)
		reports, err := ycsb.ReadReports(path)
		if status != exitInterrupted || err != nil || !reports[0].Interrupted || !reports[0].Balanced() || !strings.Contains(c.errs.String(), "interrupted") {
			t.Errorf("%v: status %d, %v, %s", signal, status, err, c.errs.String())
		}
	}
}

// TestHangupIsIgnored by a program that was started to do so.
func TestHangupIsIgnored(t *testing.T) {
	c := newChild(t, "ycsb run --keys 50 --clients 4 --warmup 0s --duration 2s")
	c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh"}, c.Args...)
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	c.begun(t)
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if status := c.ended(t); status != exitOK || !strings.Contains(c.stdout.String(), "over 2.0 s") {
		t.Errorf("status %d: %s%s", status, c.stdout.String(), c.errs.String())
	}
}

// TestSecondSignal ends the program at once, if it has not ended with the first.
func TestSecondSignal(t *testing.T) {
	c := newChild(t, "ycsb run --keys 100000 --clients 4 --warmup 0s --duration 15m")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.begun(t)
	deadline := time.Now().Add(30 * time.Second)
	for c.ProcessState == nil && time.Now().Before(deadline) {
		if c.Process.Signal(syscall.SIGTERM) != nil {
			break // it has ended
		}
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(c.Process.Pid, &status, syscall.WNOHANG, nil); err == nil && pid > 0 {
			if s := status.ExitStatus(); s != 128+int(syscall.SIGTERM) && s != exitInterrupted {
				t.Errorf("status %d", s)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("it goes on")
}

// TestInterruptedCommands: a search and a comparison that are ended before they have anything to show say so.
func TestInterruptedCommands(t *testing.T) {
	for _, command := range []string{"search", "compare --html="} {
		c := newChild(t, "ycsb "+command+quarterHour)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		c.begun(t)
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if status := c.ended(t); status != exitInterrupted || !strings.Contains(c.errs.String(), "concordat: interrupted") {
			t.Errorf("%s: status %d, %q", command, status, c.errs.String())
		}
	}
}

// TestReaderGone: a program whose output nobody reads any more ends quietly and cleans up; what goes to a file is complete.
func TestReaderGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	for line, rounds := range map[string]int{
		"ycsb run --repeat 3 --json " + path + few: 3,
		"ycsb run --repeat 3" + few:                0,
		"ycsb run --json -" + few:                  0,
		"--help":                                   0,
	} {
		c := newChild(t, line)
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		c.Stdout = write
		if err := errors.Join(read.Close(), c.Start(), write.Close()); err != nil {
			t.Fatal(err)
		}
		if status := c.ended(t); status != cli.ReaderGone || c.errs.Len() > 0 {
			t.Errorf("%s: status %d, %q", line, status, c.errs.String())
		}
		if rounds > 0 {
			if reports, err := ycsb.ReadReports(path); err != nil || len(reports) != rounds {
				t.Errorf("%s: %d reports, %v", line, len(reports), err)
			}
		}
	}
}

// TestFirstLineOnly: somebody reads the first line of a search and goes; it ends.
func TestFirstLineOnly(t *testing.T) {
	c := newChild(t, "ycsb search --keys 50 --clients 4 --warmup 0s --duration 200ms --start-rate 10 --achieved 0.01 --precision 0.001")
	c.Stdout = nil
	read, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReaderSize(read, 16).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	if status := c.ended(t); status != cli.ReaderGone {
		t.Errorf("status %d, %s", status, c.errs.String())
	}
}

// TestReportsToPipes: a report can go to a device, a pipe, and a process substitution.
func TestReportsToPipes(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() {
		data, _ := io.ReadAll(read) // what there is decides
		got <- data
	}()
	c := newChild(t, fmt.Sprintf("ycsb compare --json /dev/fd/3 --html %s", os.DevNull)+few)
	c.ExtraFiles = []*os.File{write}
	if err := errors.Join(c.Start(), write.Close()); err != nil {
		t.Fatal(err)
	}
	status := c.ended(t)
	reports, err := ycsb.ParseReports(<-got)
	if status != exitOK || err != nil || len(reports) != len(compared) || !strings.Contains(c.stdout.String(), "serializable") {
		t.Errorf("status %d, %v: %s", status, err, c.errs.String())
	}
	c = newChild(t, "ycsb run --json /dev/stdout"+few)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	status = c.ended(t)
	if reports, err := ycsb.ParseReports(c.stdout.Bytes()); status != exitOK || err != nil || len(reports) != 1 {
		t.Errorf("status %d, %v: %s", status, err, c.errs.String())
	}
}
