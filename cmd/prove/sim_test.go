package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestBadUsage: what cannot be meant is refused with status 2 before anything runs, with an error that says what is wrong.
func TestBadUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "expected one of"},
		{"fly", "unexpected argument fly"},
		{"sim --seeds 9-3", "wrong way round"},
		{"sim --seeds x", "1-2000"},
		{"sim --seeds 1-999999999999", "more than"},
		{"sim --steps 0", "--steps is 0"},
		{"sim --steps 100000000", "allowed are 1 to"},
		{"sim --parallel=-3", "--parallel is -3"},
		{"sim --faults fire", "no fault \"fire\""},
		{"sim -v", "-v is for one seed"},
		{"sweep --seeds 2-1", "wrong way round"},
		{"sweep --orders 0", "--orders is 0"},
		{"sweep --depth 4", "--depth is 4"},
		{"sweep --points=-1", "--points is -1"},
		{"sweep --parallel 5000", "--parallel is 5000"},
	} {
		status, stdout, stderr := prove(strings.Fields(c.args)...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("prove %s: status %d, stdout %q, stderr %q", c.args, status, stdout, stderr)
		}
	}
}

// TestSim: some seeds end with status 0 and a summary with a trace hash, which is the same the next time; nothing is drawn where
// there is no terminal.
func TestSim(t *testing.T) {
	hash := regexp.MustCompile(`trace hash [0-9a-f]{16}`)
	var hashes []string
	for range 2 {
		status, stdout, stderr := prove("sim", "--seeds", "1-4", "--steps", "20")
		if status != exitOK || stderr != "" {
			t.Fatalf("status %d, stderr %q, stdout %s", status, stderr, stdout)
		}
		for _, want := range []string{"4 seeds", "violations: 0", "simulated seconds per second", "crash", "requests"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("the summary does not say %q: %s", want, stdout)
			}
		}
		hashes = append(hashes, hash.FindString(stdout))
	}
	if hashes[0] == "" || hashes[0] != hashes[1] {
		t.Errorf("hashes %q", hashes)
	}
}

// TestVerbose: one seed prints a line for each event, request and seal.
func TestVerbose(t *testing.T) {
	status, stdout, stderr := prove("sim", "--seed", "3", "--steps", "10", "-v")
	if status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	for _, want := range []string{"open with", "disk: sync", "give ", "sealed ", "worker 0: "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no line says %q", want)
		}
	}
}

// TestSweep: some points end with status 0 and counts.
func TestSweep(t *testing.T) {
	status, stdout, stderr := prove("sweep", "--seeds", "1-2", "--orders", "5", "--points", "20")
	if status != exitOK {
		t.Errorf("status %d, stderr %q, stdout %s", status, stderr, stdout)
	}
	for _, want := range []string{"points in", "crashes at operations of the disk", "damaged files", "in a recovery"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the summary does not say %q: %s", want, stdout)
		}
	}
}
