package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/chaos"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/internal/proof/ledger"
)

// prove runs the program with a command line.
func prove(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// write makes a list-append history of these lines.
func write(t *testing.T, name string, txs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	text := `{"format":"concordat-history","version":1,"workload":"list-append"}` + "\n"
	for _, tx := range txs {
		text += tx + "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	appendOne = `{"process":0,"start":0,"end":10,"status":"ok","ops":[["append","<x>",1]]}`
	readNone  = `{"process":1,"start":20,"end":30,"status":"ok","ops":[["read","<x>",[]]]}`
	readOne   = `{"process":1,"start":20,"end":30,"status":"ok","ops":[["read","<x>",[1]]]}`
)

func TestCheckOfValidHistory(t *testing.T) {
	status, stdout, stderr := prove("check", write(t, "good.jsonl", appendOne, readOne))
	if status != exitOK || stderr != "" {
		t.Errorf("status %d, %s", status, stderr)
	}
	for _, want := range []string{"2 transactions (0 failed, 0 unknown), 2 operations, 1 keys", "0 ww, 1 wr, 0 rw", "records/s", "\nstrictly serializable\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
}

// TestCheckOfStaleRead: the anomaly is named, told, and drawn.
func TestCheckOfStaleRead(t *testing.T) {
	dir := t.TempDir()
	svg, dot := filepath.Join(dir, "a.svg"), filepath.Join(dir, "a.dot")
	status, stdout, stderr := prove("check", write(t, "bad.jsonl", appendOne, readNone), "--svg", svg, "--dot", dot)
	if status != exitViolated || stderr != "" {
		t.Errorf("status %d, %s", status, stderr)
	}
	for _, want := range []string{
		"1. stale read", "line 2, process 0, 0s to 10ns: append <x> 1", "line 3, process 1, 20ns to 30ns: read <x>: []",
		"(rw <x>)", "(real time)", "had ended 10ns before", "VIOLATED: 1 × stale read",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
	drawn, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(bytes.NewReader(drawn)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the drawing is not XML: %v", err)
		}
	}
	for _, want := range []string{"stale read", "rw &lt;x&gt;", "real time", "T1", "T2"} {
		if !strings.Contains(string(drawn), want) {
			t.Errorf("%q is not drawn", want)
		}
	}
	graph, err := os.ReadFile(dot)
	if err != nil || !strings.Contains(string(graph), `a1t1 -> a1t2 [label="rw <x>"`) && !strings.Contains(string(graph), `a1t2 -> a1t1 [label="rw <x>"`) {
		t.Errorf("the graph is %s, %v", graph, err)
	}
}

// TestCheckOfSeveral: each is checked and drawn under its own name, and one bad one is enough.
func TestCheckOfSeveral(t *testing.T) {
	dir := t.TempDir()
	good, bad := write(t, "good.jsonl", appendOne, readOne), write(t, "bad.jsonl", appendOne, readNone)
	status, stdout, _ := prove("check", "--svg", filepath.Join(dir, "a.svg"), bad, good)
	if status != exitViolated || !strings.Contains(stdout, "\nstrictly serializable\n") || !strings.Contains(stdout, "VIOLATED") {
		t.Errorf("status %d:\n%s", status, stdout)
	}
	if _, err := os.Stat(filepath.Join(dir, "bad-a.svg")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "good-a.svg")); err == nil {
		t.Error("there is a drawing of nothing")
	}
}

// TestDrawingsOfSeveral: what has no name to make others of cannot take several drawings. Nothing is made, and no pipe is opened.
func TestDrawingsOfSeveral(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	bad, good := write(t, "bad.jsonl", appendOne, readNone), write(t, "good.jsonl", appendOne, readOne)
	for _, flag := range []string{"--svg", "--dot"} {
		for _, path := range []string{"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", fifo, "/dev/full", dir, dir + "/"} {
			status, stdout, stderr := prove("check", bad, good, flag, path)
			if status != exitUsage || stdout != "" || !strings.Contains(stderr, "cannot take the drawings of several histories") {
				t.Errorf("%s %s: status %d, %s%s", flag, path, status, stdout, stderr)
			}
		}
		if status, stdout, stderr := prove("check", bad, good, flag, os.DevNull); status != exitViolated || stderr != "" {
			t.Errorf("the null device: status %d, %s%s", status, stdout, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
	if status, stdout, _ := prove("check", bad, "--svg", "-"); status != exitViolated || !strings.Contains(stdout, "<svg") {
		t.Errorf("one history: status %d, %s", status, stdout)
	}
}

// cancelling is a standard output that ends a context when something is written to it.
type cancelling struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (c *cancelling) Write(data []byte) (int, error) {
	if bytes.Contains(data, []byte(c.at)) {
		c.cancel()
	}
	return c.Buffer.Write(data)
}

// interruptedAt runs the program until it says something, and interrupts it there.
func interruptedAt(t *testing.T, at string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelling{at: at, cancel: cancel}
	var errs bytes.Buffer
	status = newProgram(ctx, out, &errs).main(args)
	return status, out.String(), errs.String()
}

// violations are those that a ledger has of a check; -1 if it has no line of it.
func violations(t *testing.T, path, check string) int {
	t.Helper()
	entries, err := ledger.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		return -1
	}
	_, n := ledger.Sum(entries, check, "")
	return n
}

// TestViolationIsNotHidden: a history that is bad is status 1, and in the ledger, whatever comes after it.
func TestViolationIsNotHidden(t *testing.T) {
	bad, dir := write(t, "bad.jsonl", appendOne, readNone), t.TempDir()
	for name, after := range map[string]string{
		"missing": "/nowhere/h.jsonl", "foreign": "main.go", "cut": write(t, "half.jsonl", appendOne[:30]), "directory": dir,
	} {
		path := filepath.Join(dir, name)
		status, _, stderr := prove("check", "--ledger", path, bad, after)
		if n := violations(t, path, "check"); status != exitViolated || n != 1 || !strings.HasPrefix(stderr, "prove: ") || strings.Contains(stderr, "input: ") {
			t.Errorf("%s: status %d, %d violations in the ledger: %s", name, status, n, stderr)
		}
	}
	path := filepath.Join(dir, "drawing")
	if status, _, stderr := prove("check", "--ledger", path, "--svg", "/dev/full", bad); status != exitViolated || violations(t, path, "check") != 1 || !strings.Contains(stderr, "no space") {
		t.Errorf("a drawing that fails: status %d: %s", status, stderr)
	}
	fifo := filepath.Join(dir, "fifo") // nobody writes it
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "interrupt")
	status, stdout, stderr := interruptedAt(t, "VIOLATED", "check", "--ledger", path, bad, fifo)
	if status != exitViolated || violations(t, path, "check") != 1 {
		t.Errorf("an interrupt: status %d:\n%s%s", status, stdout, stderr)
	}
	if writer, err := os.OpenFile(fifo, os.O_WRONLY, 0); err != nil || writer.Close() != nil { // lets what waits for it go
		t.Error(err)
	}
}

// TestBadInput: a clear error and status 2.
func TestBadInput(t *testing.T) {
	good, unused := write(t, "good.jsonl", appendOne, readNone), filepath.Join(t.TempDir(), "unused")
	for _, test := range []struct{ name, args, want string }{
		{"no command", "", "expected one of"},
		{"unknown command", "chek x", "unexpected argument chek"},
		{"unknown flag", "check --fast " + good, "unknown flag --fast"},
		{"no file", "check", "expected \"<file> ...\""},
		{"missing file", "check /nowhere/h.jsonl", "no such file"},
		{"directory", "check /", "read /: is a directory"},
		{"foreign file", "check main.go", history.ErrFormat.Error()},
		{"drawing into nowhere", "check --svg /nowhere/a.svg " + good, "/nowhere/a.svg"},
		{"no transactions", "load --transactions 0", "must be at least 1"},
		{"unknown workload", "load --workload queue", "--workload must be one of"},
		{"unknown policy", "load --policy hope", "--policy must be one of"},
		{"directory that is not there", "load --dir /nowhere/at/all", "no such file"},
		{"history into nowhere", "load --transactions 10 --out /nowhere/h.jsonl", "/nowhere/h.jsonl"},
		{"ledger nowhere", "sim --seeds 1-2 --ledger /nowhere/l.jsonl", "ledger: open /nowhere/l.jsonl"},
		{"share that is no number", "load --refused NaN", "--refused is NaN"},
		{"share that vanishes", "load --refused 1e-320", "--refused is 1e-320"},
		{"too many clients", "load --clients 1000000000", "--clients is 1000000000"},
		{"too many lists", "load --live 1000000000000", "--live is"},
		{"too many workers", "load --workers 1000", "--workers is 1000"},
		{"one file twice", "load --out " + unused + " --ledger " + unused, "is the file of --out, too"},
		{"one file twice under two names", "check --svg " + unused + " --dot /." + unused + " " + good, "is the file of --svg, too"},
		{"several to one stream", "check --svg - " + good + " " + good, "svg: - cannot take"},
		{"standard output twice", "check --svg - --dot - " + good, "is the file of --svg, too"},
		{"its own input", "check --svg " + good + " " + good, "is the file of --file, too"},
		{"seed and seeds", "sim --seed 1 --seeds 1-5", "seed"},
		{"empty seeds", "sim --seeds=", "seeds: the value is empty"},
		{"empty seed", "sim --seed=", "seed: the value is empty"},
		{"empty faults", "sim --faults=", "faults: the value is empty"},
		{"empty directory", "load --dir=", "dir: the name of the directory is empty"},
		{"empty ledger", "sweep --ledger=", "ledger: the name of the file is empty"},
		{"empty disk", "chaos --disk=", "disk: the name of the directory is empty"},
		{"empty tool", "fuzz --go=", "go: the value is empty"},
		{"seeds backwards", "sim --seeds 5-1", "wrong way round"},
		{"too many seeds", "sim --seeds 0-18446744073709551615", "seeds"},
		{"unknown fault", "sim --faults flood", "no fault"},
		{"too many kills", "chaos --kills 9223372036854775807", "--kills"},
		{"half a history", "check " + write(t, "half.jsonl", appendOne[:30]), "half.jsonl"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, _, stderr := prove(strings.Fields(test.args)...)
			if status != exitUsage || !strings.Contains(stderr, test.want) || !strings.HasPrefix(stderr, "prove: ") {
				t.Errorf("status %d, %q; want %q", status, stderr, test.want)
			}
			if _, err := os.Stat(unused); err == nil {
				t.Error("a file was made")
			}
		})
	}
}

func TestHelp(t *testing.T) {
	if status, stdout, _ := prove("--help"); status != exitOK || !strings.Contains(stdout, "check") {
		t.Errorf("status %d:\n%s", status, stdout)
	}
}

// TestLoad: each workload, and what it recorded can be checked again; nothing else is left behind.
func TestLoad(t *testing.T) {
	for _, workload := range []string{"list-append", "bank", "saga"} {
		t.Run(workload, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(dir, "out.jsonl.gz")
			status, stdout, stderr := prove("load", "--workload", workload, "--transactions", "500", "--clients", "8", "--dir", dir, "--out", out)
			if status != exitOK || stderr != "" {
				t.Fatalf("status %d:\n%s%s", status, stdout, stderr)
			}
			if !strings.Contains(stdout, workload+": 8 clients") {
				t.Errorf("the output is\n%s", stdout)
			}
			if status, _, stderr := prove("check", out); status != exitOK {
				t.Errorf("status %d: %s", status, stderr)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("left in the directory: %v, %v", left, err)
			}
		})
	}
}

// TestFailedLoadKeepsTheFile: of a run that fails the file for its history is as it was before, and no other is left; of one that
// goes well it is replaced, with its permissions, through a link.
func TestFailedLoadKeepsTheFile(t *testing.T) {
	small, dir := t.TempDir(), t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=64k"); errors.Is(err, syscall.EPERM) {
		t.Skip("a file system of its own needs the right to mount one")
	} else if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	}()
	out, link := filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "link.jsonl.gz")
	if err := errors.Join(os.WriteFile(out, []byte("precious"), 0o640), os.Symlink("out.jsonl", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{out, link, filepath.Join(dir, "new.jsonl")} {
		status, _, stderr := prove("load", "--transactions", "300", "--clients", "4", "--dir", small, "--out", path)
		if text, err := os.ReadFile(out); status != exitViolated || err != nil || string(text) != "precious" {
			t.Fatalf("status %d: %s; the file holds %q, %v", status, stderr, text, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	status, _, stderr := prove("load", "--transactions", "300", "--clients", "4", "--dir", dir, "--out", link)
	h, err := history.Load(link)
	info, statErr := os.Lstat(out)
	if err := errors.Join(err, statErr); status != exitOK || err != nil || h == nil || info.Mode() != 0o640 {
		t.Errorf("status %d, %v, %v: %s", status, err, info, stderr)
	}
}

// TestNamesInAnotherCase are the names.
func TestNamesInAnotherCase(t *testing.T) {
	status, stdout, stderr := prove("load", "--policy", "Wait-Die", "--workload", "BANK", "--transactions", "300", "--clients", "4", "--dir", t.TempDir())
	if status != exitOK || !strings.Contains(stdout, "bank: 4 clients") {
		t.Errorf("load: status %d, %s%s", status, stdout, stderr)
	}
	for _, faults := range []string{"Power,DISK", "None", "ALL"} {
		if status, stdout, stderr := prove("sim", "--seed", "1", "--steps", "5", "--faults", faults); status != exitOK {
			t.Errorf("%s: status %d, %s%s", faults, status, stdout, stderr)
		}
	}
}

// TestLoadInterrupted: a run that is ended early is checked as far as it went.
func TestLoadInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	dir := t.TempDir()
	status := newProgram(ctx, &out, &errs).main([]string{"load", "--dir", dir})
	if status != exitInterrupted || !strings.Contains(out.String(), "interrupted") || !strings.Contains(out.String(), "strictly serializable") {
		t.Errorf("status %d:\n%s%s", status, out.String(), errs.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, args := range [][]string{
		{"check", write(t, "good.jsonl", appendOne, readOne)}, {"sim", "--seeds", "1-2000"}, {"sweep"}, {"fuzz"},
		{"chaos", "--kills", "20", "--dir", dir},
	} {
		out.Reset()
		errs.Reset()
		if status := newProgram(ctx, &out, &errs).main(args); status != exitInterrupted || !strings.Contains(errs.String(), "prove: interrupted") {
			t.Errorf("%v: status %d:\n%s%s", args, status, out.String(), errs.String())
		}
	}
}

// TestOutputs: a history goes to a pipe or to standard output, too, and what is told then does not; drawings of files with the same name
// have names of their own.
func TestOutputs(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan *history.History, 1)
	go func() {
		h, err := history.Load(fifo)
		if err != nil {
			t.Error(err)
		}
		read <- h
	}()
	status, stdout, stderr := prove("load", "--transactions", "300", "--clients", "4", "--dir", t.TempDir(), "--out", fifo, "--ledger", os.DevNull)
	if h := <-read; status != exitOK || h == nil || !strings.Contains(stdout, "strictly serializable") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	status, stdout, stderr = prove("load", "--transactions", "300", "--clients", "4", "--dir", t.TempDir(), "--out", "-")
	if h, err := history.Decode(strings.NewReader(stdout)); status != exitOK || err != nil || h == nil || !strings.Contains(stderr, "strictly serializable") {
		t.Errorf("status %d, %v:\n%s", status, err, stderr)
	}
	dir := t.TempDir()
	status, _, stderr = prove("check", "--svg", filepath.Join(dir, "a.svg"), write(t, "bad.jsonl", appendOne, readNone), write(t, "bad.jsonl", appendOne, readNone))
	if drawn, err := os.ReadDir(dir); status != exitViolated || err != nil || len(drawn) != 2 {
		t.Errorf("status %d, drawn %v, %v: %s", status, drawn, err, stderr)
	}
}

// TestMain lets the test's program be the one that chaos starts and kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "chaos-child" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestChaos: a short run finds nothing and is noted in the ledger.
func TestChaos(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "ledger.jsonl")
	status, stdout, stderr := prove("chaos", "--kills", "3", "--dir", dir, "--ledger", path)
	if status != exitOK || stderr != "" || !strings.Contains(stdout, "0 told something else") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	entries, err := ledger.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if kills, violations := ledger.Sum(entries, "chaos", "kills"); kills != 3 || violations != 0 {
		t.Errorf("the ledger has %d kills and %d violations", kills, violations)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, args := range [][]string{
		{"--kills", "0"}, {"--kills=-1"}, {"--clients", "0"}, {"--dir", "/nowhere"}, {"--disk", dir}, {"--fills", "1", "--disk", dir},
		{"--fills", "1", "--disk", filepath.Join(dir, "mistyped")},
	} {
		if status, _, stderr := prove(append([]string{"chaos"}, args...)...); status != exitUsage || !strings.HasPrefix(stderr, "prove: chaos:") {
			t.Errorf("%v: status %d, %s", args, status, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestChaosThatTestedTooLittle hides nothing that it found.
func TestChaosThatTestedTooLittle(t *testing.T) {
	var out, errs bytes.Buffer
	p := newProgram(t.Context(), &out, &errs)
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	c := chaosCommand{ledgerFlag: ledgerFlag{Ledger: path}}
	if err := c.openLedger(p); err != nil {
		t.Fatal(err)
	}
	few := errors.New("3 kills met only 5 answers: too little")
	found := &chaos.Result{Changed: []string{"request 7 was told 1, and now 2"}}
	err := errors.Join(c.finish(p, found, t.TempDir(), time.Second, few), p.outputs.Close())
	if !errors.Is(err, cli.ErrTold) || !errors.Is(err, few) || !strings.Contains(out.String(), "VIOLATED: request 7") || violations(t, path, "chaos") != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := c.finish(p, &chaos.Result{}, t.TempDir(), time.Second, few); !errors.Is(err, few) || errors.Is(err, cli.ErrTold) {
		t.Errorf("nothing was found: %v", err)
	}
}

// TestFuzz: a target is fuzzed and noted in the ledger; bad input is refused before anything runs.
func TestFuzz(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	status, stdout, stderr := prove("fuzz", "--each", "500x", "../../locks", "--ledger", path)
	if status != exitOK || stderr != "" || !strings.Contains(stdout, "locks.FuzzParsePolicy") {
		t.Errorf("status %d\n%s\n%s", status, stdout, stderr)
	}
	entries, err := ledger.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if executions, violations := ledger.Sum(entries, "fuzz", "executions"); executions < 500 || violations != 0 {
		t.Errorf("the ledger has %d executions and %d violations", executions, violations)
	}
	for _, args := range [][]string{{"--each", "0s"}, {"--each=-1s"}, {"--each", "0x"}, {"--each", "often"}, {"./nowhere"}, {"../../internal/scratch"}} {
		if status, _, stderr := prove(append([]string{"fuzz"}, args...)...); status != exitUsage || !strings.HasPrefix(stderr, "prove: fuzz:") {
			t.Errorf("%v: status %d, %s", args, status, stderr)
		}
	}
}

// TestFuzzInterrupted: a target that failed before the interrupt is status 1, and in the ledger; targets are counted as such.
func TestFuzzInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"go.mod": "module example.org/m\n\ngo 1.26\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc FuzzBreaks(f *testing.F) {\n\tf.Add([]byte(\"seed\"))\n" +
			"\tf.Fuzz(func(t *testing.T, b []byte) { t.Log(1 / len(b[min(1, len(b)):])) })\n}\n\n" +
			"func FuzzHolds(f *testing.F) { f.Fuzz(func(*testing.T, []byte) {}) }\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	status, stdout, stderr := interruptedAt(t, "VIOLATED", "fuzz", "--each", "5m", "--ledger", path)
	if status != exitViolated || violations(t, path, "fuzz") != 1 || !strings.Contains(stdout, "1 of 2 targets") || !strings.Contains(stdout, "1 targets failed") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
}
