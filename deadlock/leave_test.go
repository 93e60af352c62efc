package deadlock

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestLeaveAgainstOracle: those who leave count as gone. The victims are those of a world in which they have released everything,
// and none of them is a victim.
func TestLeaveAgainstOracle(t *testing.T) {
	var g Graph
	rapid.Check(t, func(t *rapid.T) {
		owners, nLocks, history := drawHistory(t)
		w, after := play(owners, nLocks, history), play(owners, nLocks, history)
		g.Reset()
		w.addTo(&g)
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(owners)-1), 0, len(owners)).Draw(t, "leaving") {
			if owners[i].Single {
				continue // holds nothing while it waits
			}
			g.Leave(owners[i])
			after.abort(i)
		}
		got := victims(g.Break())
		if cyclic := after.explicit().cyclic(); cyclic != (len(got) > 0) {
			t.Fatalf("without those who leave: cyclic %v, but victims %v", cyclic, got)
		}
		if want := after.oracle(); !slices.Equal(got, want) {
			t.Fatalf("victims %v, want %v", got, want)
		}
	})
}
