package transactions_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/locks"
)

// A transaction with many participants, each called twice, finds them again in its retry, and locks them in order.
func TestManyParticipants(t *testing.T) {
	const n = 100
	w := newWorld()
	var body, want []string
	for i := range n {
		k := i * 37 % n
		id := fmt.Sprintf("a%02d", k)
		w.set(id, 1000)
		body = append(body, fmt.Sprintf("debit %s %d & debit %s 1", id, k, id))
		want = append(want, fmt.Sprintf("T1 -> a%02d: lock exclusive", i))
	}
	want[0] += ", may wait"
	x := w.begin("T1", body)
	for x.machine.Parts() < n {
		w.deliver(0)
	}
	w.act(x, x.machine.Conflict(1, nil))
	w.quiet()
	w.checkQuiet(t)
	for i := range n {
		if got := show(&w.seat(fmt.Sprintf("a%02d", i)).Cell); got != fmt.Sprint(999-i) {
			t.Errorf("a%02d has %s", i, got)
		}
	}
	got := slices.DeleteFunc(lines(w.trace.String()), func(line string) bool { return !strings.Contains(line, ": lock ") })
	if !slices.Equal(got, want) {
		t.Errorf("locked in the order\n%s", strings.Join(got, "\n"))
	}
	if x.retries != 1 || x.machine.Decision() != transactions.Committed {
		t.Errorf("%d retries, %v", x.retries, x.machine.Decision())
	}
}

// Events that cannot be are bugs of the engine: they stop the process instead of money going wrong.
func TestImpossibleEventsPanic(t *testing.T) {
	call := routines.Step{Call: debit.On("a", 1).Envelope()}
	running := func() *transactions.Coordinator {
		var c transactions.Coordinator
		c.Init(1, locks.Detect, 1)
		c.Begin(nil)
		c.Issue([]routines.Step{call}, nil)
		return &c
	}
	for name, event := range map[string]func(c *transactions.Coordinator){
		"a second vote": func(c *transactions.Coordinator) {
			c.Vote(0, nil, nil, false, nil)
			c.Vote(0, nil, nil, false, nil)
		},
		"the end while a call is out":  func(c *transactions.Coordinator) { c.Returned(nil, nil) },
		"a lock that nobody asked for": func(c *transactions.Coordinator) { c.Locked(true, nil) },
		"steps after the decision": func(c *transactions.Coordinator) {
			c.Vote(0, nil, nil, false, nil)
			c.Returned(nil, nil)
			c.Issue(nil, nil)
		},
		"a second end": func(c *transactions.Coordinator) {
			c.Vote(0, nil, nil, false, nil)
			c.Returned(nil, nil)
			c.Returned(nil, nil)
		},
		"a vote after the decision": func(c *transactions.Coordinator) {
			c.Vote(0, nil, nil, false, nil)
			c.Returned(nil, nil)
			c.Vote(0, nil, nil, false, nil)
		},
		"steps of a machine that is fresh": func(c *transactions.Coordinator) {
			*c = transactions.Coordinator{}
			c.Issue([]routines.Step{call}, nil)
		},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.HasPrefix(fmt.Sprint(p), "twopc: ") {
					t.Errorf("%s: panic %v", name, p)
				}
			}()
			event(running())
		}()
	}
}

// What the engine finds wrong with a call's effects fails the call, and leaves nothing of it.
func TestRefusedEffects(t *testing.T) {
	w := newWorld()
	w.set("a", 10)
	s := w.seat("a")
	var v visit
	v.Init(s, nil, locks.Owner{ID: 1, Attempt: 1})
	s.Lock.Acquire(&v.Claim, locks.Exclusive, locks.Detect, false, nil)
	prepare := func(call functions.Call, check error) error {
		var effects instances.Effects
		env := call.Envelope()
		ctx := instances.NewCtx(format.Address{Type: "a", ID: "a"}, w.epoch(), &w.timers, &effects)
		_, err := v.Prepare(env.Op, &ctx, env.Encoded(), 1000, &effects, func(*instances.Effects) error { return check })
		return err
	}
	if err := prepare(mark.On("a", 1), errScript); !errors.Is(err, errScript) || show(&s.Cell) != "10" || v.Effects != nil {
		t.Errorf("%v; a has %s, effects %v", err, show(&s.Cell), v.Effects)
	}
	if err := prepare(mark.On("a", 1), nil); err != nil || show(&s.Cell) != "11" || showImage(s.Committed()) != "10" {
		t.Errorf("%v; a has %s, committed %s", err, show(&s.Cell), showImage(s.Committed()))
	}
	if err := prepare(mark.On("a", 1), errScript); !errors.Is(err, errScript) || show(&s.Cell) != "11" || len(v.Effects.Emits) != 1 {
		t.Errorf("%v; a has %s, effects %v", err, show(&s.Cell), v.Effects)
	}
	if changed, _ := v.Commit(nil); !changed || showImage(s.Committed()) != "11" || !s.Lock.Free() {
		t.Errorf("committed %s, changed %v", showImage(s.Committed()), changed)
	}
}
