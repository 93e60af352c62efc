package cli

import (
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

type flags struct {
	Do struct {
		What  string `arg:"" help:"What to do."`
		Often int    `default:"1" help:"How often."`
		Dir   string `placeholder:"DIR" help:"Where."`
		Note  string `empty:"none" default:"x" help:"What is said."`
		With  []string
	} `cmd:"" help:"Do something."`
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args       []string
		help, fail bool
	}{
		{args: []string{"do", "it", "--often=2"}},
		{args: []string{"--help"}, help: true},
		{args: []string{"do", "--help"}, help: true},
		{args: []string{"do"}, fail: true},
		{args: []string{"do", "it", "--often=x"}, fail: true},
		{args: nil, fail: true},
		{args: []string{"do", "it", "--often=2", "--note", "", "--with", "a,b"}},
		{args: []string{"do", ""}, fail: true},
		{args: []string{"do", "it", "--dir", ""}, fail: true},
		{args: []string{"do", "it", "--dir="}, fail: true},
		{args: []string{"do", "it", "--with="}, fail: true},
	} {
		var f flags
		var out, errs bytes.Buffer
		chosen, err := Parse(&f, "test", "Tests.", c.args, &out, &errs)
		if (err != nil) != c.fail || (chosen == nil && err == nil) != c.help || strings.Contains(out.String(), "Usage: test") != c.help {
			t.Errorf("%q: %v, %v\n%s%s", c.args, chosen, err, &out, &errs)
		}
		if chosen != nil && (f.Do.What != "it" || f.Do.Often != 2) {
			t.Errorf("%q is %+v", c.args, f)
		}
	}
	_, err := Parse(new(flags), "test", "Tests.", []string{"do", "", "--dir="}, io.Discard, io.Discard)
	if err == nil || err.Error() != "what: the value is empty\ndir: the name of the directory is empty" {
		t.Errorf("empty values: %v", err)
	}
}

func TestContextEndsWithSignal(t *testing.T) {
	ctx, stop := Context()
	defer stop()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGTERM)
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Error("a signal came, and the context goes on")
	}
}
