package ycsb

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"
)

// TestReportFields: the names in the JSON are an interface; others read them.
func TestReportFields(t *testing.T) {
	result := Result{
		Committed: 100, Failed: 2, Unknown: 1, Elapsed: 2 * time.Second, Counters: Counters{Retries: 3, Deadlocks: 4},
		SumBefore: 50_000_000, SumAfter: 50_000_000,
		Latency: map[string]Latency{"transfer": {1, 2, 3, 4, 5}, "all": {1, 2, 3, 4, 5}},
	}
	r := NewReport(Setup{"serializable", "detect", 2}, Config{Seed: 1}, result, Environment{"abc", "go1.26", "2 x CPU"})
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/report.json"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the report is\n%s\nand %s has\n%s", out.Bytes(), golden, want)
	}
}

func TestThisEnvironment(t *testing.T) {
	e := ThisEnvironment()
	if e.Go == "" || e.CPU == "" {
		t.Errorf("%+v", e)
	}
}

func TestDistributionName(t *testing.T) {
	for want, c := range map[string]Config{
		"uniform": {Distribution: Uniform, Theta: 0.5}, "zipfian": {Distribution: Zipfian, Theta: 0.99},
		"zipfian(0.5)": {Distribution: Zipfian, Theta: 0.5},
	} {
		if got := c.distributionName(); got != want {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

// TestMixJSON: the mix is an object of shares.
func TestMixJSON(t *testing.T) {
	data, err := json.Marshal(Mix{0.25, 0.25, 0.5})
	if err != nil || !slices.Equal(data, []byte(`{"read":0.25,"update":0.25,"transfer":0.5}`)) {
		t.Errorf("%s, %v", data, err)
	}
}
