package history

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestBrokenThroughout: histories that are wrong all over are reported in about the time of valid ones, and under a name that fits.
func TestBrokenThroughout(t *testing.T) {
	const count = 50_000
	for _, test := range []struct {
		name  string
		spoil func(rng *rand.Rand, i int, tx *Tx)
		want  []Kind
	}{
		{"one read of a thousand misses the last append", func(rng *rand.Rand, _ int, tx *Tx) {
			if rng.IntN(1000) == 0 {
				forgetLast(tx)
			}
		}, []Kind{StaleRead}},
		{"every tenth read misses the last append", func(rng *rand.Rand, _ int, tx *Tx) {
			if rng.IntN(10) == 0 {
				forgetLast(tx)
			}
		}, []Kind{GSingle, FracturedRead, StaleRead}},
		{"the last transaction sees nothing of what ever was", func(_ *rand.Rand, i int, tx *Tx) {
			if i == count-1 {
				*tx = Tx{Process: 1_000_000, Start: tx.End + 1_000_000, End: tx.End + 2_000_000, Ops: []Op{{Kind: Read, Key: "k1"}}}
			}
		}, []Kind{StaleRead}},
		{"the first one sees the future", func(_ *rand.Rand, i int, tx *Tx) {
			if i == 0 {
				*tx = Tx{Process: 1_000_000, Start: 0, End: 1, Ops: []Op{{Kind: Read, Key: "k30", List: []int64{1, 2}}}}
			}
		}, []Kind{G1cRealTime}},
		{"clocks are off by as much as an hour", func(rng *rand.Rand, _ int, tx *Tx) {
			shift := rng.Int64N(10_000_000)
			tx.Start, tx.End, tx.Process = tx.Start+shift, tx.End+shift, rng.Int32()
		}, []Kind{G0RealTime, G1cRealTime}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(9, 9))
			txs := simulate(21, ListAppend, count)
			for i := range txs {
				test.spoil(rng, i, &txs[i])
			}
			began := time.Now()
			r := Check(plain(NewHeader(ListAppend), txs))
			t.Logf("%d anomalies and %d more, %.2f s", len(r.Anomalies), r.More, time.Since(began).Seconds())
			for _, want := range test.want {
				if !slices.Contains(kinds(r), want) {
					t.Errorf("%q is not among %q", want, r.Verdict())
				}
			}
		})
	}
}

// forgetLast takes the last element off the first read that has one.
func forgetLast(tx *Tx) {
	for i := range tx.Ops {
		o := &tx.Ops[i]
		own := slices.ContainsFunc(tx.Ops, func(w Op) bool { return w.Kind == Append && w.Key == o.Key })
		if n := len(o.List); o.Kind == Read && n > 0 && !own {
			o.List = o.List[:n-1]
			return
		}
	}
}
