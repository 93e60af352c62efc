package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/scratch"
	"github.com/concordat-dev/concordat/ycsb"
)

// fake is a target of few abilities in memory without any contention control: one transfer at a time, by a channel.
type fake struct {
	turn     chan struct{}
	balances map[int]int64
	leak     bool
	endsAt   int64 // the transfer that the disk is too full for to be made as a whole
	moved    *atomic.Int64
	onMove   func() // called in each transfer, if it is set
}

func newFake(leak bool) *fake {
	f := &fake{turn: make(chan struct{}, 1), balances: make(map[int]int64), leak: leak, moved: new(atomic.Int64)}
	f.turn <- struct{}{}
	return f
}

func (f *fake) do(what func()) error {
	<-f.turn
	what()
	f.turn <- struct{}{}
	return nil
}

func (f *fake) Load(_ context.Context, key int, row ycsb.Row) error {
	return f.do(func() { f.balances[key] = row.Balance })
}
func (f *fake) Read(context.Context, int) error                        { return nil }
func (f *fake) Update(context.Context, string, ycsb.FieldUpdate) error { return nil }
func (f *fake) Transfer(_ context.Context, _ string, t ycsb.Transfer) error {
	time.Sleep(100 * time.Microsecond)
	moved := f.moved.Add(1)
	if f.onMove != nil {
		f.onMove()
	}
	full := f.endsAt > 0 && moved >= f.endsAt
	err := f.do(func() {
		f.balances[t.From] -= t.Amount
		if !f.leak && !full {
			f.balances[t.To] += t.Amount
		}
	})
	if full {
		return fmt.Errorf("%w: no space left on device", ycsb.ErrStore)
	}
	return err
}
func (f *fake) Balance(_ context.Context, key int) (balance int64, err error) {
	err = f.do(func() { balance = f.balances[key] })
	return balance, err
}
func (f *fake) Close() error { return nil }

// withFake runs the program on a fake target.
func withFake(ctx context.Context, leak bool, args ...string) (status int, stdout, stderr string) {
	return withFakes(ctx, func(int) *fake { return newFake(leak) }, args...)
}

// withFakes runs it on one fake target after the other; the first is number 1.
func withFakes(ctx context.Context, next func(n int) *fake, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	p := newProgram(ctx, &out, &errs)
	opened := 0
	p.open = func(ycsb.Setup, settings, string, *slog.Logger) (target, error) {
		opened++
		return next(opened), nil
	}
	status = p.main(args)
	return status, out.String(), errs.String()
}

// words splits a command line.
func words(line string) []string { return strings.Fields(line) }

const short = " --duration 50ms --warmup 10ms --keys 20 --clients 4"

// few is a run that ends after some operations, however long they take: on a busy machine a sync may outlast a short run.
const few = " -p operationcount=200 --warmup 0s --keys 20 --clients 4"

// TestBadInput: a clear error, status 2, and nothing was run.
func TestBadInput(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want string }{
		{"", "expected"},
		{"ycsb", "expected"},
		{"ycsb fly", "fly"},
		{"ycsb run --colour red", "colour"},
		{"ycsb run --keys many", "keys"},
		{"ycsb run --keys 0", "keys: must be more than 0"},
		{"ycsb run --keys=-5", "keys: -5"},
		{"ycsb run --keys 1", "two distinct keys"},
		{"ycsb run --clients 0", "clients: must be more than 0"},
		{"ycsb run --clients=-1", "clients: -1"},
		{"ycsb run --rate=-1", "rate"},
		{"ycsb run --rate NaN", "rate"},
		{"ycsb run --arrivals poisson", "arrivals: poisson arrivals need a rate"},
		{"ycsb run --arrivals never --rate 5", "neither constant nor poisson"},
		{"ycsb run --interval=-1s", "interval"},
		{"ycsb run --interval 1ms --duration 1h", "interval"},
		{"ycsb run --repeat 0", "repeat: 0"},
		{"ycsb run --repeat 1001", "repeat: 1001"},
		{"ycsb run --parties 1", "parties: 1"},
		{"ycsb run --parties 17", "parties: 17"},
		{"ycsb run --parties 0", "parties: must be more than 0"},
		{"ycsb run --parties 5 --keys 4", "5 distinct keys"},
		{"ycsb run --mix snapshot=100 --snapshot-keys 8 --keys 4", "8 distinct keys"},
		{"ycsb run --mix scan=100", "this target cannot scan"},
		{"ycsb run --mix insert=100", "this target cannot insert"},
		{"ycsb run --parties 3", "cannot make a transfer with 3 parties"},
		{"ycsb run -P /nowhere/at/all.properties", "no such file"},
		{"ycsb run -P workloadq", "workloada, workloadb"},
		{"ycsb run -p readpropotion=1", `did you mean "readproportion"?`},
		{"ycsb run -p readproportion", "key=value"},
		{"ycsb run -P workloada -p readproportion=0.6", "must sum"},
		{"ycsb run -p recordcount=1 -p transferproportion=1", "two distinct keys"},
		{"ycsb search --start-rate 0", "start-rate: must be more than 0"},
		{"ycsb search --start-rate=-5", "start-rate"},
		{"ycsb search --rate 100", "rate: it is what the search finds"},
		{"ycsb search --repeat 2", "repeat"},
		{"ycsb search --p99=-1ms", "p99"},
		{"ycsb search --achieved 0", "achieved"},
		{"ycsb search --tries 0", "tries"},
		{"ycsb search --rollbacks 1", "all operations are to be refused"},
		{"ycsb search --protocol 3pc", "none of plain, saga and serializable"},
		{"ycsb search --keys 0", "keys: must be more than 0"},
		{"ycsb diff", "expected"},
		{"ycsb diff /nowhere/a.json /nowhere/b.json", "/nowhere/b.json"},
		{"ycsb diff --tolerance=-1 a b", "tolerance"},
		{"ycsb diff --tolerance 1 a b", "tolerance"},
		{"ycsb diff --confidence 0 a b", "confidence"},
		{"ycsb run --duration 0s", "duration: must be more than 0"},
		{"ycsb run --duration=-1s", "duration"},
		{"ycsb run --duration 5", "duration"},
		{"ycsb run --warmup=-1s", "warmup"},
		{"ycsb run --mix read=50", "must sum"},
		{"ycsb run --mix write=100", `"write"`},
		{"ycsb run --distribution normal", "none of uniform, zipfian"},
		{"ycsb run --theta 9 --distribution zipfian", "theta"},
		{"ycsb run --rollbacks 1.5", "rollbacks"},
		{"ycsb run --rollbacks=-1", "rollbacks"},
		{"ycsb run --policy hope", "policy"},
		{"ycsb run --protocol 3pc", "none of plain, saga and serializable"},
		{"ycsb run --protocol floor", "none of plain, saga and serializable"},
		{"ycsb run --protocol limit", "none of plain, saga and serializable"},
		{"ycsb floor --protocol saga", "protocol"},
		{"ycsb limit --protocol saga", "protocol"},
		{"ycsb limit --keys 0", "keys: must be more than 0"},
		{"ycsb run --workers=-1", "workers: -1"},
		{"ycsb run --workers 1000", "workers: 1000"},
		{"ycsb run --seed=-1", "seed"},
		{"ycsb run --ids maybe", "maybe"},
		{"ycsb run --json /nowhere/at/all.json", "json"},
		{"ycsb run --json " + full, "json"},
		{"ycsb run --cpuprofile /nowhere/at/all", "cpuprofile"},
		{"ycsb run --dir " + full, "not empty, and not a directory of Concordat's"},
		{"ycsb run --dir " + full + "/letter", "dir"},
		{"ycsb floor --keys 0", "keys: must be more than 0"},
		{"ycsb compare --clients 0", "clients: must be more than 0"},
		{"ycsb compare --html /nowhere/at/all.html", "html"},
		{"ycsb compare --dir " + full, "not empty"},
		{"ycsb run --dir=", "dir: the name of the directory is empty"},
		{"ycsb run --json=", "json: the name of the file is empty"},
		{"ycsb run --cpuprofile=", "cpuprofile: the name of the file is empty"},
		{"ycsb run --arrivals=", "arrivals: the value is empty"},
		{"ycsb search --policy= --dir=", "policy: the value is empty"},
		{"ycsb compare --mix=", "mix: the value is empty"},
		{"ycsb hotel --choice=", "choice: the value is empty"},
		{"ycsb run --rate 1e-11", "rate: 1e-11"},
		{"ycsb run --rate 1e-320 --arrivals POISSON", "rate"},
		{"ycsb run --rate Inf", "rate"},
		{"ycsb run --rate 1e400", "rate"},
		{"ycsb run --arrivals Poisson", "arrivals: poisson arrivals need a rate"},
		{"ycsb run -p target=1e-12", "rate"},
		{"ycsb run -p target=NaN", "rate"},
		{"ycsb run --interval 2562047h", "interval"},
		{"ycsb run --duration 2562047h", "duration"},
		{"ycsb run --duration 2562048h", "duration"},
		{"ycsb run --warmup 2562047h", "warmup"},
		{"ycsb run --mix read=1e-320,transfer=100", "mix: a share is so small"},
		{"ycsb run --mix read=1e-12,transfer=1", "mix: a share is so small"},
		{"ycsb run --mix read=Inf,transfer=1", "mix"},
		{"ycsb run --mix read=0,transfer=0", "mix"},
		{"ycsb run --rollbacks 1e-320", "rollbacks"},
		{"ycsb run --rollbacks NaN", "rollbacks"},
		{"ycsb run --theta NaN --distribution ZIPFIAN", "theta"},
		{"ycsb run --keys 99999999999999999999", "keys"},
		{"ycsb run --keys 100000001", "keys"},
		{"ycsb run --clients 9223372036854775807", "clients"},
		{"ycsb run -p recordcount=100000000 -p fieldlength=9223372036854775807", "fields"},
		{"ycsb run -p operationcount=-1", "operationcount"},
		{"ycsb run -p maxexecutiontime=4294967295", "duration"},
		{"ycsb run -p requestdistribution=hotspot -p hotspotdatafraction=0.001 -p hotspotopnfraction=1 -p recordcount=1000", "hotspot: 2 distinct keys"},
		{"ycsb run -p requestdistribution=hotspot -p hotspotdatafraction=NaN", "hotspot"},
		{"ycsb search --start-rate NaN", "start-rate"},
		{"ycsb search --start-rate 1e-11", "start-rate"},
		{"ycsb search --start-rate 10 --max-rate 5", "start-rate"},
		{"ycsb search --max-rate Inf", "max-rate"},
		{"ycsb search --achieved NaN", "achieved"},
		{"ycsb search --precision 1e-320", "precision"},
		{"ycsb search --precision NaN", "precision"},
		{"ycsb search --rollbacks 0.9999999999", "all operations are to be refused"},
		{"ycsb search --p99 2562047h", "p99"},
		{"ycsb search --json /nowhere/at/all.json", "json"},
		{"ycsb diff --tolerance NaN a b", "tolerance"},
		{"ycsb diff --confidence NaN a b", "confidence"},
		{"ycsb run --json " + full + "/x --cpuprofile " + full + "/x", "cpuprofile: "},
		{"ycsb run --json " + full + "/x --cpuprofile " + full + "/../" + filepath.Base(full) + "/x", "json, too"},
		{"ycsb run --stages --cpuprofile " + full + "/x", "--cpuprofile and --stages can't be used together"},
		{"ycsb floor --stages", "stages"},
		{"ycsb run --brokers localhost:9092", "brokers: they need --kafka"},
		{"ycsb run --no-answers", "no-answers: it needs --kafka"},
		{"ycsb run --kafka --protocol plain", "kafka: a request from a topic is one call"},
		{"ycsb compare --json " + full + "/x --html " + full + "/x", "html: "},
		{"ycsb compare --json - --html -", "html: - is the file of --json, too"},
		{"ycsb run -P " + full + "/letter --json " + full + "/letter", "is the file of --properties, too"},
	} {
		status, stdout, stderr := withFake(t.Context(), false, words(test.args)...)
		if status != exitUsage || !strings.Contains(stderr, test.want) || strings.Contains(stdout, "committed") {
			t.Errorf("concordat %s: status %d, want 2 and %q, and got:\n%s%s", test.args, status, test.want, stdout, stderr)
		}
		if entries, err := os.ReadDir(full); err != nil || len(entries) != 1 {
			t.Fatalf("concordat %s: it has made %v, %v", test.args, entries, err)
		}
	}
}

// TestNamesInAnotherCase are the names, in the report, too.
func TestNamesInAnotherCase(t *testing.T) {
	t.Chdir(t.TempDir()) // where no file has the name of a workload
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb run -P TRANSFERS -p insertorder=Hashed --protocol SAGA --policy Wait-Die --distribution Zipfian --mix Transfer=100 --rate 500 --arrivals Poisson --json -"+short)...)
	reports, err := ycsb.ParseReports([]byte(stdout))
	if status != exitOK || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	if r := reports[0]; r.Protocol != "saga" || r.Policy != "wait-die" || r.Distribution != "zipfian" || r.Arrivals != "poisson" {
		t.Errorf("%+v", r)
	}
}

// TestIdleFlags: what a flag says and nothing comes of is told.
func TestIdleFlags(t *testing.T) {
	status, _, stderr := withFake(t.Context(), false, words("ycsb run --theta 1.2 --snapshot-keys 3"+short)...)
	if status != exitOK || !strings.Contains(stderr, "--theta means nothing here: the distribution is uniform") || !strings.Contains(stderr, "--snapshot-keys means nothing") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"--help", "ycsb --help", "ycsb run --help", "ycsb limit --help", "ycsb compare --help"} {
		if status, stdout, _ := withFake(t.Context(), false, words(args)...); status != exitOK || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%s: status %d:\n%s", args, status, stdout)
		}
	}
}

// TestJSON: one object on standard output with exactly these fields, and nothing else there.
func TestJSON(t *testing.T) {
	for _, protocol := range []string{"run --protocol plain", "run --protocol saga", "run", "floor", "limit"} {
		var stdout, stderr bytes.Buffer
		args := words("ycsb " + protocol + " --json - --mix read=20,update=20,transfer=60 --dir " + filepath.Join(t.TempDir(), "d") + few)
		if status := run(args, &stdout, &stderr); status != exitOK {
			t.Fatalf("%s: status %d: %s", protocol, status, stderr.String())
		}
		var report map[string]any
		if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
			t.Fatalf("%s: %v in:\n%s", protocol, err, stdout.String())
		}
		fields := slices.Sorted(maps.Keys(report))
		want := words("audit clients commit committed committed_per_s cpu deadlocks distribution duration_s failed go keys kinds latency_ms " +
			"lock_wait_ms lock_waits mix not_started policy protocol rate retries schema seed series sum_after sum_before unknown workers workload")
		if _, err := os.Stat("/proc/self/io"); err == nil {
			want = slices.Sorted(slices.Values(append(want, "written_bytes", "written_bytes_per_op")))
		}
		if !slices.Equal(fields, want) {
			t.Errorf("%s: fields %v", protocol, fields)
		}
		kinds := slices.Sorted(maps.Keys(report["latency_ms"].(map[string]any)))
		if !slices.Equal(kinds, words("all read transfer update")) || report["committed"].(float64) < 10 {
			t.Errorf("%s: kinds %v, %v committed", protocol, kinds, report["committed"])
		}
	}
}

// TestBytesWritten: a run tells how many bytes it has written to the disk, where the system does, and otherwise that it does not.
func TestBytesWritten(t *testing.T) {
	dir, err := scratch.Dir("concordat-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if scratch.InMemory(dir) {
		t.Skip("there is no disk")
	}
	path := filepath.Join(dir, "r.json")
	status, stdout, stderr := runWords("ycsb run --json " + path + " --dir " + filepath.Join(dir, "d") + few)
	reports, err := ycsb.ReadReports(path)
	if status != exitOK || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	r := reports[0]
	if _, err := os.Stat("/proc/self/io"); err != nil {
		if r.WrittenBytes != nil || !regexp.MustCompile(`bytes written +- +not known`).MatchString(stdout) {
			t.Errorf("%v bytes:\n%s", r.WrittenBytes, stdout)
		}
		return
	}
	const least = 2 * ycsb.MaxFields * ycsb.FieldBytes // two states of each transfer, without their balances; 20 keys: more than one epoch
	if r.WrittenBytes == nil || *r.WrittenBytes < 20*least || *r.WrittenPerOp != math.Round(float64(*r.WrittenBytes)/200*10)/10 {
		t.Errorf("%+v", r)
	}
	if !regexp.MustCompile(`bytes written +[0-9,]+ +for each committed operation, [0-9,]+ in all`).MatchString(stdout) {
		t.Errorf("it says\n%s", stdout)
	}
}

// TestLoneAppend: beside a lone client a limit tells how long an append takes.
func TestLoneAppend(t *testing.T) {
	for clients, told := range map[string]bool{"1": true, "3": false} {
		path := filepath.Join(t.TempDir(), "l.json")
		status, stdout, stderr := runWords("ycsb limit --json " + path + few + " --clients " + clients)
		reports, err := ycsb.ReadReports(path)
		if status != exitOK || err != nil {
			t.Fatalf("status %d, %v: %s", status, err, stderr)
		}
		a := reports[0].Append
		if (a != nil) != told || told && (a.P50 <= 0 || a.P50 > reports[0].LatencyMS["all"].P50 || a.Histogram.Count() != 200) {
			t.Errorf("%s clients: %+v, of a latency of %+v", clients, a, reports[0].LatencyMS["all"])
		}
		if says := regexp.MustCompile(`a synced append to the log: p50 [0-9.]+ ms, p99`).MatchString(stdout); says != told {
			t.Errorf("%s clients: it says\n%s", clients, stdout)
		}
	}
}

// TestSummaryAndFile: people read standard output, programs the file; what the file held before is gone.
func TestSummaryAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	if err := os.WriteFile(path, bytes.Repeat([]byte("old"), 10_000), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb run --json "+path+short)...)
	if status != exitOK || stderr != "" {
		t.Errorf("status %d: %s", status, stderr)
	}
	for _, want := range []string{"serializable", "committed", "p99.9", "the sum of all balances is right: 200,000"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the summary does not say %q:\n%s", want, stdout)
		}
	}
	data, err := os.ReadFile(path)
	var report ycsb.Report
	if err != nil || json.Unmarshal(data, &report) != nil || report.Protocol != "serializable" {
		t.Errorf("%v in %s", err, data)
	}
}

// TestStdoutIsForOne: an output that goes to the standard output is alone there; people read the standard error then, unless all is in
// the output.
func TestStdoutIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	for _, args := range []string{"--cpuprofile -", "--cpuprofile - --repeat 2 --json " + path} {
		status, stdout, stderr := withFake(t.Context(), false, words("ycsb run "+args+few)...)
		zip, err := gzip.NewReader(strings.NewReader(stdout))
		if err == nil {
			_, err = io.Copy(io.Discard, zip)
		}
		if status != exitOK || err != nil || !strings.Contains(stderr, "is right: 200,000") {
			t.Errorf("%s: status %d, %v in %q\n%s", args, status, err, stdout[:min(len(stdout), 100)], stderr)
		}
	}
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb compare --html - --json "+path+few)...)
	if status != exitOK || !strings.HasPrefix(stdout, "<!") || !strings.HasSuffix(strings.TrimSpace(stdout), "</html>") {
		t.Errorf("a page: status %d, %s\n%s", status, stdout[:min(len(stdout), 100)], stderr)
	}
}

// TestWrongSum: status 1, and both people and programs are told.
func TestWrongSum(t *testing.T) {
	status, stdout, stderr := withFake(t.Context(), true, words("ycsb run"+few)...)
	if status != exitFailed || !strings.Contains(stdout, "WRONG SUM") || !strings.Contains(stderr, "sum of all balances changed") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	html := filepath.Join(t.TempDir(), "c.html")
	status, stdout, _ = withFake(t.Context(), true, words("ycsb compare --html "+html+few)...)
	if page, err := os.ReadFile(html); status != exitFailed || !strings.Contains(stdout, "WRONG") || err != nil || !bytes.Contains(page, []byte("WRONG SUM")) {
		t.Errorf("compare: status %d, %v:\n%s", status, err, stdout)
	}
}

// TestFullDiskIsNoWrongSum: a run that its store ended has failed, whatever it has left half done, and nothing is run after it.
func TestFullDiskIsNoWrongSum(t *testing.T) {
	for _, command := range []string{"run --protocol plain --repeat 3", "compare --html=", "search"} {
		opened := 0
		full := func(n int) *fake {
			opened = n
			f := newFake(false)
			f.endsAt = 20
			return f
		}
		status, stdout, stderr := withFakes(t.Context(), full, words("ycsb "+command+few)...)
		if status != exitFailed || strings.Contains(stdout+stderr, "WRONG") || !strings.Contains(stderr, "no space left on device") || opened != 1 {
			t.Errorf("%s: status %d, %d runs:\n%s%s", command, status, opened, stdout, stderr)
		}
		if command != "search" && !strings.Contains(stdout, "NOT AUDITED") {
			t.Errorf("%s: it does not say so:\n%s", command, stdout)
		}
	}
}

// TestInterrupted: a signal ends the run early; it is audited and written, and the temporary directory is gone.
func TestInterrupted(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(os.Getenv("TMPDIR"), "out.json")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	interrupted := func(int) *fake {
		f := newFake(false)
		f.onMove = cancel
		return f
	}
	status, stdout, _ := withFakes(ctx, interrupted, words("ycsb run --keys 20 --warmup 0s --duration 1h --json "+path)...)
	data, err := os.ReadFile(path)
	if status != exitInterrupted || err != nil || !strings.Contains(stdout, "is right") || !bytes.Contains(data, []byte(`"sum_after": 200000`)) {
		t.Errorf("status %d, %v:\n%s\n%s", status, err, stdout, data)
	}
	if left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "concordat-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestInterruptedAtOnce: nothing was measured, so nothing is written.
func TestInterruptedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	status, _, _ := withFake(ctx, false, words("ycsb run --json "+path)...)
	if _, err := os.Stat(path); status != exitInterrupted || !os.IsNotExist(err) {
		t.Errorf("status %d, %v", status, err)
	}
}

// TestCompare: the real thing, for a moment: five protocols that balance, a table, a page and a JSON array.
func TestCompare(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	args := words("ycsb compare --html " + dir + "/c.html --json " + dir + "/c.json --dir " + dir + "/data" + few)
	if status := run(args, &stdout, &stderr); status != exitOK {
		t.Fatalf("status %d:\n%s%s", status, stdout.String(), stderr.String())
	}
	data, err := os.ReadFile(dir + "/c.json")
	if err != nil {
		t.Fatal(err)
	}
	var reports []ycsb.Report
	if err := json.Unmarshal(data, &reports); err != nil || len(reports) != 5 {
		t.Fatalf("%v, %d reports", err, len(reports))
	}
	for i, r := range reports {
		if r.Protocol != compared[i] || r.Committed == 0 || r.Failed != 0 || !strings.Contains(stdout.String(), r.Protocol) {
			t.Errorf("%+v", r)
		}
		if len(r.Of) != 3 || r.Of[r.Protocol] != 1 && i > 2 {
			t.Errorf("%s is %v of the yardsticks", r.Protocol, r.Of)
		}
	}
	html, err := os.ReadFile(dir + "/c.html")
	inPage := bytes.Contains(html, []byte("of limit")) && bytes.Contains(html, []byte("of floor"))
	if err != nil || !inPage || !strings.Contains(stdout.String(), "of limit  of floor") {
		t.Errorf("%v; the ratios are not in the page, or not in\n%s", err, stdout.String())
	}
}

// TestDirIsUsedAgain: a second run on the same directory is not answered with the outcomes of the first, and the yardsticks and the
// engine do not touch each other's.
func TestDirIsUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for range 2 {
		status := run(words("ycsb run --dir "+dir+short), new(bytes.Buffer), os.Stderr)
		if status != exitOK {
			t.Fatalf("status %d", status)
		}
	}
	log := filepath.Join(t.TempDir(), "l")
	for range 2 {
		if status, _, stderr := runWords("ycsb limit --dir " + log + short); status != exitOK {
			t.Fatalf("status %d: %s", status, stderr)
		}
	}
	for _, args := range []string{
		"floor --dir " + dir, "limit --dir " + dir, "search --protocol limit --dir " + dir, "run --dir " + log, "floor --dir " + log,
	} {
		if status, _, stderr := runWords("ycsb " + args + short); status != exitUsage || !strings.Contains(stderr, "dir: ") {
			t.Errorf("%s: status %d: %s", args, status, stderr)
		}
	}
	if status, _, stderr := runWords("ycsb run --dir " + dir + short); status != exitOK {
		t.Errorf("afterwards: status %d: %s", status, stderr)
	}
}

func TestNoIDs(t *testing.T) {
	for _, flag := range []string{"--ids=false", "--no-ids", "--ids=true"} {
		if status, _, stderr := withFake(t.Context(), false, words("ycsb run "+flag+short)...); status != exitOK {
			t.Errorf("%s: status %d: %s", flag, status, stderr)
		}
	}
}
