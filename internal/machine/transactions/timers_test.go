package transactions_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/locks"
)

// bells set a timer for an instance.
var (
	bells  = functions.NewType[int]("bell")
	ring   = functions.Update(bells, "ring", func(*functions.Ctx, *int, int) error { return nil })
	setFor = func(ctx *functions.Ctx, _ *int, id string) error {
		ctx.SendAfter(time.Hour, ring.On(id, 1))
		return nil
	}
	hang    = functions.Create(bells, "hang", setFor)
	arm     = functions.Upsert(bells, "arm", setFor)
	armFail = functions.Upsert(bells, "arm-fail", func(ctx *functions.Ctx, b *int, id string) error {
		_ = setFor(ctx, b, id)
		return errScript
	})
	takeDown = functions.Delete(bells, "take-down", func(*functions.Ctx, *int) error { return nil })
	lastRing = functions.Delete(bells, "last-ring", func(ctx *functions.Ctx, _ *int) error { return setFor(ctx, nil, "a") })
)

// TestTimersOfOneTransaction: of the timers that an instance has set for itself within a transaction, those are due when it commits that
// were set since the instance was deleted last, or by what deleted it. What it has set for others is due in any case.
func TestTimersOfOneTransaction(t *testing.T) {
	calls := map[string]functions.Call{
		"hang a": hang.On("a", "a"), "hang b": hang.On("a", "b"), "arm a": arm.On("a", "a"), "arm b": arm.On("a", "b"),
		"arm a, fail": armFail.On("a", "a"), "take down": takeDown.On("a"), "last ring": lastRing.On("a"),
	}
	names := []string{"hang a", "hang b", "arm a", "arm b", "arm a, fail", "take down", "last ring"}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		s := &seat{Cell: instances.Cell{Type: bells.Definition().(*instances.Type)}}
		var v visit
		v.Init(s, nil, locks.Owner{ID: 1, Attempt: 1})
		s.Lock.Acquire(&v.Claim, locks.Exclusive, locks.Detect, false, nil)
		own, others := 0, 0 // what is due, by a model that knows nothing of effects
		for range rapid.IntRange(1, 12).Draw(t, "calls") {
			name := rapid.SampledFrom(names).Draw(t, "call")
			var effects instances.Effects
			env := calls[name].Envelope()
			ctx := instances.NewCtx(format.Address{Type: "bell", ID: "a"}, w.epoch(), &w.timers, &effects)
			if _, err := v.Prepare(env.Op, &ctx, env.Encoded(), 1000, &effects, func(*instances.Effects) error { return nil }); err != nil {
				continue
			}
			switch name {
			case "hang a", "arm a":
				own++
			case "hang b", "arm b":
				others++
			case "take down":
				own = 0
			case "last ring":
				own = 1
			}
		}
		v.Commit(nil)
		got := map[string]int{}
		if v.Effects != nil {
			for _, timer := range v.Effects.Timers {
				got[timer.Message.ID]++
			}
		}
		if got["a"] != own || got["b"] != others {
			t.Fatalf("for itself %d timers are due, for others %d; want %d and %d", got["a"], got["b"], own, others)
		}
	})
}
