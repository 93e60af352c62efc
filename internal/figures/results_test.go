package figures

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repository is where the results and the texts are.
const repository = "../.."

// TestResultsAreOfTheirRawData: what is in results/ is what its raw JSON says, in every number, and no audit was wrong. If it fails,
// go run ./cmd/results --render.
func TestResultsAreOfTheirRawData(t *testing.T) {
	dir := filepath.Join(repository, "results")
	sheets, err := ReadSheets(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Render(sheets)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v", err)
		} else if !strings.HasSuffix(name, ".png") && !bytes.Equal(got, want) { // how a PNG is packed may change with Go
			t.Errorf("%s is not what the raw data say", name)
		}
	}
	for _, s := range sheets {
		if err := Wrong([]*Sheet{s}); err != nil {
			t.Error(err)
		}
		if !s.Complete() {
			t.Errorf("%s is not complete", s.Experiment)
		}
	}
	for _, e := range NewPlan(false).Experiments {
		if sheets[e.Name] == nil {
			t.Errorf("%s is not measured: go run ./cmd/results --only %[1]s", e.Name)
		}
	}
}

// TestQuotedNumbers: the numbers in the texts are those in the files.
func TestQuotedNumbers(t *testing.T) {
	sheets, err := ReadSheets(filepath.Join(repository, "results"))
	if err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]int{"README.md": 8, "docs/performance.md": 5} {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		updated, count, err := Quote(string(text), sheets)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if count < least {
			t.Errorf("%s quotes %d numbers, want at least %d", name, count, least)
		}
		old, now := strings.Split(string(text), "\n"), strings.Split(updated, "\n")
		for i := range old {
			if old[i] != now[i] {
				t.Errorf("%s, line %d: says\n%s\nthe results say\n%s", name, i+1, old[i], now[i])
			}
		}
	}
}
