package ycsb

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// Environment is where a run was made.
type Environment struct {
	Commit string // of the source, with "+dirty" if it was changed since; "" if that is not known
	Go     string // the Go version
	CPU    string // the processor's name and the number of threads that Go uses
}

// ThisEnvironment describes the running program. The commit is what the Go command stamped into the binary or, since go run
// and go test stamp nothing, what git says of the current directory.
func ThisEnvironment() Environment {
	commit := stampedCommit()
	if commit == "" {
		commit = gitCommit()
	}
	return Environment{Commit: commit, Go: runtime.Version(), CPU: fmt.Sprintf("%d x %s", runtime.GOMAXPROCS(0), cpuName())}
}

func stampedCommit() (commit string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return ""
	}
	return commit + dirty
}

func gitCommit() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return ""
	}
	commit := strings.TrimSpace(string(out))
	if changes, err := exec.Command("git", "status", "--porcelain").Output(); err == nil && len(changes) > 0 {
		commit += "+dirty"
	}
	return commit
}

func cpuName() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
