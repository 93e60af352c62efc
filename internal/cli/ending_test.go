package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// failing is a standard output whose writes fail.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestEnding: what each error is in exit status and words. An interruption hides no other error, and a reader that has gone no failure.
func TestEnding(t *testing.T) {
	mine, wrong := errors.New("the library was interrupted"), errors.New("the sum is wrong")
	gone := &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	for _, test := range []struct {
		err    error
		stdout error
		status int
		want   string // all of what is said
	}{
		{nil, nil, OK, ""},
		{wrong, nil, Failed, "test: the sum is wrong\n"},
		{Usage(errors.New("keys: 0")), nil, BadUsage, "test: keys: 0\nTry: test --help\n"},
		{fmt.Errorf("%w: a.json: it is empty", ErrInput), nil, BadUsage, "test: a.json: it is empty\n"},
		{ErrInterrupted, nil, Interrupted, "test: interrupted\n"},
		{mine, nil, Interrupted, "test: interrupted\n"},
		{fmt.Errorf("saga: %w", mine), nil, Interrupted, "test: interrupted\n"},
		{errors.Join(ErrInterrupted, fmt.Errorf("saga: %w", mine)), nil, Interrupted, "test: interrupted\n"},
		{errors.Join(ErrInterrupted, wrong), nil, Failed, "test: the sum is wrong\n"},
		{fmt.Errorf("saga: %w", errors.Join(wrong, mine)), nil, Failed, "test: the sum is wrong\n"},
		{ErrTold, nil, Failed, ""},
		{errors.Join(ErrTold, wrong), nil, Failed, "test: the sum is wrong\n"},
		{errors.Join(ErrTold, fmt.Errorf("%w: a.json: it is empty", ErrInput)), nil, Failed, "test: a.json: it is empty\n"},
		{errors.Join(Usage(errors.New("keys: 0")), ErrTold), nil, Failed, "test: keys: 0\n"},
		{errors.Join(ErrTold, ErrInterrupted), nil, Failed, ""},
		{Usage(Usage(errors.New("keys: 0")), errors.New("rate: 0")), nil, BadUsage, "test: keys: 0\nrate: 0\nTry: test --help\n"},
		{errors.Join(Usage(errors.New("keys: 0")), Usage(errors.New("rate: 0"))), nil, BadUsage, "test: keys: 0\nrate: 0\nTry: test --help\n"},
		{fmt.Errorf("%w: %w", ErrUsage, errors.New("list the targets: exit status 2\nusage: go test")), nil, BadUsage, "test: list the targets: exit status 2\nusage: go test\nTry: test --help\n"},
		{fmt.Errorf("%w: %w", ErrUnknown, errors.New("no answer")), nil, Unknown, "test: no answer\n"},
		{fmt.Errorf("%w: %w", ErrUnavailable, errors.New("no room")), nil, Unavailable, "test: no room\n"},
		{nil, gone, ReaderGone, ""},
		{ErrInterrupted, gone, ReaderGone, ""},
		{wrong, gone, Failed, "test: the sum is wrong\n"},
		{nil, syscall.ENOSPC, Failed, "test: standard output: no space left on device\n"},
	} {
		var said bytes.Buffer
		out := NewStdout(failing{test.stdout})
		ctx, done := out.Reader(t.Context(), func() bool { return false })
		fmt.Fprint(out, "text")
		fmt.Fprint(out, "more")
		e := Ending{Name: "test", Help: "test --help", Stdout: out, Stderr: &said, Interrupted: []error{mine}}
		if status := e.Finish(ctx, test.err); status != test.status || said.String() != test.want {
			t.Errorf("%v with %v is status %d, %q; want %d, %q", test.err, test.stdout, status, said.String(), test.status, test.want)
		}
		done()
	}
}

// TestReaderGone: it ends a command unless that has something to write elsewhere.
func TestReaderGone(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		out := NewStdout(failing{syscall.EPIPE})
		ctx, done := out.Reader(context.Background(), func() bool { return elsewhere })
		if n, err := out.Write([]byte("text")); n != 4 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if (ctx.Err() == nil) != elsewhere {
			t.Errorf("with another output %v: %v", elsewhere, ctx.Err())
		}
		done()
	}
}

// TestHelpTellsStatuses of each command.
func TestHelpTellsStatuses(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"do", "--help"}} {
		var f flags
		var out, errs bytes.Buffer
		if _, err := Parse(&f, "test", "Tests.", args, &out, &errs); err != nil || !strings.Contains(out.String(), "130  interrupted") {
			t.Errorf("%v: %v, %s", args, err, out.String())
		}
	}
}

// TestCommand: what a shell makes of it are the words.
func TestCommand(t *testing.T) {
	for want, words := range map[string][]string{
		"concordat ycsb run --keys=5":   {"concordat", "ycsb", "run", "--keys=5"},
		"a 'my file' '$x' 'it'\"'\"'s'": {"a", "my file", "$x", "it's"},
		"a ''":                          {"a", ""},
	} {
		if got := Command(words...); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}

// TestLoggerSaysThingsSeldom: what differs in numbers only is told a few times, everything else each time.
func TestLoggerSaysThingsSeldom(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out)
	for i := range 100 {
		log.With("part", i).WithGroup("g").Error(fmt.Sprintf("write %06d.sst: no space left on device", i))
	}
	log.Error("something else")
	if lines := strings.Count(out.String(), "\n"); lines != sameLines+1 || !strings.Contains(out.String(), "and so on") {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}
