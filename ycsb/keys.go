package ycsb

import (
	"math"
	"math/rand/v2"
)

// Streams of random numbers that must not be those of a client, whose stream is its number.
const (
	rowStream     = math.MaxUint64
	scatterStream = math.MaxUint64 - 1
)

// keySource draws keys. It is shared by all clients; only its rows grow.
//
// Zipfian draws come from an alias table (Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution",
// 1991): exact for every theta and two array reads a draw. YCSB's own generator (Gray et al., "Quickly Generating
// Billion-Record Synthetic Databases", 1994) is an approximation, and its scrambled form draws from 10^10 ranks and hashes
// them on the keys, so that with few keys the hottest gets under 4 % of the draws whatever their number. Here the ranks are as
// many as the keys, as in its plain form, and a fixed permutation scatters them.
//
// The table is made once. YCSB's grows with the rows that are inserted; here zipfian goes on to draw from the rows that were
// there before, and latest from the newest, as many as there were before.
type keySource struct {
	draw  func(rng *rand.Rand) int
	rest  func(rng *rand.Rand, drawn []int) int // draws from the others; see distinct.go
	rows  *growth                               // of uniform and latest
	table []aliasSlot
	ranks *ranks // of zipfian and latest, if several distinct keys are drawn at once
	keys  int    // rows when the run began
	hot   int    // of them hot, from key 0 on
	ops   float64
}

// aliasSlot stands for one key with probability keep, and for the key other with the rest.
type aliasSlot struct {
	keep  float64
	other int
}

func newKeySource(c Config, rows *growth) *keySource {
	s := &keySource{rows: rows, keys: rows.size()}
	s.rest = func(rng *rand.Rand, drawn []int) int { return drawOther(rng, 0, s.keys, drawn) }
	switch c.Distribution {
	case Zipfian:
		weights := zipfWeights(s.keys, c.Theta)
		s.table = aliasTable(scatter(weights))
		s.draw = s.drawTable
		if c.distinct() > 1 {
			s.ranks, s.rest = newRanks(weights), s.restScattered
			s.ranks.scatter()
		}
	case Latest:
		weights := zipfWeights(s.keys, c.Theta)
		s.table = aliasTable(weights)
		s.draw = func(rng *rand.Rand) int { return s.rows.size() - 1 - s.drawTable(rng) }
		if c.distinct() > 1 {
			s.ranks, s.rest = newRanks(weights), s.restLatest
		}
	case Hotspot:
		s.hot, s.ops = c.hotKeys(s.keys), c.HotOperations
		s.draw, s.rest = s.drawHotspot, s.restHotspot
	default:
		s.draw = func(rng *rand.Rand) int { return rng.IntN(s.keys) }
		if c.Mix.Insert > 0 {
			s.draw = func(rng *rand.Rand) int { return rng.IntN(s.rows.size()) }
		}
	}
	if c.Mix.Insert > 0 {
		all := s.draw
		s.draw = func(rng *rand.Rand) int {
			for range redraws {
				if key := all(rng); !rows.isHole(key) {
					return key
				}
			}
			return rng.IntN(s.keys) // what was there before the run is no hole
		}
	}
	return s
}

func (s *keySource) drawTable(rng *rand.Rand) int {
	key := rng.IntN(s.keys)
	if slot := &s.table[key]; rng.Float64() >= slot.keep {
		return slot.other
	}
	return key
}

func (s *keySource) drawHotspot(rng *rand.Rand) int {
	if s.hot == s.keys || rng.Float64() < s.ops {
		return rng.IntN(s.hot)
	}
	return s.hot + rng.IntN(s.keys-s.hot)
}

// zipfWeights returns the probability of each rank from 1 on: in proportion to 1/rank^theta.
func zipfWeights(n int, theta float64) []float64 {
	weights := make([]float64, n)
	sum := 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -theta)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	return weights
}

// scatter permutes weights, always in the same way.
func scatter(weights []float64) []float64 {
	scattered := make([]float64, len(weights))
	for i, rank := range scatteredRanks(len(weights)) {
		scattered[i] = weights[rank]
	}
	return scattered
}

// scatteredRanks are the ranks of the keys.
func scatteredRanks(n int) []int { return rand.New(rand.NewPCG(0, scatterStream)).Perm(n) }

// aliasTable fills each slot, which has room for 1/len(weights), with a light key and the rest of a heavy one.
func aliasTable(weights []float64) []aliasSlot {
	n := len(weights)
	slots := make([]aliasSlot, n)
	var light, heavy []int
	for key, w := range weights {
		slots[key] = aliasSlot{keep: w * float64(n), other: key}
		if slots[key].keep < 1 {
			light = append(light, key)
		} else {
			heavy = append(heavy, key)
		}
	}
	for len(light) > 0 && len(heavy) > 0 {
		l, h := light[len(light)-1], heavy[len(heavy)-1]
		light = light[:len(light)-1]
		slots[l].other = h
		if slots[h].keep -= 1 - slots[l].keep; slots[h].keep < 1 {
			heavy, light = heavy[:len(heavy)-1], append(light, h)
		}
	}
	for _, key := range append(light, heavy...) { // off from 1 by rounding only
		slots[key] = aliasSlot{keep: 1, other: key}
	}
	return slots
}
