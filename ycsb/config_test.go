package ycsb

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseMix(t *testing.T) {
	for _, test := range []struct {
		text string
		want Mix
		err  string // part of the error; "" if there is none
	}{
		{"read=0,update=0,transfer=100", Mix{Transfer: 1}, ""},
		{"transfer=1", Mix{Transfer: 1}, ""},
		{"read=0.25, update=0.25, transfer=0.5", Mix{Read: 0.25, Update: 0.25, Transfer: 0.5}, ""},
		{"read=50,update=50", Mix{Read: 0.5, Update: 0.5}, ""},
		{"read=33.3,update=33.3,transfer=33.4", Mix{Read: 0.333, Update: 0.333, Transfer: 0.334}, ""},
		{"", Mix{}, "not of the form"},
		{"read", Mix{}, "not of the form"},
		{"reads=100", Mix{}, `called "reads"`},
		{"read=50,read=50", Mix{}, "given twice"},
		{"read=x", Mix{}, "not a number"},
		{"read=NaN", Mix{}, "not a number"},
		{"read=50,update=10", Mix{}, "must sum"},
		{"read=-1,update=2", Mix{}, "negative"},
		{"read=0,update=0,transfer=0", Mix{}, "must sum"},
		{"insert=5,scan=95", Mix{Insert: 0.05, Scan: 0.95}, ""},
		{"readmodifywrite=0.5,snapshot=0.5", Mix{Modify: 0.5, Snapshot: 0.5}, ""},
		{"read=0.5,scan=0.50001", Mix{}, "must sum"},
	} {
		got, err := ParseMix(test.text)
		if !matches(err, test.err) {
			t.Errorf("ParseMix(%q): error %v, want %q", test.text, err, test.err)
		}
		if err == nil && !nearMix(got, test.want) {
			t.Errorf("ParseMix(%q) = %v, want %v", test.text, got, test.want)
		}
	}
}

func nearMix(a, b Mix) bool {
	as, bs := a.shares(), b.shares()
	for k := range as {
		if math.Abs(*as[k]-*bs[k]) > 1e-9 {
			return false
		}
	}
	return true
}

func matches(err error, want string) bool {
	if err == nil || want == "" {
		return err == nil && want == ""
	}
	return strings.Contains(err.Error(), want)
}

func TestConfigValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		config Config
		err    string
	}{
		{"zero value", Config{}, ""},
		{"negative keys", Config{Keys: -1}, "keys: -1"},
		{"most keys", Config{Keys: MaxKeys}, ""},
		{"too many keys", Config{Keys: MaxKeys + 1}, "keys"},
		{"one key with transfers", Config{Keys: 1}, "two distinct keys"},
		{"one key without", Config{Keys: 1, Mix: Mix{Read: 1}}, ""},
		{"negative clients", Config{Driving: Driving{Clients: -1}}, "clients: -1"},
		{"most clients", Config{Driving: Driving{Clients: MaxClients}}, ""},
		{"too many clients", Config{Driving: Driving{Clients: MaxClients + 1}}, "clients"},
		{"negative rate", Config{Driving: Driving{Rate: -1}}, "rate"},
		{"no rate", Config{Driving: Driving{Rate: math.NaN()}}, "rate"},
		{"endless rate", Config{Driving: Driving{Rate: math.Inf(1)}}, "rate"},
		{"negative duration", Config{Driving: Driving{Duration: -time.Second}}, "duration"},
		{"long duration", Config{Driving: Driving{Duration: MaxDuration + 1}}, "duration"},
		{"negative warm-up", Config{Driving: Driving{Warmup: -time.Second}}, "warmup"},
		{"rollbacks above 1", Config{Rollbacks: 1.1}, "rollbacks"},
		{"negative rollbacks", Config{Rollbacks: -0.1}, "rollbacks"},
		{"no rollbacks", Config{Rollbacks: math.NaN()}, "rollbacks"},
		{"all rollbacks", Config{Rollbacks: 1}, ""},
		{"theta", Config{Theta: -1}, "theta"},
		{"highest theta", Config{Theta: MaxTheta}, ""},
		{"hot share", Config{HotData: 1.5, HotOperations: 0.5}, "hotspot"},
		{"nothing is hot", Config{Distribution: Hotspot, HotOperations: 0.5}, "no key is hot"},
		{"all is hot", Config{Distribution: Hotspot, HotData: 1, HotOperations: 0.5}, "all keys are hot"},
		{"one party", Config{Parties: 1}, "parties: 1"},
		{"most parties", Config{Parties: MaxParties}, ""},
		{"too many parties", Config{Parties: MaxParties + 1}, "parties: 17"},
		{"more parties than keys", Config{Parties: 4, Keys: 3}, "4 distinct keys, and there are 3"},
		{"more parties than keys without transfers", Config{Parties: 4, Keys: 3, Mix: Mix{Read: 1}}, ""},
		{"a snapshot of few keys", Config{Keys: 3, Mix: Mix{Snapshot: 1}}, ""},
		{"a snapshot of more keys than there are", Config{Keys: 3, SnapshotKeys: 4, Mix: Mix{Snapshot: 1}}, "4 distinct keys"},
		{"too large a snapshot", Config{SnapshotKeys: MaxSnapshot + 1}, "snapshot"},
		{"scan lengths", Config{MinScan: 10, MaxScan: 5}, "scan: lengths from 10 to 5"},
		{"negative scan", Config{MinScan: -1}, "scan"},
		{"too long a scan", Config{MaxScan: MaxScan + 1}, "scan"},
		{"scan distribution", Config{ScanLengths: Latest}, "scan: lengths are uniform or zipfian"},
		{"too many fields", Config{Shape: Shape{Fields: MaxFields + 1}}, "use longer fields"},
		{"too long fields", Config{Shape: Shape{FieldBytes: MaxFieldBytes + 1}}, "fields"},
		{"arrivals", Config{Driving: Driving{Rate: 1, Arrivals: "bursts"}}, "neither constant nor poisson"},
		{"poisson without a rate", Config{Driving: Driving{Arrivals: Poisson}}, "need a rate"},
		{"interval", Config{Driving: Driving{Interval: -1}}, "interval"},
		{"most entries", Config{Driving: Driving{Duration: MaxMoments * time.Millisecond, Interval: time.Millisecond}}, ""},
		{"too many entries", Config{Driving: Driving{Duration: (MaxMoments + 1) * time.Millisecond, Interval: time.Millisecond}}, "interval"},
		{"a long run with the default interval", Config{Driving: Driving{Duration: MaxDuration}}, ""},
		{"distribution", Config{Distribution: "normal"}, "none of uniform, zipfian"},
		{"mix", Config{Mix: Mix{Read: 0.5}}, "must sum"},
	} {
		if err := test.config.Validate(); !matches(err, test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
	}
}

// TestAllMistakesAtOnce: the user is told everything that is wrong.
func TestAllMistakesAtOnce(t *testing.T) {
	err := Config{Keys: -1, Rollbacks: 2, Driving: Driving{Clients: -1}}.Validate()
	for _, want := range []string{"keys", "clients", "rollbacks"} {
		if !matches(err, want) {
			t.Errorf("the error does not mention %s: %v", want, err)
		}
	}
}

// TestMixText: what a mix is written as is read as the same mix.
func TestMixText(t *testing.T) {
	for text, m := range map[string]Mix{
		"read=0,update=0,transfer=1":                         {Transfer: 1},
		"read=0.5,update=0,transfer=0,insert=0.05,scan=0.45": {Read: 0.5, Insert: 0.05, Scan: 0.45},
	} {
		back, err := ParseMix(m.String())
		if m.String() != text || err != nil || back != m {
			t.Errorf("%+v is written %q and read as %+v, %v", m, m, back, err)
		}
	}
}

// TestPicks: kinds are picked with their shares, and those without a share never, whatever the number.
func TestPicks(t *testing.T) {
	m := Mix{Read: 0.25, Transfer: 0.5, Snapshot: 0.25}
	p := m.picker()
	for u, want := range map[float64]Kind{0: Read, 0.2499: Read, 0.25: Move, 0.7499: Move, 0.75: Snapshot, 0.9999999: Snapshot} {
		if got := p.pick(u); got != want {
			t.Errorf("pick(%g) = %v, want %v", u, got, want)
		}
	}
	short := Mix{Read: 0.3, Update: 0.6999995} // sums to a little less than 1
	if p := short.picker(); short.Validate() != nil || p.pick(0.9999999) != Update {
		t.Errorf("what the shares lack does not go to the last kind")
	}
}
