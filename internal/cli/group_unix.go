//go:build unix

package cli

import (
	"os/exec"
	"syscall"
	"time"
)

// Group has a command run in a process group of its own. When its context ends, it and all that it has started are interrupted, as by
// a terminal, so that they clean up, and killed if they have not ended some seconds later.
func Group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
}

// EndGroup kills what is left of the group of a command that has ended.
func EndGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly there is nobody
	}
}
