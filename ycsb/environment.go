package ycsb

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Environment is where a run was made.
type Environment struct {
	Commit string // of the source, with "+dirty" if it was changed since, or its version; UnknownCommit if that is not known
	Go     string // the Go version
	CPU    string // the processor's name and the number of threads that Go uses
}

// UnknownCommit is the commit of a program that was built without a stamp: by go run or go test, or with -buildvcs=false.
const UnknownCommit = "unknown"

// builtFrom is the commit of the source, for those who build without a stamp and know it: the linker sets it (see the Makefile).
var builtFrom string

// ThisEnvironment describes the running program. The commit is what was stamped into the binary when it was built; where it is run
// says nothing of it.
func ThisEnvironment() Environment {
	commit := builtFrom
	if info, ok := debug.ReadBuildInfo(); ok && commit == "" {
		commit = stampedCommit(info)
	}
	if commit == "" {
		commit = UnknownCommit
	}
	return Environment{Commit: commit, Go: runtime.Version(), CPU: fmt.Sprintf("%d x %s", runtime.GOMAXPROCS(0), cpuName())}
}

// stampedCommit is the commit of a binary or, if it was built from a published module, the version of that; "" if it has neither.
func stampedCommit(info *debug.BuildInfo) (commit string) {
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if version := info.Main.Version; commit == "" && version != "(devel)" {
		return version
	}
	return commit + dirty
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
