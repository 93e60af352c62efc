//go:build unix

package cli

import (
	"bytes"
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGroup: when the context ends, a command and what it has started are told to end and may clean up; who does not is killed.
func TestGroup(t *testing.T) {
	for _, script := range []string{
		`trap 'echo cleaned; exit 1' INT; sleep 1000 >/dev/null & echo $!; wait`,
		`(trap "" INT; sleep 1000) >/dev/null & echo $!; trap 'echo cleaned; exit 1' INT; wait`,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, "sh", "-c", script)
		out := &told{line: make(chan struct{})}
		cmd.Stdout = out
		Group(cmd)
		if err := cmd.Start(); err != nil {
			t.Skip(err)
		}
		<-out.line
		time.AfterFunc(50*time.Millisecond, cancel) // the shell sets its trap
		_ = cmd.Wait()
		EndGroup(cmd)
		first, rest, _ := strings.Cut(out.text.String(), "\n")
		pid, err := strconv.Atoi(first)
		if err != nil || rest != "cleaned\n" {
			t.Errorf("it said %q", out.text.String())
			continue
		}
		for until := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Errorf("%s: process %d goes on", script, pid)
				break
			}
		}
	}
}

// told is a writer that tells of the first line.
type told struct {
	text bytes.Buffer
	line chan struct{}
}

func (w *told) Write(data []byte) (int, error) {
	if w.text.Len() == 0 {
		defer close(w.line)
	}
	return w.text.Write(data)
}
