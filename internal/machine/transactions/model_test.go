package transactions_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/twopc"
)

// run is a random mix of transactions, delivered in a random order, with what must be true of it.
type run struct {
	world   *world
	initial map[string]int64
	bodies  map[string][]string
	begun   map[string]int // by transaction: the step at which it began
	ended   map[string]int
	revoked map[string]bool
}

// TestSerializable runs random transactions over few accounts with messages in random order, under each policy. Every transaction
// ends, every lock is free, money stays, and there is a serial order that respects real time in which a model that knows nothing of
// locks comes to the same results. Some calls may fail (Tx.Try): that they failed is a result like an answer.
func TestSerializable(t *testing.T) {
	for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
		t.Run(policy.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := newRun(t, policy)
				r.play(t, nil)
				r.check(t)
			})
		})
	}
}

// TestRevoked is TestSerializable with somebody who tells transactions to end, at any time. Those that were not over abort with that, have
// changed nothing, and the others are as if these had never been.
func TestRevoked(t *testing.T) {
	for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
		t.Run(policy.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := newRun(t, policy)
				r.play(t, func() { r.revoke(t) })
				r.check(t)
			})
		})
	}
}

// play runs until nothing is left to happen, and calls between before each step.
func (r *run) play(t *rapid.T, between func()) {
	for step := 0; r.step(t, step); step++ {
		if step > 20_000 {
			t.Fatalf("it does not end:\n%s", r.world.trace.String())
		}
		if between != nil {
			between()
		}
	}
}

// revoke tells one of the transactions that have begun to end, now and then.
func (r *run) revoke(t *rapid.T) {
	if rapid.IntRange(0, 15).Draw(t, "revoke") > 0 || len(r.begun) == 0 {
		return
	}
	name := fmt.Sprint("T", rapid.IntRange(1, len(r.begun)).Draw(t, "whom"))
	x := r.world.txs[name]
	begun, acts := x.machine.Revoke(errRevoked, nil)
	if begun == x.over {
		t.Fatalf("%s is over: %v, and was told to end: %v", name, x.over, begun)
	}
	if begun {
		r.world.tell("%s: told to end", name)
		r.revoked[name] = true
	}
	r.world.act(x, acts)
}

func newRun(t *rapid.T, policy locks.Policy) *run {
	r := &run{world: newWorld(), initial: map[string]int64{}, bodies: map[string][]string{}, begun: map[string]int{}, ended: map[string]int{}, revoked: map[string]bool{}}
	r.world.policy, r.world.maxAttempts = policy, 50
	for _, id := range []string{"a", "b", "c"} { // d does not exist
		r.initial[id] = rapid.Int64Range(0, 20).Draw(t, "balance")
		r.world.set(id, r.initial[id])
	}
	for i := range rapid.IntRange(2, 5).Draw(t, "transactions") {
		var body []string
		for range rapid.IntRange(1, 3).Draw(t, "statements") {
			body = append(body, drawStatements(t)...)
		}
		r.bodies[fmt.Sprint("T", i+1)] = body
	}
	return r
}

func drawStatements(t *rapid.T) []string {
	id := rapid.SampledFrom([]string{"a", "b", "c"})
	x, y := id.Draw(t, "from"), id.Draw(t, "to")
	n := rapid.IntRange(1, 15).Draw(t, "amount")
	templates := [][]string{
		{"debit X N", "credit Y N"},
		{"debit X N & credit Y N"},
		{"x = balance X"},
		{"x = balance X & y = balance Y"},
		{"x = balance X", "if x > N debit X 3", "if x > N credit Y 3"},
		{"credit X N & debit X N & y = balance X"},
		{"z = exists d", "if z = 0 open d 0", "credit d 1", "debit X 1"},
		{"z = exists d", "if z = 1 z = balance d"},
		{"y = balance Y", "debit X N & credit Y N"},
		{"try debit X N", "credit Y N"},
		{"may z debit X N", "if z = 1 credit Y N"},
		{"may z debit X N", "if z = 0 debit Y N", "credit c N"},
		{"may z open d 0", "credit d 1", "debit X 1"},
		{"may z y = balance d", "if z = 0 open d 0"},
		{"may z credit d N", "if z = 1 debit X N"},
		{"may z debit X N", "if z = 0 fail", "credit Y N"},
		{"x = balance X", "if x < N fail"},
		{"if x = 7 panic"},
	}
	var lines []string
	for _, line := range rapid.SampledFrom(templates).Draw(t, "template") {
		out := ""
		for _, c := range line {
			switch c {
			case 'X':
				out += x
			case 'Y':
				out += y
			case 'N':
				out += fmt.Sprint(n)
			default:
				out += string(c)
			}
		}
		lines = append(lines, out)
	}
	return lines
}

// step lets one thing happen, and reports whether there was anything.
func (r *run) step(t *rapid.T, step int) bool {
	w := r.world
	heads := w.heads()
	waiting := len(r.bodies) - len(r.begun)
	choice := rapid.IntRange(0, len(heads)+min(waiting, 1)*2).Draw(t, "choice")
	switch {
	case choice < len(heads):
		w.deliver(heads[choice])
	case waiting > 0:
		name := fmt.Sprint("T", len(r.begun)+1)
		r.begun[name] = step
		w.begin(name, r.bodies[name])
	case w.policy == locks.Detect && (len(heads) == 0 || choice == len(heads)):
		if !w.untangle() && len(heads) == 0 {
			return false
		}
	case len(heads) == 0:
		return false
	}
	for name, x := range w.txs {
		if _, known := r.ended[name]; x.over && !known {
			r.ended[name] = step
		}
	}
	return true
}

// heads are the messages that can come next: the oldest from each sender to each receiver.
func (w *world) heads() []int {
	var heads []int
	seen := map[[2]string]bool{}
	for i, m := range w.network {
		if ends := [2]string{m.from, m.to}; !seen[ends] {
			seen[ends] = true
			heads = append(heads, i)
		}
	}
	return heads
}

func (r *run) check(t *rapid.T) {
	w := r.world
	total, want := int64(0), int64(0)
	for id, s := range w.seats {
		if !s.Lock.Free() || s.Lock.Waiters() > 0 {
			t.Fatalf("%s is still locked:\n%s", id, w.trace.String())
		}
		total += balanceOf(s)
	}
	for _, n := range r.initial {
		want += n
	}
	if total != want {
		t.Fatalf("there is %d, there was %d:\n%s", total, want, w.trace.String())
	}
	for name, x := range w.txs {
		if !x.over || errors.Is(x.machine.Err(), twopc.ErrDeadlock) || errors.Is(x.machine.Err(), errRevoked) != r.revoked[name] {
			t.Fatalf("%s: over %v, %v:\n%s", name, x.over, x.machine.Err(), w.trace.String())
		}
	}
	if !r.hasSerialOrder(nil) {
		t.Fatalf("no serial order explains this:\n%s", w.trace.String())
	}
}

func balanceOf(s *seat) int64 {
	if !s.Cell.Exists {
		return 0
	}
	var a account
	if err := codec.Decode(s.Cell.Image().Bytes(), &a); err != nil {
		panic(err)
	}
	return a.Balance
}

// hasSerialOrder tries all ways to go on from an order of some of the transactions.
func (r *run) hasSerialOrder(order []string) bool {
	if len(order) == len(r.bodies) {
		return r.explains(order)
	}
	for name := range r.bodies {
		if !slices.Contains(order, name) && r.mayBeNext(order, name) && r.hasSerialOrder(append(order, name)) {
			return true
		}
	}
	return false
}

// mayBeNext reports whether none of the others that are still missing had ended when this one began.
func (r *run) mayBeNext(order []string, name string) bool {
	for other := range r.bodies {
		if other != name && !slices.Contains(order, other) && r.ended[other] < r.begun[name] {
			return false
		}
	}
	return true
}

// explains reports whether the transactions, run one after the other, come to the same ends, read the same and leave the same.
func (r *run) explains(order []string) bool {
	m := &model{balances: maps.Clone(r.initial)}
	for _, name := range order {
		x := r.world.txs[name]
		if r.revoked[name] {
			continue // it has seen a part, and left nothing
		}
		saw, committed := m.run(x.script.lines)
		if committed != (x.machine.Decision() == transactions.Committed) || !maps.Equal(saw, x.script.saw) {
			return false
		}
	}
	for id, s := range r.world.seats {
		n, exists := m.balances[id]
		if exists != s.Cell.Exists || n != balanceOf(s) {
			return false
		}
	}
	return true
}
