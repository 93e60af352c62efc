package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestLinearizable: histories of single operations, and whether an order explains them.
func TestLinearizable(t *testing.T) {
	for _, test := range []struct {
		name     string
		workload Workload
		text     string
		want     bool
	}{
		{"nothing before the first write", Register, "p0 0-10 ok: r x nil", true},
		{"a value from nowhere", Counter, "p0 0-10 ok: r x 1", false},
		{"a counter begins with 0", Counter, "p0 0-10 ok: r x 0", true},
		{"additions at once", Counter, "p0 0-10 ok: add x 1\n p1 0-10 ok: add x 2\n p2 0-10 ok: r x 2\n p3 20-30 ok: r x 3", true},
		{"one of two additions is lost", Counter, "p0 0-10 ok: add x 1\n p1 0-10 ok: add x 2\n p3 20-30 ok: r x 2", false},
		{"seen and unseen again", Counter, "p0 0-100 ok: add x 1\n p1 10-20 ok: r x 1\n p2 30-40 ok: r x 0", false},
		{"an addition that failed", Counter, "p0 0-10 fail: add x 1\n p1 20-30 ok: r x 1", false},
		{"an addition that may have failed", Counter, "p0 0- unknown: add x 1\n p1 20-30 ok: r x 1", true},
		{"one that comes late", Counter, "p0 0- unknown: add x 1\n p1 20-30 ok: r x 0\n p2 40-50 ok: r x 1", true},
		{"one that comes twice", Counter, "p0 0- unknown: add x 1\n p1 20-30 ok: r x 1\n p2 40-50 ok: r x 2", false},
		{"old and new crosswise", Register, "p0 0-100 ok: w x 1\n p1 0-100 ok: w x 2\n p2 10-20 ok: r x 1\n p2 30-40 ok: r x 2\n p3 50-60 ok: r x 1", false},
		{"each key for itself", Register, "p0 0-100 ok: w x 1\n p1 10-20 ok: r x 1\n p2 0-100 ok: w y 1\n p3 30-40 ok: r y nil", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Check(script(t, NewHeader(test.workload), test.text))
			if r.OK() != test.want || r.Undecided != 0 {
				t.Errorf("the verdict is\n%s", reportText(t, r))
			}
			if named := slices.Contains(kinds(r), NotLinearizable); named == test.want {
				t.Errorf("found %q", kinds(r))
			}
			if test.want && !strings.Contains(reportText(t, r), "\nlinearizable\n") {
				t.Error(reportText(t, r))
			}
		})
	}
}

// TestCrosswiseReadsNeedTheSearch: this violation is in no cycle that the edges of registers show.
func TestCrosswiseReadsNeedTheSearch(t *testing.T) {
	text := "p0 0-100 ok: w x 1\n p1 0-100 ok: w x 2\n p2 10-20 ok: r x 1\n p2 30-40 ok: r x 2\n p3 50-60 ok: r x 1"
	if got := kinds(Check(script(t, NewHeader(Register), text))); !slices.Equal(got, []Kind{NotLinearizable}) {
		t.Errorf("found %q", got)
	}
}

// drawSingle draws a small history of registers whose transactions are single operations.
func drawSingle(t *rapid.T) []Tx {
	txs := drawHistory(t, Register)
	for i := range txs {
		txs[i].Ops = txs[i].Ops[:1]
		txs[i].Process = int32(i) // the search does not know processes
	}
	return txs
}

// TestTooHard: a key with more operations than the search takes is left undecided, and the report says so.
func TestTooHard(t *testing.T) {
	var text strings.Builder
	for i := range linearOps + 1 {
		fmt.Fprintf(&text, "p0 %d-%d ok: add x 1\n", 10*i, 10*i+1)
	}
	text.WriteString("p1 0-5 ok: r y 0\n")
	r := Check(script(t, NewHeader(Counter), text.String()))
	if !r.OK() || r.Undecided != 1 || r.Linearizable != 1 || !strings.Contains(reportText(t, r), "1 were too hard to decide") {
		t.Error(reportText(t, r))
	}
}
