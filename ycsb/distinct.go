package ycsb

import (
	"math/rand/v2"
	"slices"
	"sort"
)

// redraws is how often a key is drawn again that was drawn already, before it is drawn from the others only. Both give the same
// distribution; the first is faster where few keys are drawn often, and would take forever where they nearly always are.
const redraws = 16

// drawPair returns two distinct keys.
func (s *keySource) drawPair(rng *rand.Rand) (a, b int) {
	a = s.draw(rng)
	for range redraws {
		if b = s.draw(rng); b != a {
			return a, b
		}
	}
	return a, s.rest(rng, []int{a})
}

// drawDistinct fills keys with distinct ones: each has the distribution of those that are not among the ones before it. There must be
// as many that are ever drawn.
func (s *keySource) drawDistinct(rng *rand.Rand, keys []int) {
	for i := range keys {
		keys[i] = s.drawNext(rng, keys[:i])
	}
}

func (s *keySource) drawNext(rng *rand.Rand, drawn []int) int {
	for range redraws {
		if key := s.draw(rng); !slices.Contains(drawn, key) {
			return key
		}
	}
	return s.rest(rng, drawn)
}

// drawOther draws one of the keys from one to before another that are not among those drawn, each equally often.
func drawOther(rng *rand.Rand, from, to int, drawn []int) int {
	taken := within(from, to, drawn)
	key := from + rng.IntN(to-from-len(taken))
	for _, t := range taken {
		if t <= key {
			key++
		}
	}
	return key
}

// within are the keys from one to before another, in order.
func within(from, to int, keys []int) (some []int) {
	for _, key := range keys {
		if from <= key && key < to {
			some = append(some, key)
		}
	}
	slices.Sort(some)
	return some
}

// restHotspot draws from the hot or the other keys in proportion to what is left of their weights.
func (s *keySource) restHotspot(rng *rand.Rand, drawn []int) int {
	hot := left(s.ops, s.hot, len(within(0, s.hot, drawn)))
	cold := left(1-s.ops, s.keys-s.hot, len(within(s.hot, s.keys, drawn)))
	if rng.Float64()*(hot+cold) < hot {
		return drawOther(rng, 0, s.hot, drawn)
	}
	return drawOther(rng, s.hot, s.keys, drawn)
}

// left is what remains of a weight that so many keys share when some of them are taken.
func left(weight float64, keys, taken int) float64 {
	if keys == taken {
		return 0
	}
	return weight * float64(keys-taken) / float64(keys)
}

func (s *keySource) restScattered(rng *rand.Rand, drawn []int) int {
	ranks := make([]int, len(drawn))
	for i, key := range drawn {
		ranks[i] = int(s.ranks.of[key])
	}
	return int(s.ranks.keys[s.ranks.drawOther(rng, ranks)])
}

// restLatest leaves out what was drawn when there were fewer rows and is not among the newest any more, and takes an older row for
// one whose insertion has failed.
func (s *keySource) restLatest(rng *rand.Rand, drawn []int) int {
	newest := s.rows.size() - 1
	ranks := make([]int, len(drawn))
	for i, key := range drawn {
		ranks[i] = newest - key
	}
	key := newest - s.ranks.drawOther(rng, within(0, s.keys, ranks))
	if s.rows.isHole(key) || slices.Contains(drawn, key) {
		return drawOther(rng, 0, s.keys, drawn)
	}
	return key
}

// ranks are weights that fall from rank to rank, such that what is left of them when the heaviest are taken is known exactly: beside
// those it would vanish. So they are added up from the lightest on.
type ranks struct {
	tail     []float64 // of each rank the weight of it and all after it, and 0
	of, keys []int32   // the ranks of the keys, and the other way round; nil until they are scattered
}

func newRanks(weights []float64) *ranks {
	r := &ranks{tail: make([]float64, len(weights)+1)}
	for i := len(weights) - 1; i >= 0; i-- {
		r.tail[i] = r.tail[i+1] + weights[i]
	}
	return r
}

// scatter gives the ranks to the keys as the function scatter does.
func (r *ranks) scatter() {
	n := len(r.tail) - 1
	r.of, r.keys = make([]int32, n), make([]int32, n)
	for key, rank := range scatteredRanks(n) {
		r.of[key], r.keys[rank] = int32(rank), int32(key)
	}
}

// drawOther draws a rank that is not among those taken, which it sorts, in proportion to its weight.
func (r *ranks) drawOther(rng *rand.Rand, taken []int) int {
	slices.Sort(taken)
	weight, from := 0.0, 0
	for _, t := range taken {
		weight += r.tail[from] - r.tail[t]
		from = t + 1
	}
	weight += r.tail[from]
	at := rng.Float64() * weight // counted from the lightest rank on, without those taken
	for _, t := range slices.Backward(taken) {
		if at >= r.tail[t+1] {
			at += r.tail[t] - r.tail[t+1]
		}
	}
	rank := max(0, sort.Search(len(r.tail), func(i int) bool { return r.tail[i] <= at })-1)
	for slices.Contains(taken, rank) { // by rounding
		rank = (rank + 1) % (len(r.tail) - 1)
	}
	return rank
}
