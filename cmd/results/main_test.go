package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/report/figures"
	"github.com/concordat-dev/concordat/ycsb"
)

// asProgram, in the environment, makes the test's binary be the program.
const asProgram = "CONCORDAT_TEST_AS_PROGRAM"

// TestMain makes this program the child that measures, when it is asked to, or the whole program.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || len(os.Args) == 2 && os.Args[1] == childArg {
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

// TestUsage: a wrong command line is status 2 and says what is wrong, before anything is measured. Nothing is written.
func TestUsage(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for path, text := range map[string]string{"file": "", "text.md": "", "README.md": "", "docs/performance.md": "", "docs/GUARANTEES.md": "", "mine/README.md": "# Mine\n", "old/raw": ""} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, dir)
	for args, want := range map[string]string{
		"--bananas":                              "unknown flag --bananas",
		"results":                                "unexpected argument",
		"--only zipp":                            `there is no experiment "zipp"`,
		"--only=":                                "only: it names no experiment",
		"--seed minus-one":                       "expected",
		"--render --list":                        "can't be used together",
		"--render --fresh":                       "render: nothing is measured, so --fresh",
		"--render --only zipf":                   "render: nothing is measured, so --only",
		"--render --quick":                       "render: nothing is measured, so --quick",
		"--pairs 3":                              "pairs: it has no meaning without --before",
		"--after ls":                             "after: it has no meaning without --before",
		"--before=":                              "before: it names no program",
		"--before ls --out x":                    "out: it has no meaning with --before",
		"--before ls --pairs 1":                  "pairs: 1 is below 2",
		"--before ls --tolerance 2":              "tolerance: 2 is not below 1",
		"--before ls --tolerance=-1":             "tolerance: -1 is negative",
		"--before ./nobody --quick":              "before: ",
		"--list --out x":                         "list: nothing is measured, so --out",
		"--list --seed 1":                        "list: nothing is measured, so --seed",
		"--quick --quote text.md":                "quick: numbers of a quick run are not quoted",
		"--out=":                                 "out: the name of the directory is empty",
		"--work=":                                "work: the name of the directory is empty",
		"--out file":                             "out: file cannot be written into: file is no directory",
		"--out file/below":                       "out: file/below cannot be written into",
		"--work file":                            "work: file cannot be written into",
		"--out mine":                             "out: mine/README.md is not of results",
		"--work mine":                            "work: mine/README.md is not of results",
		"--out old":                              "out: old/raw cannot be written into",
		"--out new --work ./new":                 "work: ./new is the directory of --out, too",
		"--quote none.md":                        "quote: stat none.md: no such file",
		"--quote docs":                           "quote: docs is no regular file",
		"--quote text.md,./text.md":              "quote: ./text.md is given twice",
		"--out docs --quote docs/performance.md": "quote: docs/performance.md is in the directory of --out",
	} {
		status, stdout, stderr := try(t, strings.Fields(args)...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, "results --help") {
			t.Errorf("%s: status %d, %q, want %q", args, status, stderr, want)
		}
	}
	if after := tree(t, dir); after != before {
		t.Errorf("it left\n%s\nof\n%s", after, before)
	}
	if status, stdout, _ := try(t, "--help"); status != exitOK || !strings.Contains(stdout, "--quick") || !strings.Contains(stdout, "130  interrupted") {
		t.Errorf("status %d, %q", status, stdout)
	}
}

// tree are the paths in a directory, and how long the files are.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		paths = append(paths, fmt.Sprint(path, " ", entry.IsDir() || info.Size() == 0))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(paths, "\n")
}

func TestList(t *testing.T) {
	status, stdout, _ := try(t, "--list", "--only", "ZIPF") // upper and lower case are the same
	if status != exitOK || !strings.Contains(stdout, "zipf") || strings.Contains(stdout, "hot-key") || !strings.Contains(stdout, "14 measurements") {
		t.Errorf("status %d, %q", status, stdout)
	}
}

// TestMeasureAndRender: an experiment in short, from the processes that measure to the page, and rendered again to the same.
func TestMeasureAndRender(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	out := filepath.Join(t.TempDir(), "my results")
	status, stdout, stderr := try(t, "--quick", "--only", "Deadlocks", "--out", out)
	if status != exitOK || !strings.Contains(stderr, "[  6/6] deadlocks") || !strings.Contains(stdout, "report.html") {
		t.Fatalf("status %d, %q, %q", status, stdout, stderr)
	}
	first, err := os.ReadFile(filepath.Join(out, "README.md"))
	if err != nil || !strings.Contains(string(first), "`results --quick --only=deadlocks; commit ") {
		t.Errorf("%s, %v", first, err)
	}
	if status, _, stderr := try(t, "--render", "--out", out, "--quote="); status != exitOK {
		t.Errorf("status %d, %q", status, stderr)
	}
	second, err := os.ReadFile(filepath.Join(out, "README.md"))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("rendered again: %s, %v", second, err)
	}
	testQuotes(t, out)
}

// testQuotes: numbers of a quick run do not get into a text, those of a full one do, and the text stays what it was otherwise: a link
// with its mode.
func testQuotes(t *testing.T, out string) {
	t.Helper()
	text, link := filepath.Join(t.TempDir(), "text.md"), filepath.Join(t.TempDir(), "link.md")
	if err := errors.Join(os.WriteFile(text, []byte("<!-- begin figures from t.md -->\n0\n<!-- end figures -->\n"), 0o640), os.Symlink(text, link),
		os.WriteFile(filepath.Join(filepath.Dir(text), "t.md"), []byte("{deadlocks/10/1 rate}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := try(t, "--render", "--out", out, "--quote", link); status != exitFailed || !strings.Contains(stderr, "quick run, whose numbers are not quoted") {
		t.Errorf("status %d, %q", status, stderr)
	}
	s, err := figures.ReadSheet(figures.SheetPath(out, "deadlocks"))
	if err != nil {
		t.Fatal(err)
	}
	s.Quick = false
	if err := figures.Publish([]*figures.Sheet{s}, out); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := try(t, "--render", "--out", out, "--quote", link); status != exitOK {
		t.Errorf("status %d, %q", status, stderr)
	}
	quoted, err := os.ReadFile(text)
	info, statErr := os.Lstat(text)
	if err := errors.Join(err, statErr); err != nil || strings.Contains(string(quoted), "\n0\n") || info.Mode() != 0o640 {
		t.Errorf("quoted: %s, %v", quoted, err)
	}
}

// TestRenderNothing: no results, or such of another version, are inputs that are bad, and what is said says so.
func TestRenderNothing(t *testing.T) {
	dir := t.TempDir()
	if status, _, stderr := try(t, "--render", "--out", dir); status != exitUsage || !strings.Contains(stderr, "no results") {
		t.Errorf("status %d, %q", status, stderr)
	}
	path := filepath.Join(dir, "csv", "zipf.csv")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("# schema: 0\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := try(t, "--render", "--out", dir); status != exitUsage || !strings.Contains(stderr, `schema "0", not`) {
		t.Errorf("status %d, %q", status, stderr)
	}
}

// TestCommands: what is quoted in pages, and what goes on with a run, are what a shell takes for the same words.
func TestCommands(t *testing.T) {
	plan, err := figures.NewPlan(true).Only([]string{"ZIPF"})
	if err != nil {
		t.Fatal(err)
	}
	f := flags{Quick: true, Only: []string{"ZIPF"}, Seed: 7, Out: "my results", Work: "it's", Quote: []string{"a b.md", "c.md"}}
	if got, want := f.command(plan), "results --quick --only=zipf --seed=7"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := f.again(plan), `results --quick --only=zipf --seed=7 '--out=my results' '--quote=a b.md,c.md' '--work=it'"'"'s'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestTwoRuns: the second in one working directory is refused, says why, and leaves the first's alone.
func TestTwoRuns(t *testing.T) {
	work, out := filepath.Join(t.TempDir(), "work"), filepath.Join(t.TempDir(), "out")
	unlock, err := cli.LockDir(work)
	if err != nil {
		t.Fatal(err)
	}
	status, _, stderr := try(t, "--quick", "--only", "deadlocks", "--work", work, "--out", out)
	if status != exitUsage || !strings.Contains(stderr, "work: "+work+": another process uses it") {
		t.Errorf("status %d, %s", status, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there are results")
	}
	if _, err := os.Stat(work); err != nil {
		t.Error(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// TestDirty: what no commit has is measured in a hurry only.
func TestDirty(t *testing.T) {
	for commit, refused := range map[string]bool{"0123456789abcdef+dirty": true, "0123456789abcdef": false, ycsb.UnknownCommit: false} {
		e := ycsb.Environment{Commit: commit}
		if err := (flags{}).refuse(e); (err != nil) != refused {
			t.Errorf("%s: %v", commit, err)
		}
		if err := (flags{Quick: true}).refuse(e); err != nil {
			t.Errorf("%s, quick: %v", commit, err)
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
