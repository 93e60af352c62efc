package ycsb

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// countingSource counts how much randomness is used.
type countingSource struct {
	rand.Source
	used int
}

func (c *countingSource) Uint64() uint64 { c.used++; return c.Source.Uint64() }

// TestDistinctKeysTakeBoundedTime: to draw all keys there are takes no more for the steepest distribution, where one that is drawn by
// trying again would try millions of times.
func TestDistinctKeysTakeBoundedTime(t *testing.T) {
	for _, c := range []Config{
		{Keys: 64, Distribution: Zipfian, Theta: MaxTheta}, {Keys: 1000, Distribution: Zipfian, Theta: MaxTheta},
		{Keys: 64, Distribution: Latest, Theta: MaxTheta}, {Keys: 64, Distribution: Hotspot, HotData: 0.02, HotOperations: 1 - 1e-9},
		{Keys: 64}, {Keys: 64, Distribution: Latest, Theta: MaxTheta, Mix: Mix{Snapshot: 0.5, Insert: 0.5}},
	} {
		if c.Mix == (Mix{}) {
			c.Mix = Mix{Snapshot: 1}
		}
		c.SnapshotKeys = 64
		s, random := source(c), &countingSource{Source: rand.NewPCG(1, 2)}
		keys := make([]int, 64)
		for range 100 {
			random.used = 0
			s.drawDistinct(rand.New(random), keys)
			if most := 64 * (3*redraws + 8); random.used > most {
				t.Fatalf("%+v: %d random numbers for 64 keys, at most %d", c, random.used, most)
			}
			if sorted := slices.Sorted(slices.Values(keys)); len(slices.Compact(sorted)) != 64 {
				t.Fatalf("%+v: %v are not distinct", c, keys)
			}
		}
	}
}

// TestRestIsDistributedLikeTheDraws: a key that is drawn from the others has the distribution of a draw that is none of those, also
// where hardly any of the weight is left.
func TestRestIsDistributedLikeTheDraws(t *testing.T) {
	const keys = 40
	for name, c := range map[string]Config{
		"zipfian": {Distribution: Zipfian, Theta: 2}, "steep": {Distribution: Zipfian, Theta: MaxTheta}, "flat": {Distribution: Zipfian, Theta: 0.5},
		"latest": {Distribution: Latest, Theta: 1.2}, "hotspot": {Distribution: Hotspot, HotData: 0.1, HotOperations: 0.9}, "uniform": {},
	} {
		c.Keys = keys
		s := source(c)
		weights := weightsOf(s, c.withDefaults())
		hottest := make([]int, keys)
		for i := range hottest {
			hottest[i] = i
		}
		slices.SortFunc(hottest, func(a, b int) int { return int(math.Copysign(1, weights[b]-weights[a])) })
		for _, drawn := range [][]int{hottest[:1], hottest[:6], {hottest[20], hottest[0], hottest[3]}, hottest[:30]} {
			left := 0.0
			for key, w := range weights {
				if !slices.Contains(drawn, key) {
					left += w
				}
			}
			var counts []int
			var want []float64
			rng, times := rand.New(rand.NewPCG(3, 4)), make([]int, keys)
			for range 200_000 {
				times[s.rest(rng, drawn)]++
			}
			for key, n := range times {
				if !slices.Contains(drawn, key) {
					counts, want = append(counts, n), append(want, weights[key]/left)
				} else if n > 0 {
					t.Fatalf("%s: %d is drawn from the others of %v", name, key, drawn)
				}
			}
			fits(t, fmt.Sprintf("%s without %v", name, drawn), counts, want)
		}
	}
}

// weightsOf are the probabilities of the keys.
func weightsOf(s *keySource, c Config) []float64 {
	switch c.Distribution {
	case Zipfian:
		return scatter(zipfWeights(s.keys, c.Theta))
	case Latest:
		weights := zipfWeights(s.keys, c.Theta)
		slices.Reverse(weights)
		return weights
	case Hotspot:
		weights := slices.Repeat([]float64{(1 - s.ops) / float64(s.keys-s.hot)}, s.keys)
		for key := range s.hot {
			weights[key] = s.ops / float64(s.hot)
		}
		return weights
	}
	return slices.Repeat([]float64{1 / float64(s.keys)}, s.keys)
}

// TestHolesAreNotLookedForForEver: with latest, whose newest rows are all missing, an older one is drawn.
func TestHolesAreNotLookedForForEver(t *testing.T) {
	s := source(Config{Keys: 2, Distribution: Latest, Mix: Mix{Transfer: 0.5, Insert: 0.5}})
	for range 10 {
		key, err := s.rows.take()
		if err != nil {
			t.Fatal(err)
		}
		s.rows.answer(key, ErrUnknown)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		if a, b := s.drawPair(rng); a == b || a > 1 || b > 1 {
			t.Fatalf("drew %d and %d, and only 0 and 1 are there", a, b)
		}
	}
}
