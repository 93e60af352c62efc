package ycsb

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sampleReport is a report of a run with these latencies.
func sampleReport(micros ...int64) Report {
	r := sampleResult()
	k := kindResult(micros...)
	r.Counts, r.Kinds = k.Counts, map[string]KindResult{"transfer": k, "all": k}
	return NewReport(Setup{Protocol: "saga", Policy: "detect", Workers: 2}, Config{}, r, Environment{})
}

// TestReportsAreReadBack: with their raw histograms, both one and several.
func TestReportsAreReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var latencies []int64
	for range 1000 {
		latencies = append(latencies, int64(rng.ExpFloat64()*20_000))
	}
	r := sampleReport(latencies...)
	var one, several bytes.Buffer
	if err := errors.Join(r.WriteJSON(&one), WriteReports(&several, []Report{r, r})); err != nil {
		t.Fatal(err)
	}
	for n, data := range map[int][]byte{1: one.Bytes(), 2: several.Bytes()} {
		back, err := ParseReports(data)
		if err != nil || len(back) != n {
			t.Fatalf("%d reports, %v", len(back), err)
		}
		for _, b := range back {
			if h := b.Kinds["transfer"].Latency; h.Count() != 1000 || h.Latency() != r.LatencyMS["transfer"] || b.identity() != r.identity() {
				t.Errorf("%+v, want %+v", b, r)
			}
		}
	}
}

// TestMerge: as if it had been one run; percentiles are those of all operations, not means of percentiles.
func TestMerge(t *testing.T) {
	fast, slow := sampleReport(1000, 1000, 1000, 1000), sampleReport(9000)
	m, err := Merge([]Report{fast, slow, fast})
	if err != nil {
		t.Fatal(err)
	}
	if m.Committed != 9 || m.DurationSeconds != 6 || m.CommittedPerS != 1.5 || m.Retries != 9 || m.LockWaitMS != 18 || m.NotStarted != 15 {
		t.Errorf("%+v", m)
	}
	if all := m.LatencyMS["all"]; all.P50 != 1 || !near(all.Max, 9) || m.LatencyMS["transfer"] != all || m.Kinds["transfer"].Committed != 9 {
		t.Errorf("latency %+v", m.LatencyMS)
	}
	if len(m.Series) != 6 || m.Series[2].At != 3 || m.Series[5].At != 6 || len(fast.Series) != 2 || fast.Series[0].At != 1 {
		t.Errorf("series %+v", m.Series)
	}
	if fast.Kinds["transfer"].Latency.Count() != 4 || !m.Balanced() {
		t.Errorf("merging changed what was merged: %+v", fast)
	}
}

// TestMergeOfWhatIsWritten: bytes are added up, unless those of a run are not known; appends are merged; ratios to other runs are dropped.
func TestMergeOfWhatIsWritten(t *testing.T) {
	a, b, silent := sampleReport(1000), sampleReport(1000, 1000), sampleReport(1000)
	*b.WrittenBytes, silent.WrittenBytes = 300_000, nil
	var short, long Histogram
	short.Add(time.Millisecond, 3)
	long.Add(9*time.Millisecond, 1)
	a.Append, b.Append = &Times{short.Latency(), &short}, &Times{long.Latency(), &long}
	a.Of = map[string]float64{"limit": 0.5}
	for range 2 { // merging changes nothing of what is merged
		m, err := Merge([]Report{a, b})
		if err != nil || *m.WrittenBytes != 423_456 || *m.WrittenPerOp != 141_152 || m.Of != nil {
			t.Errorf("%v bytes, %v each, of %v, %v", *m.WrittenBytes, *m.WrittenPerOp, m.Of, err)
		}
		if m.Append.Histogram.Count() != 4 || !near(m.Append.P50, 1) || !near(m.Append.Max, 9) || short.Count() != 3 {
			t.Errorf("appends %+v", m.Append.Latency)
		}
	}
	for _, all := range [][]Report{{silent, a}, {a, silent}, {a, silent, b}} {
		if m, err := Merge(all); err != nil || m.WrittenBytes != nil || m.WrittenPerOp != nil {
			t.Errorf("%v, %v", m.WrittenBytes, err)
		}
	}
	idle := sampleReport()
	if idle.WrittenBytes == nil || idle.WrittenPerOp != nil {
		t.Errorf("of no operation there are %v bytes, %v each", idle.WrittenBytes, idle.WrittenPerOp)
	}
}

// TestMergeKeepsWhatIsWrong: a single wrong audit makes the whole wrong.
func TestMergeKeepsWhatIsWrong(t *testing.T) {
	right, changed, condition := sampleReport(1), sampleReport(1), sampleReport(1)
	changed.SumAfter++
	changed.Audit = []AuditedFigure{{SumOfBalances, changed.SumBefore, changed.SumAfter}}
	condition.Wrong = []string{"district 3"}
	for _, wrong := range []Report{changed, condition} {
		for _, all := range [][]Report{{right, wrong}, {wrong, right}, {right, right, wrong}} {
			if m, err := Merge(all); err != nil || m.Balanced() {
				t.Errorf("%+v, %v", m, err)
			}
		}
	}
}

func TestMergeOfDifferentThings(t *testing.T) {
	a := sampleReport(1)
	for name, change := range map[string]func(*Report){
		"protocol": func(r *Report) { r.Protocol = "plain" }, "keys": func(r *Report) { r.Keys++ }, "rate": func(r *Report) { r.Rate = 7 },
		"mix": func(r *Report) { r.Mix = Mix{Read: 1} }, "parameters": func(r *Report) { r.Parameters = map[string]string{"parties": "3"} },
		"workload": func(r *Report) { r.Workload = "tpcc" }, "clients": func(r *Report) { r.Clients++ },
	} {
		b := sampleReport(1)
		change(&b)
		if _, err := Merge([]Report{a, b}); !errors.Is(err, ErrDifferent) {
			t.Errorf("%s: error %v", name, err)
		}
		if m, err := MergeRounds([]Report{a, b, a}); err != nil || len(m) != 2 || m[0].Committed != 2 || m[1].Committed != 1 {
			t.Errorf("%s: %d groups, %v", name, len(m), err)
		}
	}
	if _, err := Merge(nil); err == nil {
		t.Error("nothing was merged")
	}
}

// TestForeignFiles: old, foreign and damaged files are a clear error.
func TestForeignFiles(t *testing.T) {
	var good bytes.Buffer
	if err := sampleReport(1).WriteJSON(&good); err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(good.String(), `"HIST`, `"HOST`, 1)
	for _, test := range []struct{ text, want string }{
		{"", "unexpected end"}, {"{}", "has no schema"}, {"[]", "there is none"}, {`[{"schema":2},{}]`, "report 2 has no schema"},
		{`{"schema":1}`, "schema 1, not 2"}, {`{"schema":3}`, "schema 3, not 2"}, {"committed: 5", "invalid character"}, {"[1,2]", "cannot unmarshal"},
		{`{"schema":2,"kinds":{"read":{"committed":"many"}}}`, "report 1 has a wrong field kinds"}, {`[{"schema":2},{"schema":2,"clients":1.5}]`, "report 2 has a wrong field clients"},
		{`{"search_schema":1}`, "is that of a search"}, {`{"figures_schema":3}`, "a sheet of cmd/results"}, {`"text"`, "is no object"}, {"[\n{\n\"schema\":2,}]", "line 3"},
		{`{"schema":2,"kinds":{"read":{"histogram":"HISTFAAA"}}}`, "kinds.read.histogram"}, {`{"schema":2,"generator_lag":{"histogram":5}}`, "generator_lag.histogram"},
		{`{"schema":2,"append":{"histogram":"HISTFAAA"}}`, "append.histogram"}, {`{"schema":2,"written_bytes":-1}`, "wrong field written_bytes"},
		{`{"schema":"2"}`, "cannot unmarshal"}, {good.String()[:200], "unexpected end"}, {damaged, "histogram"}, {`{"protocol":"saga","committed":5}`, "has no schema"},
	} {
		path := filepath.Join(t.TempDir(), "f.json")
		if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadReports(path); !errors.Is(err, ErrSchema) || !matches(err, test.want) || !matches(err, path) {
			t.Errorf("%.40q: error %v, want %q", test.text, err, test.want)
		}
	}
	if _, err := ReadReports(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestHistogramOfAnotherRange cannot be merged without loss.
func TestHistogramOfAnotherRange(t *testing.T) {
	texts := []string{`7`, `"nonsense"`, `""`}
	for _, foreign := range []*hdrhistogram.Histogram{hdrhistogram.New(1, 100, 3), hdrhistogram.New(1, MaxLatency.Microseconds(), 2)} {
		data, err := (&Histogram{foreign}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	for i, text := range texts {
		var h Histogram
		if err := h.UnmarshalJSON([]byte(text)); err == nil || i > 2 && !matches(err, "is not one of these") {
			t.Errorf("%s was read: %v", text, err)
		}
	}
}
