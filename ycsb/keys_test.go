package ycsb

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// chiSquare is the statistic of observed counts against probabilities.
func chiSquare(counts []int, probability []float64) float64 {
	total, sum := 0, 0.0
	for _, n := range counts {
		total += n
	}
	for i, n := range counts {
		expected := probability[i] * float64(total)
		sum += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	return sum
}

// chiSquareBound is what the statistic exceeds once in some ten thousand times (4 standard deviations).
func chiSquareBound(classes int) float64 {
	freedom := float64(classes - 1)
	return freedom + 4*math.Sqrt(2*freedom)
}

func draws(s *keySource, n int) []int {
	rng := rand.New(rand.NewPCG(1, 2))
	counts := make([]int, s.keys)
	for range n {
		counts[s.draw(rng)]++
	}
	return counts
}

func TestUniformKeys(t *testing.T) {
	const keys = 1000
	even := slices.Repeat([]float64{1.0 / keys}, keys)
	if x := chiSquare(draws(newKeySource(keys, Uniform, 0), 1_000_000), even); x > chiSquareBound(keys) {
		t.Errorf("chi-square %.0f, at most %.0f", x, chiSquareBound(keys))
	}
}

func TestZipfianKeys(t *testing.T) {
	for _, theta := range []float64{0.5, 0.99, 1, 1.5} {
		const keys = 300
		weights := zipfWeights(keys, theta)
		if x := chiSquare(draws(newKeySource(keys, Zipfian, theta), 2_000_000), weights); x > chiSquareBound(keys) {
			t.Errorf("theta %g: chi-square %.0f, at most %.0f", theta, x, chiSquareBound(keys))
		}
		sorted := slices.Clone(weights)
		slices.Sort(sorted)
		slices.Reverse(sorted)
		for rank := range sorted {
			want := sorted[0] * math.Pow(float64(rank+1), -theta)
			if math.Abs(sorted[rank]-want) > 1e-12 {
				t.Fatalf("theta %g: rank %d has probability %g, want %g", theta, rank, sorted[rank], want)
			}
		}
		if slices.Equal(sorted, weights) {
			t.Errorf("theta %g: the ranks are not scattered", theta)
		}
	}
}

// TestEveryKeyIsDrawn: also with very few keys, where the alias table has its edge cases.
func TestEveryKeyIsDrawn(t *testing.T) {
	for _, keys := range []int{1, 2, 3, 10} {
		for _, d := range []Distribution{Uniform, Zipfian} {
			if counts := draws(newKeySource(keys, d, 0.99), 10_000); slices.Min(counts) == 0 {
				t.Errorf("%d keys, %s: %v", keys, d, counts)
			}
		}
	}
}

func TestPairsAreDistinct(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, d := range []Distribution{Uniform, Zipfian} {
		source := newKeySource(2, d, 4)
		for range 1000 {
			if a, b := source.drawPair(rng); a == b {
				t.Fatalf("%s: a pair of the same key %d", d, a)
			}
		}
	}
}

// TestRequestIDs: ids of one run, of its clients, and of the next run differ, and rise with time.
func TestRequestIDs(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	seen := make(map[string]bool)
	for _, began := range []time.Time{now, now.Add(time.Microsecond)} {
		for _, client := range []int{0, 1, MaxClients - 1} {
			ids := newRequestIDs(began, client)
			last := ""
			for range 36*36 + 40 {
				id := ids.next()
				if seen[id] || id <= last || len(id) != idBytes {
					t.Fatalf("id %q after %q (seen before: %v)", id, last, seen[id])
				}
				seen[id], last = true, id
			}
		}
	}
}

func TestRowIDs(t *testing.T) {
	ids := RowIDs(1001)
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort like keys")
	}
	for key, id := range ids {
		if back, err := ParseRowID(id); err != nil || back != key {
			t.Errorf("ParseRowID(%q) = %d, %v, want %d", id, back, err, key)
		}
	}
	for _, bad := range []string{"", "user", "user1", "user0000000x", "abcd00000001", "user-0000001"} {
		if key, err := ParseRowID(bad); err == nil {
			t.Errorf("ParseRowID(%q) = %d, want an error", bad, key)
		}
	}
}

func TestNewRow(t *testing.T) {
	a, b := NewRow(1), NewRow(2)
	if a != NewRow(1) {
		t.Error("a row differs from one time to the next")
	}
	for i := range a.Fields {
		if len(a.Fields[i]) != FieldBytes || a.Fields[i] == b.Fields[i] {
			t.Errorf("field %d: %q, %q", i, a.Fields[i], b.Fields[i])
		}
	}
	if a.Balance != OpeningBalance {
		t.Errorf("balance %d", a.Balance)
	}
}
