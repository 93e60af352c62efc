package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/hotel"
	"github.com/concordat-dev/concordat/ycsb/tpcc"
)

const (
	tinyTPCC  = "ycsb tpcc --warehouses 2 --districts 2 --customers 30 --items 100 --operations 300 --warmup 0s --clients 4"
	tinyHotel = "ycsb hotel --hotels 5 --flights 4 --rooms 3 --seats 3 --customers 6 --reserve 60 --cancel 40 --operations 600 --warmup 0s --clients 4"
)

// runWords runs the program for real.
func runWords(line string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(words(line), &out, &errs)
	return status, out.String(), errs.String()
}

// TestDrivenWorkloads: TPC-C and the reservations run under both protocols, audited, and say in the report what they were told.
func TestDrivenWorkloads(t *testing.T) {
	for line, want := range map[string]struct {
		kinds      []string
		parameters map[string]string
	}{
		tinyTPCC:  {[]string{"new-order", "payment"}, map[string]string{"warehouses": "2", "items": "100", "payments": "43"}},
		tinyHotel: {[]string{"search", "recommend", "reserve", "cancel"}, map[string]string{"rooms": "3", "choice": "normal", "deviation": "0.1"}},
	} {
		for _, protocol := range []string{"saga", "serializable"} {
			path := filepath.Join(t.TempDir(), "out.json")
			status, stdout, stderr := runWords(line + " --protocol " + protocol + " --json " + path)
			if status != exitOK || !strings.Contains(stdout, "is right") {
				t.Errorf("%s: status %d:\n%s%s", line, status, stdout, stderr)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var r ycsb.Report
			if err := json.Unmarshal(data, &r); err != nil {
				t.Fatal(err)
			}
			if r.Workload != words(line)[1] || r.Protocol != protocol || r.Committed == 0 || len(r.Audit) == 0 || !r.Balanced() {
				t.Errorf("%+v", r)
			}
			for _, kind := range want.kinds {
				if r.Kinds[kind].Committed == 0 {
					t.Errorf("%s: no %s was committed", protocol, kind)
				}
			}
			for name, value := range want.parameters {
				if r.Parameters[name] != value {
					t.Errorf("parameter %s is %q, want %q", name, r.Parameters[name], value)
				}
			}
		}
	}
}

// TestDrivenBadInput: a clear error, status 2, and nothing was run.
func TestDrivenBadInput(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"ycsb hotel --operations=-1", "operations"},
		{"ycsb tpcc --warehouses 0", "warehouses: must be more than 0"},
		{"ycsb tpcc --warehouses=-1", "-1 warehouses are not between"},
		{"ycsb tpcc --items 100001", "100001 items"},
		{"ycsb tpcc --districts 11 --customers 5", "5 customers"},
		{"ycsb tpcc --new-orders=-1", "weights are not negative"},
		{"ycsb tpcc --new-orders 0 --payments 0", "not all zero"},
		{"ycsb tpcc --protocol plain", "neither saga nor serializable"},
		{"ycsb tpcc --clients 0", "clients: must be more than 0"},
		{"ycsb tpcc --policy hope", "policy"},
		{"ycsb tpcc --repeat 0", "repeat"},
		{"ycsb tpcc --arrivals poisson", "need a rate"},
		{"ycsb tpcc --keys 5", "keys"},
		{"ycsb hotel --hotels 4", "4 hotels"},
		{"ycsb hotel --rooms 0", "rooms: must be more than 0"},
		{"ycsb hotel --choice even", `"even"`},
		{"ycsb hotel --deviation=-1", "deviation"},
		{"ycsb hotel --search=-5", "weights are not negative"},
		{"ycsb hotel --search 0 --recommend 0 --login 0 --reserve 0", "must be more than 0"},
		{"ycsb hotel --protocol floor", "neither saga nor serializable"},
		{"ycsb hotel --duration 0s", "duration: must be more than 0"},
		{"ycsb hotel --search 1e-320", "is so small that it would never come up"},
		{"ycsb hotel --search NaN", "weights"},
		{"ycsb hotel --search 1e308 --reserve 1e308", "finite"},
		{"ycsb hotel --deviation NaN", "deviation"},
		{"ycsb hotel --rooms 2147483648", "rooms"},
		{"ycsb tpcc --new-orders 1e-320", "so small"},
		{"ycsb tpcc --payments Inf", "finite"},
		{"ycsb tpcc --rate 1e-11", "rate"},
		{"ycsb tpcc --json - --cpuprofile -", "cpuprofile: - is the file of --json, too"},
	} {
		status, stdout, stderr := runWords(test.args)
		if status != exitUsage || !strings.Contains(stderr, test.want) || strings.Contains(stdout, "committed") {
			t.Errorf("concordat %s: status %d, want 2 and %q, and got:\n%s%s", test.args, status, test.want, stdout, stderr)
		}
		if strings.Contains(stderr, "usage: ") {
			t.Errorf("concordat %s: the mark of the error is told:\n%s", test.args, stderr)
		}
	}
}

// TestSmallWeights: only their proportions count.
func TestSmallWeights(t *testing.T) {
	status, stdout, stderr := runWords("ycsb hotel --hotels 5 --flights 4 --customers 6 --search 1e-320 --recommend 0 --login 0 --reserve 0 --operations 200 --warmup 0s --clients 4 --protocol Saga --choice UNIFORM")
	if status != exitOK || !strings.Contains(stdout, "choice uniform") || strings.Contains(stderr, "note") {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
}

// TestDrivenIdleFlags: what a flag says and nothing comes of is told.
func TestDrivenIdleFlags(t *testing.T) {
	for flags, want := range map[string]bool{"--choice Uniform --deviation 0.5": true, "--choice Normal --deviation 0.5": false, "--choice uniform": false} {
		status, stdout, stderr := runWords(tinyHotel + " " + flags)
		if status != exitOK || strings.Contains(stderr, "note: --deviation means nothing here: the choice is uniform") != want {
			t.Errorf("%s: status %d:\n%s%s", flags, status, stdout, stderr)
		}
	}
}

// TestDrivenDir: a directory is used again with the same scale, and refused with another.
func TestDrivenDir(t *testing.T) {
	for line, other := range map[string]string{tinyTPCC: " --items 50", tinyHotel: " --rooms 4"} {
		dir := " --dir " + filepath.Join(t.TempDir(), "data")
		for seed, protocol := range []string{"saga", "serializable"} {
			if status, stdout, stderr := runWords(line + dir + " --protocol " + protocol + " --seed " + string(rune('1'+seed))); status != exitOK {
				t.Errorf("%s: status %d:\n%s%s", line, status, stdout, stderr)
			}
		}
		if status, _, stderr := runWords(line + dir + other); status != exitUsage || !strings.Contains(stderr, "holds other data") {
			t.Errorf("%s: status %d:\n%s", other, status, stderr)
		}
	}
}

// TestDrivenWrongAudit: data that are wrong are a failed run.
func TestDrivenWrongAudit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	status, stdout, stderr := runWords(tinyHotel + " --dir " + dir)
	if status != exitOK {
		t.Fatalf("status %d:\n%s%s", status, stdout, stderr)
	}
	w, err := hotel.OpenWorkload(hotel.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Engine().Do(t.Context(), hotel.CountMade.On("2", struct{}{}).Drop()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	status, _, stderr = runWords(tinyHotel + " --dir " + dir)
	if status != exitFailed || !strings.Contains(stderr, "condition customers: customer 2") {
		t.Errorf("status %d:\n%s", status, stderr)
	}
	dir = filepath.Join(t.TempDir(), "data")
	if status, stdout, stderr := runWords(tinyTPCC + " --dir " + dir); status != exitOK {
		t.Fatalf("status %d:\n%s%s", status, stdout, stderr)
	}
	c, err := tpcc.Open(tpcc.Options{Dir: dir, Scale: tpcc.Tiny(2)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Engine().Do(t.Context(), tpcc.PayWarehouse.On("2", 5).Drop()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr = runWords(tinyTPCC + " --dir " + dir); status != exitFailed || !strings.Contains(stderr, "condition 1: warehouse 2: W_YTD is") {
		t.Errorf("status %d:\n%s", status, stderr)
	}
}
