package ycsb

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// kindResult is what was measured of operations with these latencies in microseconds, all committed.
func kindResult(micros ...int64) KindResult {
	k := KindResult{Counts: Counts{Committed: uint64(len(micros))}}
	for _, m := range micros {
		k.Latency.record(m, 1)
	}
	return k
}

// sampleResult is a run of ten seconds that balances.
func sampleResult() Result {
	figure := func(sum int64) Audit { return Audit{Constant: []Figure{{SumOfBalances, sum}}} }
	return Result{
		Counts: Counts{Committed: 100, Failed: 2, Unknown: 1}, NotStarted: 5, Elapsed: 2 * time.Second,
		Counters: Counters{Retries: 3, Deadlocks: 4, LockWaits: 5, LockWaitTime: 6 * time.Millisecond},
		Written:  new(uint64(123_456)),
		Before:   figure(50_000_000), After: figure(50_000_000),
		Kinds: map[string]KindResult{"transfer": kindResult(1000, 2000, 3000), "all": kindResult(1000, 2000, 3000)},
		Series: []Moment{
			{At: 1, Counts: Counts{Committed: 60}, P50: 1, P99: 2, Retries: 1, LockWaits: 2, LockWaitMS: 0.5},
			{At: 2, Counts: Counts{Committed: 40, Failed: 2, Unknown: 1}, P50: 1, P99: 2, Retries: 2, Deadlocks: 4, LockWaits: 3, LockWaitMS: 5.5},
		},
	}
}

// TestReportFields: the names in the JSON are an interface; others read them.
func TestReportFields(t *testing.T) {
	setup := Setup{Protocol: "serializable", Policy: "detect", Workers: 2}
	r := NewReport(setup, Config{Parties: 4, Driving: Driving{Seed: 1, Rate: 50}}, sampleResult(), Environment{"abc", "go1.26", "2 x CPU"})
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	encoded := regexp.MustCompile(`"HIST[^"]*"`) // its compression may differ from one version of Go to the next
	got := encoded.ReplaceAll(out.Bytes(), []byte(`"HIST..."`))
	const golden = "testdata/report.json"
	if *rewrite {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the report is\n%s\nand %s has\n%s", got, golden, want)
	}
}

func TestThisEnvironment(t *testing.T) {
	e := ThisEnvironment()
	if e.Go == "" || e.CPU == "" {
		t.Errorf("%+v", e)
	}
}

func TestDistributionName(t *testing.T) {
	for want, c := range map[string]Config{"uniform": {Distribution: Uniform, Theta: 0.5}, "zipfian": {Distribution: Zipfian, Theta: 0.99}, "zipfian(0.5)": {Distribution: Zipfian, Theta: 0.5}} {
		if got := c.distributionName(); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

// TestMixJSON: the mix is an object of shares.
func TestMixJSON(t *testing.T) {
	data, err := json.Marshal(Mix{Read: 0.25, Update: 0.25, Transfer: 0.5})
	if err != nil || !slices.Equal(data, []byte(`{"read":0.25,"update":0.25,"transfer":0.5}`)) {
		t.Errorf("%s, %v", data, err)
	}
}
