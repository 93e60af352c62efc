package fuzz

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// module writes a module with two targets: one that holds, and one that any input but its seed breaks.
func module(t *testing.T) Go {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":     "module example.org/m\n\ngo 1.26\n",
		"m.go":       "package m\n",
		"plain/p.go": "package plain\n",
		"m_test.go":  "package m\n\nimport \"testing\"\n\nfunc FuzzHolds(f *testing.F) { f.Fuzz(func(*testing.T, []byte) {}) }\n",
		"sub/s.go":   "package sub\n",
		"sub/s_test.go": "package sub\n\nimport \"testing\"\n\nfunc FuzzBreaks(f *testing.F) {\n\tf.Add([]byte(\"seed\"))\n" +
			"\tf.Fuzz(func(t *testing.T, b []byte) {\n\t\tif string(b) != \"seed\" {\n\t\t\tt.Error(\"broken\")\n\t\t}\n\t})\n}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Go{Dir: dir}
}

func TestTargets(t *testing.T) {
	g := module(t)
	got, err := g.Targets(t.Context(), "./...")
	want := []Target{{"example.org/m", "FuzzHolds"}, {"example.org/m/sub", "FuzzBreaks"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("targets %v, %v; want %v", got, err, want)
	}
	if _, err := g.Targets(t.Context(), "./plain"); !errors.Is(err, ErrNoTargets) {
		t.Errorf("a package without targets: %v", err)
	}
	if _, err := g.Targets(t.Context(), "./missing"); err == nil {
		t.Error("a package that is not there was listed")
	}
}

func TestRun(t *testing.T) {
	g := module(t)
	if r := g.Run(t.Context(), Target{"example.org/m", "FuzzHolds"}, "500x"); r.Failed || r.Executions < 500 {
		t.Errorf("%d executions, failed %v:\n%s", r.Executions, r.Failed, r.Output)
	}
	if r := g.Run(t.Context(), Target{"example.org/m/sub", "FuzzBreaks"}, "100000x"); !r.Failed || !strings.Contains(r.Output, "broken") {
		t.Errorf("an input breaks it and was not found in %d executions:\n%s", r.Executions, r.Output)
	}
	if r := g.Run(t.Context(), Target{"example.org/m", "FuzzMissing"}, "500x"); !r.Failed {
		t.Errorf("a target that is not there did not fail:\n%s", r.Output)
	}
	soon, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if r := g.Run(soon, Target{"example.org/m", "FuzzHolds"}, "10m"); r.Took > time.Minute {
		t.Errorf("a run that was interrupted took %v:\n%s", r.Took, r.Output)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r := g.Run(over, Target{"example.org/m", "FuzzHolds"}, "500x"); !r.Failed {
		t.Errorf("a run that was ended before it began did not fail:\n%s", r.Output)
	}
}

func TestExecutions(t *testing.T) {
	for text, want := range map[string]int{
		"":                                       0,
		"fuzz: elapsed: 3s, execs: 12 (4/sec)\n": 12,
		"execs: 12 (4/sec)\nexecs: 345 (6/sec)\nok\n": 345,
		"execs: 99999999999999999999 (1/sec)":         0,
	} {
		if got := executions([]byte(text)); got != want {
			t.Errorf("%q: %d executions, want %d", text, got, want)
		}
	}
}

// TestRanOutOfTime: only a failure that is nothing but the end of the time is none.
func TestRanOutOfTime(t *testing.T) {
	const began = "fuzz: elapsed: 1m28s, execs: 1818030 (18787/sec), new interesting: 0 (total: 202)\n"
	for text, want := range map[string]bool{
		began + "--- FAIL: FuzzRowID (88.19s)\n    context deadline exceeded\nFAIL\nexit status 1\n": true,
		began + "PASS\n": false,
		began + "--- FAIL: FuzzRowID (88.19s)\n    --- FAIL: FuzzRowID (0.00s)\n        row_test.go:1: context deadline exceeded\nFAIL\n":                         false,
		began + "--- FAIL: FuzzRowID (88.19s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzRowID/1\nFAIL\n":                     false,
		began + "--- FAIL: FuzzRowID (88.19s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n    Failing input written to testdata\nFAIL\n": false,
	} {
		if got := ranOutOfTime([]byte(text)); got != want {
			t.Errorf("%v, want %v:\n%s", got, want, text)
		}
	}
}
