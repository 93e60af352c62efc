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
