package figures

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// notYetMeasured are the experiments that came after the last run of make results. The next one measures them: take them out here then.
var notYetMeasured = []string{}

// repository is where the results and the texts are.
const repository = "../../.."

// TestResultsAreOfTheirSummaries: what is in results/ is what its CSV says, in every number, and no audit was wrong. If it fails,
// go run ./cmd/results --render.
func TestResultsAreOfTheirSummaries(t *testing.T) {
	dir := filepath.Join(repository, "results")
	summaries, err := ReadSummaries(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Render(summaries)
	if err != nil {
		t.Fatal(err)
	}
	delete(files, reportFile) // is not kept
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v", err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the CSV says", name)
		}
	}
	for _, s := range summaries {
		for _, c := range s.Cells {
			if c.Wrong != "" {
				t.Errorf("%s, %s: %s", s.Experiment, c.Name, c.Wrong)
			}
		}
		if !s.Complete() || s.Quick || !known(s.Commit) {
			t.Errorf("%s is not complete, or of a quick run, or of commit %s", s.Experiment, s.Commit)
		}
	}
	for _, e := range NewPlan(false).Experiments {
		switch measured := summaries[e.Name] != nil; {
		case measured && slices.Contains(notYetMeasured, e.Name):
			t.Errorf("%s is measured: take it out of notYetMeasured", e.Name)
		case !measured && !slices.Contains(notYetMeasured, e.Name):
			t.Errorf("%s is not measured: go run ./cmd/results --only %[1]s", e.Name)
		}
	}
}

// TestPaperIsBesideOurs: every experiment that names a table of the paper's shows it, in each panel that the paper has.
func TestPaperIsBesideOurs(t *testing.T) {
	summaries, err := ReadSummaries(filepath.Join(repository, "results"))
	if err != nil {
		t.Fatal(err)
	}
	paper, shown := readPaper(), 0
	for _, e := range NewPlan(false).Experiments {
		rows := paper.Tables[e.Paper].Rows
		if len(rows) == 0 || summaries[e.Name] == nil {
			continue
		}
		x := newExhibit(e, summaries[e.Name], paper)
		for _, panel := range summaries[e.Name].panels() {
			has := func(t table) bool {
				return strings.HasPrefix(t.Title, panel) && slices.ContainsFunc(t.Rows, func(row []string) bool { return strings.HasPrefix(row[0], "paper: ") })
			}
			if slices.ContainsFunc(rows, func(r PaperRow) bool { return r.Panel == panel }) && !slices.ContainsFunc(x.Tables, has) {
				t.Errorf("%s, %s: the paper's numbers are not there", e.Name, panel)
			}
			shown++
		}
	}
	if shown < 5 {
		t.Errorf("the paper is beside %d of our tables", shown)
	}
}

// TestQuotedNumbers: the numbers in the texts are those in the files.
func TestQuotedNumbers(t *testing.T) {
	summaries, err := ReadSummaries(filepath.Join(repository, "results"))
	if err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]int{"README.md": 8, "docs/performance.md": 5, "docs/GUARANTEES.md": 6} {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		updated, count, err := Quote(string(text), templatesOf(filepath.Join(repository, name)), summaries)
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
