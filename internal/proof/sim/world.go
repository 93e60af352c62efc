package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// A World is a bank in which everything leaves a trace: whoever moves money, sends, emits, sets a timer or ends a coordinator
// function writes down under which id. Package-level functions and types below are its program; [Order] is a request to it; and
// [Audit.Check] is the auditor, who is given all orders, their outcomes and the final states, and says what cannot be.
//
//	till    an account: balance, and a line per movement. Each movement also sends a numbered notice to a sink, emits a
//	        numbered record, and now and then sets a timer
//	sink    counts what it is told: notices (in order, each once), timers, the ends of coordinator functions, bounces
//	gate    something that sagas pass; while it is shut they cannot go back through it, so they get stuck
//	relay   passes a message on to the other relay until it has made its hops
//	slip    exists or not; a transaction toggles it
//	tally   counts how often each request has run; it comes into being with the first
type World struct {
	Prefix string // of all ids
	Tills  int    // the first half is moved by transactions only, so that its sum never changes
}

func (w *World) Till(i int) string  { return fmt.Sprintf("%s:till-%d", w.Prefix, i) }
func (w *World) Gate(i int) string  { return fmt.Sprintf("%s:gate-%d", w.Prefix, i) }
func (w *World) relay(i int) string { return fmt.Sprintf("%s:relay-%d", w.Prefix, i) }
func (w *World) slip(i int) string  { return fmt.Sprintf("%s:slip-%d", w.Prefix, i) }
func (w *World) tally(i int) string { return fmt.Sprintf("%s:tally-%d", w.Prefix, i) }
func (w *World) sink(i int) string  { return fmt.Sprintf("%s:sink-%d", w.Prefix, i) }

const (
	Gates   = 2
	relays  = 2
	slips   = 2
	tallies = 2
	sinks   = 4
)

// Vault is the tills that only transactions move.
func (w *World) Vault() []string {
	var names []string
	for i := range w.Tills / 2 {
		names = append(names, w.Till(i))
	}
	return names
}

// SetUp are the orders that make the world.
func (w *World) SetUp() (orders []Order) {
	add := func(kind, to string, amount int64) {
		orders = append(orders, Order{Kind: kind, ID: fmt.Sprintf("%s:%s %s", w.Prefix, kind, to), Asked: true, To: to, Amount: amount})
	}
	for i := range sinks {
		add("open-sink", w.sink(i), 0)
	}
	for i := range w.Tills {
		add("open-till", w.Till(i), 0)
	}
	for i := range Gates {
		add("open-gate", w.Gate(i), int64(i))
	}
	for i := range relays {
		add("open-relay", w.relay(i), 0)
	}
	return orders
}

// The orders of a running world, by weight: those for the tills in the vault, and those for the others.
var vaultKinds = []string{"tx", "tx", "chain", "chain", "half", "half", "doomed", "swallow", "total", "census", "start-tx", "peek", "tx-boom", "tx-bad", "else"}
var otherKinds = []string{
	"saga", "saga", "sleepy", "sorry", "gates", "deposit", "withdraw", "disarm", "knock", "relay", "toggle", "start-saga",
	"set-gate", "tx", "chain", "peek", "boom", "saga-boom",
	"tally", "tally", "flip", "else", "count",
}

// Next makes up the n-th order.
func (w *World) Next(rng *rand.Rand, n int) Order {
	o := Order{ID: fmt.Sprintf("%s:%d", w.Prefix, n), Asked: rng.IntN(5) > 0, Amount: 1 + rng.Int64N(150)}
	low, high := 0, w.Tills/2
	kinds := vaultKinds
	if rng.IntN(5) > 1 {
		low, high, kinds = high, w.Tills, otherKinds
	}
	o.Kind = kinds[rng.IntN(len(kinds))]
	o.From, o.To = w.Till(low+rng.IntN(high-low)), w.Till(low+rng.IntN(high-low))
	switch o.Kind {
	case "tx":
		o.Group = []string{w.Till(low + rng.IntN(high-low)), w.Till(low + rng.IntN(high-low))}
	case "total", "census":
		o.Group = w.Vault()
	case "gates":
		o.Group = []string{w.Gate(0), w.Gate(1)}
	case "relay":
		o.To = w.relay(rng.IntN(relays))
	case "toggle", "flip":
		o.To = w.slip(rng.IntN(slips))
	case "tally":
		o.To = w.tally(rng.IntN(tallies))
	case "count":
		o.Group = []string{w.tally(rng.IntN(tallies))}
	case "else":
		o.Amount *= 4
		o.Group = []string{w.Till(low + rng.IntN(high-low))}
	case "set-gate":
		o.To, o.Amount = w.Gate(rng.IntN(Gates)), rng.Int64N(2)
	}
	return o
}

// calm makes up the n-th order, one that does not panic.
func (w *World) calm(rng *rand.Rand, n int) Order {
	for {
		if o := w.Next(rng, n); !slices.Contains(panicking, o.Kind) {
			return o
		}
	}
}

// NextOrRecord makes up the n-th order of a world that has an ingress: one of five is a record of that.
func (w *World) NextOrRecord(rng *rand.Rand, n int) Order {
	o := w.Next(rng, n)
	if rng.IntN(5) > 0 || o.Kind == "peek" {
		return o
	}
	o.Fed, o.Asked = true, false
	if !slices.Contains(w.Vault(), o.From) && rng.IntN(2) == 0 {
		o.Kind, o.To = "deposit", o.From // the order of these can be told
	}
	return o
}
