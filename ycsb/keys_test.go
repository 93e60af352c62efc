package ycsb

import (
	"fmt"
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
	counts := make([]int, s.rows.size())
	for range n {
		counts[s.draw(rng)]++
	}
	return counts
}

func TestUniformKeys(t *testing.T) {
	const keys = 1000
	even := slices.Repeat([]float64{1.0 / keys}, keys)
	fits(t, "uniform", draws(source(Config{Keys: keys}), 1_000_000), even)
}

// source draws as a run with this configuration does.
func source(c Config) *keySource {
	c = c.withDefaults()
	return newKeySource(c, newGrowth(c.Keys))
}

// fits reports draws that are not distributed like this.
func fits(t *testing.T, name string, counts []int, probability []float64) {
	t.Helper()
	if x := chiSquare(counts, probability); x > chiSquareBound(len(counts)) {
		t.Errorf("%s: chi-square %.0f, at most %.0f", name, x, chiSquareBound(len(counts)))
	}
}

var thetas = []float64{0.1, 0.5, 0.8, 0.99, 1, 1.2, 1.5}

func TestZipfianKeys(t *testing.T) {
	const keys = 300
	for _, theta := range thetas {
		byRank := zipfWeights(keys, theta)
		for rank := range byRank {
			want := byRank[0] * math.Pow(float64(rank+1), -theta)
			if math.Abs(byRank[rank]-want) > 1e-12 {
				t.Fatalf("theta %g: rank %d has probability %g, want %g", theta, rank, byRank[rank], want)
			}
		}
		fits(t, fmt.Sprintf("theta %g", theta), draws(source(Config{Keys: keys, Distribution: Zipfian, Theta: theta}), 2_000_000), scatter(byRank))
	}
}

// TestNoSkewIsUniform: a theta of 0 is the uniform distribution, both as a weight and as what SkewedBy says.
func TestNoSkewIsUniform(t *testing.T) {
	for _, w := range zipfWeights(50, 0) {
		if math.Abs(w-0.02) > 1e-15 {
			t.Fatalf("a weight of %g, want 0.02", w)
		}
	}
	if d, theta := SkewedBy(0); d != Uniform || theta != 0 {
		t.Errorf("SkewedBy(0) = %s, %g", d, theta)
	}
	if d, theta := SkewedBy(1.2); d != Zipfian || theta != 1.2 {
		t.Errorf("SkewedBy(1.2) = %s, %g", d, theta)
	}
}

// TestRanksAreScattered: hot keys are not neighbours; the hottest tenth of them is spread evenly over the keys.
func TestRanksAreScattered(t *testing.T) {
	const keys, hottest, tenths = 10_000, 1000, 10
	weights := scatter(zipfWeights(keys, 1))
	sorted := slices.Sorted(slices.Values(weights))
	counts := make([]int, tenths)
	for key, w := range weights {
		if w >= sorted[keys-hottest] {
			counts[key*tenths/keys]++
		}
	}
	fits(t, fmt.Sprint("places ", counts), counts, slices.Repeat([]float64{1.0 / tenths}, tenths))
}

// TestLatestKeys: the newest row is the hottest, also after rows were inserted.
func TestLatestKeys(t *testing.T) {
	const keys, inserted = 300, 40
	for _, theta := range thetas {
		s := source(Config{Keys: keys, Distribution: Latest, Theta: theta, Mix: Mix{Read: 0.5, Insert: 0.5}})
		for range inserted {
			key, err := s.rows.take()
			if err != nil {
				t.Fatal(err)
			}
			s.rows.answer(key, nil)
		}
		newestFirst := draws(s, 1_000_000)
		slices.Reverse(newestFirst)
		fits(t, fmt.Sprintf("theta %g", theta), newestFirst[:keys], zipfWeights(keys, theta))
		if old := newestFirst[keys:]; len(old) != inserted || slices.Max(old) != 0 {
			t.Errorf("theta %g: draws beyond the newest %d: %v", theta, keys, old)
		}
	}
}

func TestHotspotKeys(t *testing.T) {
	const keys = 200
	for _, test := range []struct {
		data, operations float64
		hot              int
	}{{0.2, 0.8, 40}, {0.5, 0.5, 100}, {0.001, 0.5, 1}, {1, 1, 200}, {0.1, 0, 20}, {0.1, 1, 20}} {
		counts := draws(source(Config{Keys: keys, Distribution: Hotspot, HotData: test.data, HotOperations: test.operations}), 500_000)
		hot, cold := counts[:test.hot], counts[test.hot:]
		inHot := 0
		for _, n := range hot {
			inHot += n
		}
		if share := float64(inHot) / 500_000; math.Abs(share-test.operations) > 0.004 {
			t.Errorf("%+v: the hot keys got %g of the draws", test, share)
		}
		for _, part := range [][]int{hot, cold} {
			if len(part) > 0 && slices.Max(part) > 0 {
				fits(t, fmt.Sprintf("%+v", test), part, slices.Repeat([]float64{1 / float64(len(part))}, len(part)))
			}
		}
	}
}

// TestUniformGrows: rows that were inserted are drawn like all others once all before them are there too, and holes are not.
func TestUniformGrows(t *testing.T) {
	s := source(Config{Keys: 10, Mix: Mix{Read: 0.5, Insert: 0.5}})
	for range 4 {
		if _, err := s.rows.take(); err != nil {
			t.Fatal(err)
		}
	}
	s.rows.answer(12, nil)
	if n := s.rows.size(); n != 10 {
		t.Errorf("%d rows while the insertion of row 10 is under way", n)
	}
	s.rows.answer(10, nil)
	s.rows.answer(11, ErrUnknown)
	counts := draws(s, 120_000)
	if len(counts) != 13 || counts[11] != 0 {
		t.Fatalf("draws %v, want some of each key below 13 but 11", counts)
	}
	fits(t, "12 rows", slices.Delete(counts, 11, 12), slices.Repeat([]float64{1.0 / 12}, 12))
}

func TestNoRoomForRows(t *testing.T) {
	g := newGrowth(MaxKeys - 1)
	if key, err := g.take(); key != MaxKeys-1 || err != nil {
		t.Errorf("key %d, %v", key, err)
	}
	if _, err := g.take(); err == nil {
		t.Error("a key beyond the last was handed out")
	}
	if keys, _ := g.rows(); keys != MaxKeys {
		t.Errorf("%d rows", keys)
	}
}

func TestScanLengths(t *testing.T) {
	for _, lengths := range []Distribution{Uniform, Zipfian} {
		c := Config{Mix: Mix{Scan: 1}, MinScan: 5, MaxScan: 104, ScanLengths: lengths}
		r, err := NewRows(c, newMemory(0))
		if err != nil {
			t.Fatal(err)
		}
		rng, counts := rand.New(rand.NewPCG(1, 2)), make([]int, 100)
		for range 500_000 {
			counts[r.scanLength(rng)-5]++
		}
		want := map[Distribution]float64{Uniform: 0, Zipfian: DefaultTheta}
		fits(t, string(lengths), counts, zipfWeights(100, want[lengths]))
	}
}

// TestEveryKeyIsDrawn: also with very few keys, where the alias table has its edge cases.
func TestEveryKeyIsDrawn(t *testing.T) {
	for _, keys := range []int{1, 2, 3, 10} {
		for _, d := range distributions {
			if counts := draws(source(Config{Keys: keys, Distribution: d}), 10_000); slices.Min(counts) == 0 {
				t.Errorf("%d keys, %s: %v", keys, d, counts)
			}
		}
	}
}

func TestDrawsAreDistinct(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, d := range distributions {
		pairs, sixteen := source(Config{Keys: 2, Distribution: d, Theta: 4}), source(Config{Keys: 16, Distribution: d})
		keys := make([]int, 16)
		for range 300 {
			if a, b := pairs.drawPair(rng); a == b {
				t.Fatalf("%s: a pair of the same key %d", d, a)
			}
			sixteen.drawDistinct(rng, keys)
			if sorted := slices.Sorted(slices.Values(keys)); len(slices.Compact(sorted)) != 16 {
				t.Fatalf("%s: %v are not distinct", d, keys)
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
	a, b := Shape{}.NewRow(1), Shape{}.NewRow(2)
	if a != (Shape{}).NewRow(1) {
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
