package table

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestInOrder: rows are in the order of their keys, and of those with the same key the last one is left: few and many, with keys that begin
// alike, end in zeros, or are the start of another.
func TestInOrder(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 4))
		keys := make([][]byte, []int{0, 1, 2, fewPieces, 1000, 2 * manyPieces}[rng.IntN(6)])
		letters, most := 1+rng.IntN(4)*rng.IntN(80), 1+rng.IntN(60)
		for i := range keys {
			key := bytes.Repeat([]byte{7}, rng.IntN(3)*rng.IntN(20))
			for range rng.IntN(most) {
				key = append(key, byte(rng.IntN(letters)))
			}
			if keys[i] = key; i > 0 && rng.IntN(3) == 0 {
				keys[i] = slices.Concat(keys[rng.IntN(i)], make([]byte, rng.IntN(4)))
			}
		}
		var rows, want []uint32
		for i := range keys {
			rows = append(rows, uint32(i))
		}
		want = slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b uint32) int { return bytes.Compare(keys[a], keys[b]) })
		last := want[:0]
		for i, row := range want {
			if i+1 == len(want) || !bytes.Equal(keys[row], keys[want[i+1]]) {
				last = append(last, row)
			}
		}
		if got := inOrder(rows, func(row uint32) []byte { return keys[row] }); !slices.Equal(got, last) {
			t.Fatalf("seed %d: %d rows are not in their order", seed, len(keys))
		}
	}
}
