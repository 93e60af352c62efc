package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/internal/figures"
	"github.com/concordat-dev/concordat/ycsb"
)

// TestMain makes this program the child that measures, when it is asked to.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == childArg {
		main()
	}
	os.Exit(m.Run())
}

func try(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	status = run(t.Context(), args, &out, &errOut)
	return status, out.String(), errOut.String()
}

// TestUsage: a wrong command line is status 2 and says what is wrong, before anything is measured.
func TestUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown flag --bananas":        {"--bananas"},
		`there is no experiment "zipp"`: {"--only", "zipp"},
		"expected":                      {"--seed", "minus one"},
	} {
		status, _, stderr := try(t, args...)
		if status != exitUsage || !strings.Contains(stderr, want) || !strings.Contains(stderr, "--help") {
			t.Errorf("%v: status %d, %q", args, status, stderr)
		}
	}
	if status, stdout, _ := try(t, "--help"); status != exitOK || !strings.Contains(stdout, "--quick") {
		t.Errorf("status %d, %q", status, stdout)
	}
}

func TestList(t *testing.T) {
	status, stdout, _ := try(t, "--list", "--only", "zipf")
	if status != exitOK || !strings.Contains(stdout, "zipf") || strings.Contains(stdout, "hot-key") || !strings.Contains(stdout, "14 measurements") {
		t.Errorf("status %d, %q", status, stdout)
	}
}

// TestMeasureAndRender: an experiment in short, from the processes that measure to the page, and rendered again to the same.
func TestMeasureAndRender(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	out := filepath.Join(t.TempDir(), "out")
	text := filepath.Join(t.TempDir(), "text.md")
	if err := os.WriteFile(text, []byte("0<!-- figure deadlocks/10/1 rate -->"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := try(t, "--quick", "--only", "deadlocks", "--out", out, "--quote", text)
	if status != exitOK || !strings.Contains(stderr, "[  6/6] deadlocks") || !strings.Contains(stdout, "report.html") {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	first, err := os.ReadFile(filepath.Join(out, "README.md"))
	if err != nil || !strings.Contains(string(first), "`results --quick --only=deadlocks; commit ") {
		t.Errorf("%s, %v", first, err)
	}
	if quoted, err := os.ReadFile(text); err != nil || strings.HasPrefix(string(quoted), "0<") {
		t.Errorf("quoted: %s, %v", quoted, err)
	}
	if status, _, stderr := try(t, "--render", "--out", out, "--quote="); status != exitOK {
		t.Errorf("status %d, %q", status, stderr)
	}
	second, err := os.ReadFile(filepath.Join(out, "README.md"))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("rendered again: %s, %v", second, err)
	}
}

// TestRenderNothing: no results, or such of another version, are errors that say so.
func TestRenderNothing(t *testing.T) {
	dir := t.TempDir()
	if status, _, stderr := try(t, "--render", "--out", dir); status != exitFailed || !strings.Contains(stderr, "no results") {
		t.Errorf("status %d, %q", status, stderr)
	}
	path := figures.SheetPath(dir, "zipf")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(`{"figures_schema": 1}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := try(t, "--render", "--out", dir); status != exitFailed || !strings.Contains(stderr, "schema 1, not") {
		t.Errorf("status %d, %q", status, stderr)
	}
}

// TestStatus: a wrong audit is status 1 even after an interrupt.
func TestStatus(t *testing.T) {
	audit := fmt.Errorf("zipf: %w: money is missing", ycsb.ErrAudit)
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK}, {audit, exitFailed}, {errors.Join(figures.ErrInterrupted, audit), exitFailed},
		{fmt.Errorf("zipf: %w", figures.ErrInterrupted), exitInterrupted}, {errors.New("disk full"), exitFailed},
	} {
		if got := finish(c.err, new(bytes.Buffer)); got != c.want {
			t.Errorf("%v is status %d, want %d", c.err, got, c.want)
		}
	}
}

// TestWorkDir: a run goes on where one of the same commit and kind was ended.
func TestWorkDir(t *testing.T) {
	e := ycsb.Environment{Commit: "0123456789abcdef"}
	dirty := ycsb.Environment{Commit: "0123456789abcdef+dirty"}
	dirs := []string{flags{}.workDir(e), flags{Quick: true}.workDir(e), flags{}.workDir(dirty), flags{}.workDir(ycsb.Environment{}), flags{Work: "w"}.workDir(e)}
	seen := make(map[string]bool)
	for _, dir := range dirs {
		if seen[dir] {
			t.Errorf("%s is that of two", dir)
		}
		seen[dir] = true
	}
	if !strings.HasSuffix(dirs[0], "concordat-results-0123456789ab") || dirs[4] != "w" {
		t.Errorf("directories %v", dirs)
	}
}
