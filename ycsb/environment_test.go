package ycsb

import (
	"os/exec"
	"runtime/debug"
	"testing"
)

// TestCommitIsThatOfTheBinary: where the program is run says nothing of what it was built from.
func TestCommitIsThatOfTheBinary(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", "x"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Skipf("git: %v: %s", err, out)
		}
	}
	here := ThisEnvironment().Commit
	t.Chdir(dir)
	if there := ThisEnvironment().Commit; there != here || there == "" {
		t.Errorf("the commit is %q in one directory and %q in another", here, there)
	}
}

func TestStampedCommit(t *testing.T) {
	revision := func(dirty string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: dirty}}
	}
	for want, info := range map[string]*debug.BuildInfo{
		"abc":       {Settings: revision("false"), Main: debug.Module{Version: "v0.0.0-2026-abc"}},
		"abc+dirty": {Settings: revision("true")},
		"v1.2.3":    {Main: debug.Module{Version: "v1.2.3"}},
		"":          {Main: debug.Module{Version: "(devel)"}},
	} {
		if got := stampedCommit(info); got != want {
			t.Errorf("%+v: %q, want %q", info, got, want)
		}
	}
}
