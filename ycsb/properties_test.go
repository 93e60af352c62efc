package ycsb

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestParseProperties: the syntax of java.util.Properties.
func TestParseProperties(t *testing.T) {
	for _, test := range []struct {
		text string
		want []Property // key and value
		err  string
	}{
		{"", nil, ""},
		{"a=1\nb=2\n", []Property{{"a", "1", ""}, {"b", "2", ""}}, ""},
		{"a=1\r\nb=2\rc=3", []Property{{"a", "1", ""}, {"b", "2", ""}, {"c", "3", ""}}, ""},
		{"# a=1\n  ! b=2\n\n   \nc=3", []Property{{"c", "3", ""}}, ""},
		{"a = 1\nb : 2\nc 3\nd\t=\t4", []Property{{"a", "1", ""}, {"b", "2", ""}, {"c", "3", ""}, {"d", "4", ""}}, ""},
		{"a==1\nb=x=y:z", []Property{{"a", "=1", ""}, {"b", "x=y:z", ""}}, ""},
		{"a", []Property{{"a", "", ""}}, ""},
		{"a=one \\\n   two\nb=2", []Property{{"a", "one two", ""}, {"b", "2", ""}}, ""},
		{"a=1\\\r\n2\\\n\\\n3", []Property{{"a", "123", ""}}, ""},
		{"a=1\\", []Property{{"a", "1", ""}}, ""},
		{`a=1\\` + "\nb=2", []Property{{"a", `1\`, ""}, {"b", "2", ""}}, ""},
		{`a\=b\ c=\u0041\t\q`, []Property{{"a=b c", "A\tq", ""}}, ""},
		{"a=1   \nb=é", []Property{{"a", "1", ""}, {"b", "é", ""}}, ""},
		{`a=\u12`, nil, "four hexadecimal digits"},
		{`a=\uzzzz`, nil, "four hexadecimal digits"},
		{"=1", nil, "without a key"},
		{"a=\xff", nil, "not text in UTF-8"},
		{strings.Repeat("a=1\n", maxProperties), slices.Repeat([]Property{{"a", "1", ""}}, maxProperties), ""},
		{strings.Repeat("a=1\n", maxProperties+1), nil, "more than 10000 properties"},
		{"a=" + strings.Repeat("x", maxPropertyBytes-2), []Property{{"a", strings.Repeat("x", maxPropertyBytes-2), ""}}, ""},
		{"a=" + strings.Repeat("x", maxPropertyBytes-1), nil, "more than 1048576 bytes"},
	} {
		got, err := ParseProperties(strings.NewReader(test.text), "f")
		for i := range got {
			got[i].Where = ""
		}
		if !matches(err, test.err) || err == nil && !slices.Equal(got, test.want) {
			t.Errorf("%.60q is read as %.100v, %v; want %.100v, %q", test.text, got, err, test.want, test.err)
		}
	}
}

// TestWhere: errors name the line, also behind continued ones.
func TestWhere(t *testing.T) {
	p, err := ParseProperties(strings.NewReader("# first\na=1 \\\n 2\n\nb=3"), "file")
	if err != nil || len(p) != 2 || p[0].Where != "file:2" || p[1].Where != "file:5" {
		t.Errorf("%+v, %v", p, err)
	}
}

func apply(t *testing.T, text string) (Config, []string, error) {
	t.Helper()
	p, err := ParseProperties(strings.NewReader(text), "file")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Driving: Driving{Duration: 10 * time.Second}}
	notes, err := p.Apply(&c)
	return c, notes, err
}

// TestApply: every property that means something.
func TestApply(t *testing.T) {
	c, notes, err := apply(t, `
recordcount=2000
operationcount=500
threadcount=8
target=100
readproportion=0.2
updateproportion=0.1
insertproportion=0.05
scanproportion=0.05
readmodifywriteproportion=0.1
transferproportion=0.4
snapshotproportion=0.1
rollbackproportion=0.25
transferparties=4
snapshotkeys=5
requestdistribution=hotspot
zipfiantheta=1.1
hotspotdatafraction=0.1
hotspotopnfraction=0.9
minscanlength=2
maxscanlength=50
scanlengthdistribution=zipfian
fieldcount=4
fieldlength=100
fieldlengthdistribution=constant
readallfields=false
writeallfields=true`)
	want := Config{
		Driving: Driving{Clients: 8, Rate: 100, Operations: 500},
		Keys:    2000, Mix: Mix{Read: 0.2, Update: 0.1, Insert: 0.05, Scan: 0.05, Modify: 0.1, Transfer: 0.4, Snapshot: 0.1},
		Distribution: Hotspot, Theta: 1.1, HotData: 0.1, HotOperations: 0.9, Rollbacks: 0.25, Parties: 4, SnapshotKeys: 5,
		MinScan: 2, MaxScan: 50, ScanLengths: Zipfian, Shape: Shape{4, 100}, ReadOneField: true, WriteAllFields: true,
	}
	if err != nil || len(notes) > 0 || c.Validate() != nil {
		t.Fatalf("%v, %v, %v", notes, err, c.Validate())
	}
	if c.Driving.OnProgress = nil; !equalConfigs(c, want) {
		t.Errorf("%+v, want\n%+v", c, want)
	}
}

// equalConfigs compares by their reports' view and the rest; functions do not compare.
func equalConfigs(a, b Config) bool {
	da, db := a.Driving, b.Driving
	a.Driving, b.Driving = Driving{}, Driving{}
	return da.Clients == db.Clients && da.Rate == db.Rate && da.Operations == db.Operations && da.Duration == db.Duration &&
		a.Keys == b.Keys && a.Mix == b.Mix && a.Distribution == b.Distribution && a.Theta == b.Theta && a.HotData == b.HotData &&
		a.HotOperations == b.HotOperations && a.Rollbacks == b.Rollbacks && a.Parties == b.Parties && a.SnapshotKeys == b.SnapshotKeys &&
		a.MinScan == b.MinScan && a.MaxScan == b.MaxScan && a.ScanLengths == b.ScanLengths && a.Shape == b.Shape &&
		a.ReadOneField == b.ReadOneField && a.WriteAllFields == b.WriteAllFields
}

// TestEnds: a number of operations ends the run instead of the time, unless both are given, in whatever order.
func TestEnds(t *testing.T) {
	for text, want := range map[string]Driving{
		"recordcount=5": {Duration: 10 * time.Second}, "operationcount=7": {Operations: 7},
		"maxexecutiontime=3":                   {Duration: 3 * time.Second},
		"operationcount=7\nmaxexecutiontime=3": {Operations: 7, Duration: 3 * time.Second},
		"maxexecutiontime=3\noperationcount=7": {Operations: 7, Duration: 3 * time.Second},
		"operationcount=7\noperationcount=8":   {Operations: 8},
	} {
		if c, _, err := apply(t, text); err != nil || c.Operations != want.Operations || c.Duration != want.Duration {
			t.Errorf("%q: %d operations, %v, %v", text, c.Operations, c.Duration, err)
		}
	}
}

// TestNotes: official properties that mean nothing here are accepted and said to be so.
func TestNotes(t *testing.T) {
	c, notes, err := apply(t, "workload=site.ycsb.workloads.CoreWorkload\ninsertorder=hashed\nhistogram.buckets=1000\nreadproportion=1")
	if err != nil || len(notes) != 3 || !strings.Contains(notes[0], "file:1: workload=site.ycsb.workloads.CoreWorkload means nothing here") {
		t.Errorf("%q, %v", notes, err)
	}
	if c.Mix != (Mix{Read: 1}) {
		t.Errorf("%+v", c.Mix)
	}
}

func TestBadProperties(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"readpropotion=1", `file:1: no property is called "readpropotion"; did you mean "readproportion"?`},
		{"\nrecordCount=1", `file:2: no property is called "recordCount"; did you mean "recordcount"?`},
		{"transferparty=2", `did you mean "transferparties"?`},
		{"recordcount=many", `file:1: recordcount: "many" is not a whole number`},
		{"recordcount=0", "0 is less than 1"},
		{"recordcount=1.5", "not a whole number"},
		{"readproportion=half", `"half" is not a number`},
		{"requestdistribution=exponential", "none of uniform, zipfian, latest and hotspot"},
		{"scanlengthdistribution=latest", "neither uniform nor zipfian"},
		{"readallfields=yes", "neither true nor false"},
		{"maxexecutiontime=0", "not a number of seconds above 0"},
		{"operationcount=-1", "not a whole number"},
		{"insertorder=random", "no insertorder"},
		{"zipfiantheta=-1", "not between 0 and 4"},
		{"fieldlengthdistribution=zipfian", "there is constant"},
	} {
		if _, _, err := apply(t, test.text); !matches(err, test.want) {
			t.Errorf("%q: error %v, want %q", test.text, err, test.want)
		}
	}
	_, _, err := apply(t, "readpropotion=1\nrecordcount=x")
	if !matches(err, "readproportion") || !matches(err, "recordcount") {
		t.Errorf("not all mistakes are told: %v", err)
	}
}

// TestNoSkewProperty: a theta of 0 is uniform, whatever the order.
func TestNoSkewProperty(t *testing.T) {
	for _, text := range []string{"zipfiantheta=0\nrequestdistribution=zipfian", "requestdistribution=zipfian\nzipfiantheta=0"} {
		if c, _, err := apply(t, text); err != nil || c.Distribution != Uniform || c.Validate() != nil {
			t.Errorf("%q: %s, %v", text, c.Distribution, err)
		}
	}
}

// TestShippedWorkloads: each is found by its name, complete, and what YCSB says it is.
func TestShippedWorkloads(t *testing.T) {
	want := map[string]Config{
		"transfers": {Keys: 5000, Mix: Mix{Read: 0.25, Update: 0.25, Transfer: 0.5}, Distribution: Uniform, Shape: Shape{10, 36}, Parties: 2},
		"workloada": {Keys: 1000, Mix: Mix{Read: 0.5, Update: 0.5}, Distribution: Zipfian},
		"workloadb": {Keys: 1000, Mix: Mix{Read: 0.95, Update: 0.05}, Distribution: Zipfian},
		"workloadc": {Keys: 1000, Mix: Mix{Read: 1}, Distribution: Zipfian},
		"workloadd": {Keys: 1000, Mix: Mix{Read: 0.95, Insert: 0.05}, Distribution: Latest},
		"workloade": {Keys: 1000, Mix: Mix{Scan: 0.95, Insert: 0.05}, Distribution: Zipfian, MaxScan: 100, ScanLengths: Uniform},
		"workloadf": {Keys: 1000, Mix: Mix{Read: 0.5, Modify: 0.5}, Distribution: Zipfian},
	}
	names := ShippedWorkloads()
	if len(names) != len(want) {
		t.Errorf("there are %v", names)
	}
	for _, name := range names {
		p, err := ReadProperties([]string{name}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var c Config
		if _, err := p.Apply(&c); err != nil || c.Validate() != nil || !equalConfigs(c, want[name]) {
			t.Errorf("%s: %+v, %v, %v", name, c, err, c.Validate())
		}
	}
}

// TestReadProperties: later files and then overrides count; the user's file goes before one that comes along.
func TestReadProperties(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	mine := filepath.Join(dir, "mine.properties")
	for name, text := range map[string]string{mine: "recordcount=7\nthreadcount=3", "workloadb": "recordcount=9\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		files, overrides []string
		keys             int
		err              string
	}{
		{[]string{"workloada"}, nil, 1000, ""},
		{[]string{"workloada", mine}, nil, 7, ""},
		{[]string{mine, "workloada"}, nil, 1000, ""},
		{[]string{"workloada", mine}, []string{"recordcount=8", "recordcount = 11"}, 11, ""},
		{[]string{"workloadb"}, nil, 9, ""},
		{nil, []string{"recordcount=8"}, 8, ""},
		{[]string{"workloadz"}, nil, 0, "none of those that come along: transfers, workloada"},
		{[]string{"./workloada"}, nil, 0, "no such file"},
		{[]string{dir}, nil, 0, "directory"},
		{nil, []string{"recordcount"}, 0, "not of the form key=value"},
		{nil, []string{"=5"}, 0, "not of the form key=value"},
	} {
		p, err := ReadProperties(test.files, test.overrides)
		if !matches(err, test.err) {
			t.Errorf("%v: error %v, want %q", test, err, test.err)
		}
		var c Config
		if _, err := p.Apply(&c); err != nil || c.Keys != test.keys {
			t.Errorf("%v: %d keys, %v", test, c.Keys, err)
		}
	}
}
