package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// simulator makes valid histories: clients whose transactions take effect, one after the other, at a point between their start and
// their end. A key takes perKey appends, then a new one takes over.
type simulator struct {
	rng      *rand.Rand
	workload Workload
	clients  []simClient
	live     []simKey
	keys     int64
	process  int32
	clock    int64
	unknown  float64 // share of transactions whose outcome stays unknown
	tx       Tx
}

type simClient struct {
	process int32
	free    int64 // when the last transaction ended
}

type simKey struct {
	name string
	list []int64
	next int64
}

const perKey = 24

func newSimulator(seed uint64, workload Workload, clients, live int) *simulator {
	s := &simulator{rng: rand.New(rand.NewPCG(seed, 1)), workload: workload, unknown: 0.001}
	for range clients {
		s.clients = append(s.clients, simClient{process: s.process})
		s.process++
	}
	for range live {
		s.live = append(s.live, s.newKey())
	}
	return s
}

func (s *simulator) newKey() simKey {
	s.keys++
	return simKey{name: "k" + strconv.FormatInt(s.keys, 10)}
}

// next is the next transaction in the order in which they take effect. It is good until the next call. The lists in it must not
// be changed.
func (s *simulator) next() *Tx {
	s.clock += 10
	c := &s.clients[s.rng.IntN(len(s.clients))]
	spread := int64(10 * len(s.clients))
	s.tx = Tx{Process: c.process, Start: max(c.free, s.clock-s.rng.Int64N(spread)), End: s.clock + s.rng.Int64N(spread), Ops: s.tx.Ops[:0]}
	s.tx.Start = min(s.tx.Start, s.clock)
	happens := true
	switch p := s.rng.Float64(); {
	case p < s.unknown:
		s.tx.Status = Unknown
		happens = s.rng.IntN(2) == 0
		c.process, c.free = s.process, s.clock
		s.process++
	case p < 4*s.unknown:
		s.tx.Status, happens = Failed, false
	}
	if s.tx.Status != Unknown {
		if c.free > s.clock {
			s.clock = c.free
			s.tx.Start = s.clock
			s.tx.End = s.clock + s.rng.Int64N(spread)
		}
		c.free = s.tx.End
	}
	for range 1 + s.rng.IntN(4) {
		s.operate(&s.live[s.rng.IntN(len(s.live))], happens)
	}
	for i := range s.live {
		if s.live[i].next >= perKey {
			s.live[i] = s.newKey()
		}
	}
	return &s.tx
}

func (s *simulator) operate(k *simKey, happens bool) {
	if s.rng.IntN(2) == 0 {
		o := Op{Kind: Read, Key: k.name, List: slices.Clip(k.list), Absent: s.workload == Register && len(k.list) == 0}
		if len(k.list) > 0 {
			o.Value = k.list[len(k.list)-1]
		}
		s.tx.Ops = append(s.tx.Ops, o)
		return
	}
	k.next++
	kind := Append
	if s.workload == Register {
		kind = Write
	}
	s.tx.Ops = append(s.tx.Ops, Op{Kind: kind, Key: k.name, Value: k.next})
	if happens {
		k.list = append(k.list, k.next)
	}
}

// simulate makes a history of count transactions.
func simulate(seed uint64, workload Workload, count int) []Tx {
	s := newSimulator(seed, workload, 16, 12)
	txs := make([]Tx, count)
	for i := range txs {
		txs[i] = *s.next()
		txs[i].Ops = slices.Clone(txs[i].Ops)
	}
	return txs
}

// plain builds a history that must be well-formed.
func plain(header Header, txs []Tx) *History {
	b, err := NewBuilder(header)
	if err != nil {
		panic(err)
	}
	for i := range txs {
		if err := b.Add(&txs[i]); err != nil {
			panic(fmt.Sprintf("transaction %d: %v", i, err))
		}
	}
	h, err := b.History()
	if err != nil {
		panic(err)
	}
	return h
}
