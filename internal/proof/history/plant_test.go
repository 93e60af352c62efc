package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPlantedAnomalies puts each hand-made anomaly somewhere into a large valid history: its keys are new, and so are its
// processes. It must be found under its name, and nothing else.
func TestPlantedAnomalies(t *testing.T) {
	valid := simulate(7, ListAppend, 20_000)
	if r := Check(plain(NewHeader(ListAppend), valid)); !r.OK() {
		t.Fatal(reportText(t, r))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i, test := range listAnomalies {
		t.Run(test.name, func(t *testing.T) {
			alone := kinds(Check(script(t, NewHeader(ListAppend), test.text)))
			planted := plant(rng, valid, test.text, fmt.Sprintf("planted-%d-", i))
			r := Check(plain(NewHeader(ListAppend), planted))
			if got := kinds(r); !slices.Equal(got, alone) || r.More > 0 {
				t.Errorf("found %q, want %q", got, alone)
			}
			r = Check(plain(NewHeader(ListAppend), plant(rng, valid, test.valid, fmt.Sprintf("planted-%d-", i))))
			if !r.OK() {
				t.Errorf("what is valid alone is not among others:\n%s", reportText(t, r))
			}
		})
	}
}

// plant inserts the transactions of a script at a random time, at random places.
func plant(rng *rand.Rand, valid []Tx, text, prefix string) []Tx {
	all := slices.Clone(valid)
	at := rng.Int64N(valid[len(valid)-1].Start)
	process := int32(1_000_000 + 1000*rng.IntN(1000))
	for _, line := range lines(text) {
		tx := parseTx(line)
		tx.Process += process
		tx.Start += at
		tx.End += at
		for j := range tx.Ops {
			tx.Ops[j].Key = prefix + tx.Ops[j].Key
		}
		all = slices.Insert(all, rng.IntN(len(all)), tx)
	}
	return all
}

// TestMutatedReads spoils one read of a large valid history in each of the ways a database can.
func TestMutatedReads(t *testing.T) {
	valid := simulate(11, ListAppend, 20_000)
	ended := writesEnded(valid)
	rng := rand.New(rand.NewPCG(3, 4))
	mutations := []struct {
		name  string
		apply func(o *Op, tx *Tx) bool // false: it does not apply here
	}{
		{"an acknowledged append is missing", func(o *Op, tx *Tx) bool {
			n := len(o.List)
			if n == 0 || ended[valueOf{o.Key, o.List[n-1]}] >= tx.Start {
				return false
			}
			o.List = o.List[:n-1]
			return true
		}},
		{"the last two are exchanged", func(o *Op, _ *Tx) bool {
			n := len(o.List)
			if n < 2 {
				return false
			}
			o.List = slices.Clone(o.List)
			o.List[n-1], o.List[n-2] = o.List[n-2], o.List[n-1]
			return true
		}},
		{"one is missing in the middle", func(o *Op, _ *Tx) bool {
			n := len(o.List)
			if n < 3 {
				return false
			}
			o.List = slices.Delete(slices.Clone(o.List), n/2, n/2+1)
			return true
		}},
		{"one is there twice", func(o *Op, _ *Tx) bool {
			if len(o.List) == 0 {
				return false
			}
			o.List = append(slices.Clone(o.List), o.List[0])
			return true
		}},
		{"one was never appended", func(o *Op, _ *Tx) bool {
			o.List = append(slices.Clone(o.List), 1_000_000)
			return true
		}},
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			for range 20 {
				spoiled, at := spoil(rng, valid, m.apply)
				if r := Check(plain(NewHeader(ListAppend), spoiled)); r.OK() {
					t.Errorf("not found in %s", appendTx(nil, &spoiled[at], true))
				}
			}
		})
	}
}

type valueOf struct {
	key   string
	value int64
}

// writesEnded is when the transaction of each append ended that is OK.
func writesEnded(txs []Tx) map[valueOf]int64 {
	ended := map[valueOf]int64{}
	for i := range txs {
		for _, o := range txs[i].Ops {
			if o.Kind != Append {
				continue
			}
			ended[valueOf{o.Key, o.Value}] = forever
			if txs[i].Status == OK {
				ended[valueOf{o.Key, o.Value}] = txs[i].End
			}
		}
	}
	return ended
}

// spoil applies a mutation to a random read of a transaction that is OK.
func spoil(rng *rand.Rand, valid []Tx, mutate func(o *Op, tx *Tx) bool) (spoiled []Tx, at int) {
	spoiled = slices.Clone(valid)
	for {
		at = rng.IntN(len(spoiled))
		tx := spoiled[at]
		tx.Ops = slices.Clone(tx.Ops)
		o := &tx.Ops[rng.IntN(len(tx.Ops))]
		if tx.Status == OK && o.Kind == Read && mutate(o, &tx) {
			spoiled[at] = tx
			return spoiled, at
		}
	}
}

// TestManyAnomalies: a report has a bound, and says that there is more.
func TestManyAnomalies(t *testing.T) {
	b, err := NewBuilder(NewHeader(ListAppend))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(10_000) {
		key := fmt.Sprint(i)
		for p := range int64(2) {
			tx := Tx{Process: int32(p), Start: 10 * i, End: 10*i + 5, Ops: []Op{{Kind: Read, Key: key}, {Kind: Append, Key: key, Value: p}}}
			if err := b.Add(&tx); err != nil {
				t.Fatal(err)
			}
		}
	}
	h, err := b.History()
	if err != nil {
		t.Fatal(err)
	}
	r := Check(h)
	if len(r.Anomalies) != MostAnomalies || r.More != 10_000-MostAnomalies {
		t.Errorf("%d anomalies and %d more", len(r.Anomalies), r.More)
	}
	for _, a := range r.Anomalies {
		if a.Kind != LostUpdate || len(a.Nodes) != 2 {
			t.Fatalf("%q of %d transactions", a.Kind, len(a.Nodes))
		}
	}
}

// TestShortestCycle: of a long cycle and a short one in the same knot the short one is shown.
func TestShortestCycle(t *testing.T) {
	const length = 300
	b, err := NewBuilder(NewHeader(ListAppend))
	if err != nil {
		t.Fatal(err)
	}
	for i := range length {
		next := fmt.Sprintf("k%d", (i+1)%length)
		tx := Tx{Process: int32(i), End: 1000, Ops: []Op{{Kind: Append, Key: fmt.Sprintf("k%d", i), Value: 1}, {Kind: Read, Key: next, List: []int64{1}}}}
		if i == 120 {
			tx.Ops = append(tx.Ops, Op{Kind: Read, Key: "k0", List: []int64{1}})
		}
		if err := b.Add(&tx); err != nil {
			t.Fatal(err)
		}
	}
	h, err := b.History()
	if err != nil {
		t.Fatal(err)
	}
	// Each transaction leads to the one before it, the first to the last, and by the way also to the one with the number 120.
	r := Check(h)
	if len(r.Anomalies) != 1 || r.Anomalies[0].Kind != G1c {
		t.Fatal(reportText(t, r))
	}
	if got, want := len(r.Anomalies[0].Nodes), 121; got != want {
		t.Errorf("a cycle of %d transactions, want %d", got, want)
	}
}

// TestBudgetEnds: a search that has to be given up leaves the history wrong, never right.
func TestBudgetEnds(t *testing.T) {
	for _, test := range listAnomalies {
		h := script(t, NewHeader(ListAppend), test.text)
		r := &Report{}
		l := newLists(h, &findings{h: h, report: r, counts: map[Kind]int{}})
		g, _ := newGraph(len(h.txs), l.edges)
		spans := func(tx int32) (start, end int64) { return h.txs[tx].start, h.txs[tx].end }
		whole := findCyclesWithin(g, spans, MostAnomalies, searchBudget)
		for budget := range 30 {
			f := findCyclesWithin(g, spans, MostAnomalies, budget)
			if len(whole.cycles) > 0 && len(f.cycles)+f.more == 0 {
				t.Errorf("%s: with a budget of %d edges nothing is found", test.name, budget)
			}
		}
	}
}
