package ycsb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// FuzzParseMix: a mix that is read has shares that sum to 1, and is read again from what it is written as.
func FuzzParseMix(f *testing.F) {
	for _, s := range []string{"read=25,update=25,transfer=50", "transfer=1", "read=0.5, update=0.5", "read=NaN", "read=1e309", "read=-1,update=2", "=", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMix(s)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "mix: ") {
				t.Fatalf("the error does not say that it is of the mix: %v", err)
			}
			return
		}
		again, err := ParseMix(m.String())
		if err != nil {
			t.Fatalf("%q is read as %v and written as %q, which is not read: %v", s, m, m.String(), err)
		}
		for k, share := range m.shares() {
			if back := *again.shares()[k]; !(*share >= 0 && *share <= 1+1e-6) || math.Abs(back-*share) > 1e-9 {
				t.Fatalf("%q is read as %+v, and what that is written as is read as %+v", s, m, again)
			}
		}
		p := m.picker()
		for u := 0.0; u < 1; u += 1.0 / 16 {
			if k := p.pick(u); *m.shares()[k] == 0 {
				t.Fatalf("%v picks %v, which has no share", m, k)
			}
		}
	})
}

// FuzzConfig: a configuration that is valid draws keys and kinds that are there; one that is not says so before anything runs.
func FuzzConfig(f *testing.F) {
	f.Add(5000, 512, 0.0, "uniform", 0.99, int64(time.Second), 0.0, uint64(1))
	f.Add(1, -1, math.NaN(), "ZIPFIAN", 5.0, int64(-1), math.Inf(1), uint64(0))
	f.Add(3, 1, 1e6, "zipfian", 1.0, int64(1), 1.0, uint64(9))
	f.Fuzz(func(t *testing.T, keys, clients int, rate float64, distribution string, theta float64, duration int64, rollbacks float64, seed uint64) {
		d, err := ParseDistribution(distribution)
		if (err == nil) != (d == Uniform || d == Zipfian || d == Latest || d == Hotspot) {
			t.Fatalf("%q is read as %q (%v)", distribution, d, err)
		}
		c := Config{
			Driving: Driving{Clients: clients, Rate: rate, Duration: time.Duration(duration), Seed: seed},
			Keys:    keys, Distribution: Distribution(distribution), Theta: theta, Rollbacks: rollbacks,
		}
		if c.Validate() != nil {
			return
		}
		c = c.withDefaults()
		if c.Keys < 2 || c.Keys > MaxKeys || c.Clients < 1 || !(c.Rate >= 0 && c.Rate <= MaxRate) || !(c.Theta > 0) || !(c.Rollbacks >= 0 && c.Rollbacks <= 1) {
			t.Fatalf("%+v is valid", c)
		}
	})
}

// FuzzProperties: property files with any content are read, or the error says where; what they say gives a configuration that is
// valid or an error before anything runs.
func FuzzProperties(f *testing.F) {
	f.Add("recordcount=1000\nreadproportion=0.5\nupdateproportion=0.5\n")
	f.Add("! comment\nreadprop\\\n  ortion : 1\nrequestdistribution=latest\nfieldcount=\\u0031")
	f.Add("transferproportion=1\ntransferparties=17\nrecordcount=1e9\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProperties(strings.NewReader(text), "fuzz.properties")
		if err != nil {
			if !strings.Contains(err.Error(), "fuzz.properties") {
				t.Fatalf("the error does not say where: %v", err)
			}
			return
		}
		var c Config
		if _, err := p.Apply(&c); err == nil && c.Validate() == nil {
			if c = c.withDefaults(); c.Keys < 1 || c.Keys > MaxKeys || c.Parties > MaxParties || math.Abs(c.Mix.sum()-1) > sumTolerance {
				t.Fatalf("%q is valid as %+v", text, c)
			}
		}
	})
}

// FuzzRowID: an id that is read as a row's is the one that the row has.
func FuzzRowID(f *testing.F) {
	for _, s := range []string{"user99999999", "user", "user+0000001", "user-1", "other"} {
		f.Add(s)
	}
	ids := RowIDs(5000)
	f.Add(ids[0])
	f.Add(ids[4999])
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseRowID(s)
		if err == nil && (n < 0 || n >= MaxKeys || fmt.Sprintf("user%08d", n) != s || (n < len(ids) && ids[n] != s)) {
			t.Fatalf("%q is read as row %d", s, n)
		}
	})
}

// FuzzReport: a report that is read from JSON is written as JSON, and from then on reading and writing change nothing.
func FuzzReport(f *testing.F) {
	var b bytes.Buffer
	if err := NewReport(Setup{Protocol: "saga", Policy: "detect", Workers: 2}, Config{Mix: Mix{Read: 0.25, Update: 0.25, Transfer: 0.5}}, Result{}, Environment{Go: "go"}).WriteJSON(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"latency_ms":{"all":{"p50":1}},"mix":{"read":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second Report
		if json.Unmarshal(data, &first) != nil {
			return
		}
		var once, twice bytes.Buffer
		if err := first.WriteJSON(&once); err != nil {
			t.Fatalf("%+v is not written: %v", first, err)
		}
		if err := json.Unmarshal(once.Bytes(), &second); err != nil {
			t.Fatalf("%s is not read: %v", once.Bytes(), err)
		}
		if err := second.WriteJSON(&twice); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("%s\nis written again as\n%s (%v)", once.Bytes(), twice.Bytes(), err)
		}
	})
}
