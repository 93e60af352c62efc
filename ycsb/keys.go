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

// keySource draws keys. It is shared by all clients and never changes.
//
// Zipfian draws come from an alias table (Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution",
// 1991): exact for every theta and two array reads a draw. YCSB's own generator (Gray et al., "Quickly Generating
// Billion-Record Synthetic Databases", 1994) is an approximation, and its scrambled form draws from 10^10 ranks and hashes
// them on the keys, so that with few keys the hottest gets under 4 % of the draws whatever their number. Here the ranks are as
// many as the keys, as in its plain form, and a fixed permutation scatters them.
type keySource struct {
	keys  int
	slots []aliasSlot // nil for uniform
}

// aliasSlot stands for one key with probability keep, and for the key other with the rest.
type aliasSlot struct {
	keep  float64
	other int
}

func newKeySource(keys int, d Distribution, theta float64) *keySource {
	s := &keySource{keys: keys}
	if d == Zipfian {
		s.slots = aliasTable(zipfWeights(keys, theta))
	}
	return s
}

// draw returns a key.
func (s *keySource) draw(rng *rand.Rand) int {
	key := rng.IntN(s.keys)
	if s.slots == nil {
		return key
	}
	if slot := &s.slots[key]; rng.Float64() >= slot.keep {
		return slot.other
	}
	return key
}

// drawPair returns two distinct keys.
func (s *keySource) drawPair(rng *rand.Rand) (a, b int) {
	a = s.draw(rng)
	for b = s.draw(rng); b == a; {
		b = s.draw(rng)
	}
	return a, b
}

// zipfWeights returns the probability of each key: that of rank r is in proportion to 1/r^theta.
func zipfWeights(keys int, theta float64) []float64 {
	weights := make([]float64, keys)
	ranks := rand.New(rand.NewPCG(0, scatterStream)).Perm(keys)
	sum := 0.0
	for key, rank := range ranks {
		weights[key] = math.Pow(float64(rank+1), -theta)
		sum += weights[key]
	}
	for key := range weights {
		weights[key] /= sum
	}
	return weights
}

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
