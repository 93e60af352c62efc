package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
)

// TestRepeat: an array of as many rounds; standard output has a summary of each.
func TestRepeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb run --repeat 3 --json "+path+few)...)
	reports, err := ycsb.ReadReports(path)
	if status != exitOK || err != nil || len(reports) != 3 || strings.Count(stdout, "is right: 200,000") != 3 {
		t.Fatalf("status %d, %v, %d reports:\n%s%s", status, err, len(reports), stdout, stderr)
	}
	for i, r := range reports {
		if r.Round != i+1 || r.Kinds["transfer"].Latency.Count() != int64(r.Committed) || len(r.Series) == 0 {
			t.Errorf("round %d: %+v", i+1, r)
		}
	}
}

// TestRepeatedComparison: the rounds of a protocol are one row of the table, and the JSON has them all, taking turns.
func TestRepeatedComparison(t *testing.T) {
	dir := t.TempDir()
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb compare --repeat 2 --html "+dir+"/c.html --json "+dir+"/c.json"+few)...)
	reports, err := ycsb.ReadReports(dir + "/c.json")
	if status != exitOK || err != nil || len(reports) != 10 || strings.Count(stdout, "saga") != 2 || reports[9].Of["limit"] != 1 {
		t.Fatalf("status %d, %v, %d reports:\n%s%s", status, err, len(reports), stdout, stderr)
	}
	for i, r := range reports {
		if r.Protocol != compared[i%5] || r.Round != i/5+1 {
			t.Errorf("report %d is of %s in round %d", i, r.Protocol, r.Round)
		}
	}
	status, stdout, stderr = withFake(t.Context(), false, words("ycsb diff --tolerance 0.9 "+dir+"/c.json "+dir+"/c.json")...)
	if status != exitOK || strings.Count(stdout, "similar") != 15 || strings.Count(stdout, "2 pairs") != 5 {
		t.Errorf("diff: status %d:\n%s%s", status, stdout, stderr)
	}
}

// TestWrongRoundsGoOn: each round is run and reported, and the status is 1.
func TestWrongRoundsGoOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	status, stdout, _ := withFake(t.Context(), true, words("ycsb run --repeat 2 --json "+path+few)...)
	reports, err := ycsb.ReadReports(path)
	if status != exitFailed || err != nil || len(reports) != 2 || reports[1].Balanced() || strings.Count(stdout, "WRONG SUM") != 2 {
		t.Errorf("status %d, %v, %d reports:\n%s", status, err, len(reports), stdout)
	}
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb diff "+path+" "+path)...)
	if status != exitUsage || !strings.Contains(stderr, "wrong audit") {
		t.Errorf("diff: status %d:\n%s%s", status, stdout, stderr)
	}
}

// TestInterruptedRounds: the rounds until then are written, and the one that was interrupted.
func TestInterruptedRounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	third := func(n int) *fake {
		f := newFake(false)
		if n == 3 {
			f.onMove = cancel
		}
		return f
	}
	status, _, stderr := withFakes(ctx, third, words("ycsb run --repeat 1000 --json "+path+few)...)
	reports, err := ycsb.ReadReports(path)
	if status != exitInterrupted || err != nil || len(reports) != 3 || reports[1].Interrupted || !reports[2].Interrupted {
		t.Errorf("status %d, %v, %d reports: %s", status, err, len(reports), stderr)
	}
}

// speed makes a file of rounds that commit so many operations a second.
func speed(t *testing.T, rates ...float64) string {
	t.Helper()
	var reports []ycsb.Report
	for i, rate := range rates {
		ms := 1000 / rate
		reports = append(reports, ycsb.Report{
			Schema: ycsb.Schema, Workload: "rows", Protocol: "saga", Keys: 10, Clients: 4, Mix: ycsb.Mix{Transfer: 1}, Round: i + 1, CommittedPerS: rate,
			LatencyMS: map[string]ycsb.Latency{"transfer": {P50: ms, P99: ms}, "all": {P50: ms, P99: ms}},
		})
	}
	path := filepath.Join(t.TempDir(), "s.json")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(ycsb.WriteReports(f, reports), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDiff: the exit status is for CI.
func TestDiff(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(old, []byte(`{"protocol":"saga","committed":5}`), 0o644); err != nil {
		t.Fatal(err)
	}
	base := speed(t, 100, 102, 98, 101)
	edited := func(old, new string, times int) string {
		text, err := os.ReadFile(base)
		path := filepath.Join(t.TempDir(), "edited.json")
		if err == nil {
			err = os.WriteFile(path, []byte(strings.Replace(string(text), old, new, times)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name, args string
		status     int
		want       string
	}{
		{"the same", base + " " + base, exitOK, "throughput"},
		{"slower", base + " " + speed(t, 80, 81, 79, 80.5), exitFailed, "slower"},
		{"slower but tolerated", "--tolerance 0.5 " + base + " " + speed(t, 80, 81, 79, 80.5), exitOK, "similar"},
		{"a little slower", base + " " + speed(t, 99, 101, 97, 100), exitOK, "similar"},
		{"a little slower without tolerance", "--tolerance 0 " + base + " " + speed(t, 99, 101, 97, 100), exitFailed, "by more than 0 %"},
		{"faster", base + " " + speed(t, 120, 123, 118, 121), exitOK, "faster"},
		{"noise", base + " " + speed(t, 30, 190, 110, 60), exitOK, "unclear"},
		{"fewer rounds", base + " " + speed(t, 100, 101), exitUsage, "4 runs and B has 2"},
		{"a single round", speed(t, 100) + " " + speed(t, 100), exitUsage, "use --repeat"},
		{"a kind that B has lost", base + " " + edited(`"transfer": {`, `"all": {`, -1), exitUsage, "each run of A has latencies of transfer, and no run of B"},
		{"a kind that A had not", edited(`"transfer": {`, `"all": {`, -1) + " " + base, exitUsage, "each run of B has latencies of transfer, and no run of A"},
		{"no latencies at all", base + " " + edited(`"latency_ms": {`, `"latency": {`, -1), exitUsage, "and no run of B"},
		{"a kind that is rare", base + " " + edited(`"transfer": {`, `"read": {`, 1), exitOK, "note: rows, saga, 10 keys"},
		{"an absurd rate", base + " " + edited(`"committed_per_s": 1`, `"committed_per_s": 1e308, "x": 1`, 1), exitUsage, "run 1 of B: committed_per_s is 1e+308"},
		{"a negative rate", edited(`"committed_per_s": 1`, `"committed_per_s": -1`, 1) + " " + base, exitUsage, "run 1 of A: committed_per_s is -1"},
		{"an absurd latency", base + " " + edited(`"p99": `, `"p99": 1e308, "x": `, 1), exitUsage, "has 1e+308, which no run has"},
		{"an old file", base + " " + old, exitUsage, "no schema"},
	} {
		status, stdout, stderr := withFake(t.Context(), false, words("ycsb diff "+test.args)...)
		if status != test.status || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("%s: status %d, want %d and %q:\n%s%s", test.name, status, test.status, test.want, stdout, stderr)
		}
	}
}

// TestSearchCommand goes up to the highest rate, as little is to be achieved, and writes what it found.
func TestSearchCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	args := "ycsb search --start-rate 100 --max-rate 800 --achieved 0.01 --p99 5m --arrivals poisson --json " + path + short + " --duration 100ms"
	status, stdout, stderr := withFake(t.Context(), false, words(args)...)
	var report ycsb.SearchReport
	data, err := os.ReadFile(path)
	if err := errors.Join(err, json.Unmarshal(data, &report)); status != exitOK || err != nil {
		t.Fatalf("status %d, %v:\n%s%s", status, err, stdout, stderr)
	}
	if len(report.Goals) != 2 || report.Goals[0].Rate != 800 || len(report.Probes) != 4 || report.Probes[0].Report.Arrivals != "poisson" || report.Probes[0].Report.Rate != 100 {
		t.Errorf("%+v", report.Goals)
	}
	if !regexp.MustCompile(`highest rate with 1 % achieved\s+800/s`).MatchString(stdout) || !strings.Contains(stdout, "p99 at most 5m0s") {
		t.Errorf("it says:\n%s", stdout)
	}
}

// TestSearchOfALeak: a wrong audit fails the search.
func TestSearchOfALeak(t *testing.T) {
	status, stdout, stderr := withFake(t.Context(), true, words("ycsb search --start-rate 100"+few)...)
	if status != exitFailed || !strings.Contains(stderr, "sum of all balances changed") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
}

// TestWorkloads: those of YCSB and the transfers, by name, on the engine and on the yardsticks.
func TestWorkloads(t *testing.T) {
	for _, name := range ycsb.ShippedWorkloads() {
		for _, command := range []string{"run --protocol saga", "floor", "limit"} {
			var stdout, stderr bytes.Buffer
			args := "ycsb " + command + " -P " + name + " -p recordcount=50 -p operationcount=300 --clients 8 --warmup 0s --json - --dir " + filepath.Join(t.TempDir(), "d")
			if status := run(words(args), &stdout, &stderr); status != exitOK {
				t.Errorf("%s: status %d: %s", args, status, stderr.String())
				continue
			}
			reports, err := ycsb.ParseReports(stdout.Bytes())
			if err != nil || reports[0].Committed != 300 || reports[0].Keys != 50 || reports[0].Clients != 8 {
				t.Errorf("%s: %v, %+v", args, err, reports)
			}
			if note := strings.Contains(stderr.String(), "note: "+name+":4: workload="); note != (name != "transfers") {
				t.Errorf("%s: the notes are:\n%s", args, stderr.String())
			}
		}
	}
}

// TestFlagsBeforeProperties: what the command line says goes before what files say, and single properties go before files; the
// defaults of flags do not.
func TestFlagsBeforeProperties(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(path, []byte("recordcount=30\nthreadcount=3\nreadproportion=1\nrequestdistribution=latest"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := withFake(t.Context(), false,
		words("ycsb run --duration 20ms --warmup 0s --clients 2 --json - -P "+path+" -p recordcount=40 -p zipfiantheta=0.5")...)
	reports, err := ycsb.ParseReports([]byte(stdout))
	if status != exitOK || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, stderr)
	}
	if r := reports[0]; r.Clients != 2 || r.Keys != 40 || r.Mix != (ycsb.Mix{Read: 1}) || r.Distribution != "latest(0.5)" {
		t.Errorf("%+v", r)
	}
}

// TestNoSkew: a theta of 0 is the uniform distribution.
func TestNoSkew(t *testing.T) {
	status, stdout, stderr := withFake(t.Context(), false, words("ycsb run --distribution zipfian --theta 0 --json -"+short)...)
	if status != exitOK || !strings.Contains(stdout, `"distribution": "uniform"`) {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
}

// TestCommandOfThePage repeats the comparison: with all flags, as they were used, or beside properties with those that were given.
func TestCommandOfThePage(t *testing.T) {
	c := &compareCommand{}
	c.Mix, c.IDs = "transfer=100", true
	s := settings{config: ycsb.Config{Keys: 7, Mix: ycsb.Mix{Transfer: 1}}, workers: 2}
	if got := c.command(s, nil); !strings.Contains(got, "--keys=7 ") || !strings.Contains(got, "--mix=transfer=100") || !strings.Contains(got, "--ids=true") || !strings.Contains(got, "--workers=2") {
		t.Errorf("%s", got)
	}
	c.PropertyFiles, c.Properties = []string{"workloada"}, []string{"recordcount=9"}
	if got, want := c.command(s, map[string]bool{"keys": true}), "concordat ycsb compare -P workloada -p recordcount=9 --keys=7"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.PropertyFiles, c.Properties = []string{"my file", "-x"}, []string{"table=$a b"}
	if got, want := c.command(s, nil), "concordat ycsb compare -P 'my file' --properties=-x -p 'table=$a b'"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestCommandOfThePageCanBePasted: what the page says runs, without a word of complaint, and says the same on its own page.
func TestCommandOfThePageCanBePasted(t *testing.T) {
	t.Chdir(t.TempDir())
	said := regexp.MustCompile(`concordat (ycsb compare [^<]*)<`)
	for _, args := range []string{
		"--keys 5 --mix snapshot=50,transfer=50", "--keys 2", "--distribution Zipfian --theta 0 --policy Wait-Die --no-ids",
		"--rate 1e6 --arrivals Poisson", "--mix read=100 -p operationcount=100 --keys 3",
	} {
		line := "ycsb compare --duration 20ms --warmup 0s --clients 4 " + args
		var commands []string
		for range 2 {
			status, _, stderr := runWords(line + " --html page.html")
			page, err := os.ReadFile("page.html")
			match := said.FindSubmatch(page)
			if status != exitOK || err != nil || match == nil || strings.Contains(stderr, "note") {
				t.Fatalf("%s: status %d, %v, %s", line, status, err, stderr)
			}
			line = string(match[1])
			commands = append(commands, line)
		}
		if commands[0] != commands[1] {
			t.Errorf("%s\nand when it is repeated\n%s", commands[0], commands[1])
		}
	}
}

// TestStages: the table comes after the summary of each round, and beside a report on the standard output on the other one.
func TestStages(t *testing.T) {
	const args = "ycsb run --stages --keys 100 --clients 8 --duration 1s --warmup 0s"
	for more, rounds := range map[string]int{"": 1, " --repeat 2": 2} {
		status, stdout, stderr := runWords(args + more)
		tables, ends := strings.Count(stdout, "\nsealer (serial) "), strings.Count(stdout, "\nthe longest serial stage is ")
		if status != exitOK || tables != rounds || ends != rounds {
			t.Errorf("%s: status %d, %s\n%s", more, status, stdout, stderr)
		}
	}
	status, stdout, stderr := runWords(args + " --json -")
	if _, err := ycsb.ParseReports([]byte(stdout)); status != exitOK || err != nil || !strings.Contains(stderr, "\nsealer (serial) ") {
		t.Errorf("status %d, %v: %s\n%s", status, err, stdout, stderr)
	}
}
