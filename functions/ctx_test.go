package functions_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

const errMine functions.Failure = "test: mine"

var receipts = functions.NewEgress[string]("test/receipts")

// inside is what the engine sees of a Ctx.
func inside(ctx *functions.Ctx) *instances.Ctx { return (*instances.Ctx)(ctx) }

// withCtx runs f as an operation does and returns what it left.
func withCtx(f func(ctx *functions.Ctx)) (instances.Effects, uint64, error) {
	var effects instances.Effects
	timers := uint64(41)
	ctx := instances.NewCtx(format.Address{Type: "test/purse", ID: "p"}, noon, &timers, &effects)
	f((*functions.Ctx)(&ctx))
	return effects, timers, ctx.Err()
}

func TestEffectsAreCollectedInOrder(t *testing.T) {
	effects, timers, err := withCtx(func(ctx *functions.Ctx) {
		if ctx.Self().String() != "test/purse/p" || !ctx.Now().Equal(noon) {
			t.Errorf("self %v, now %v", ctx.Self(), ctx.Now())
		}
		ctx.Send(take.On("a", 1))
		ctx.Send(swap.On("b", "eve").Drop())
		first := ctx.SendAfter(time.Minute, take.On("c", 2))
		second := ctx.SendAfter(-time.Hour, take.On("d", 3))
		ctx.Cancel(first)
		ctx.Emit(receipts.Record("key", "value"))
		if first.Due != noon.Add(time.Minute).UnixNano() || second.Due != noon.UnixNano() {
			t.Errorf("timers are due %d, %d", first.Due, second.Due)
		}
		if first.Seq != 42 || second.Seq != 43 {
			t.Errorf("timers %+v, %+v", first, second)
		}
	})
	must(t, err)
	if len(effects.Sends) != 2 || effects.Sends[0].Target() != "test/purse.take(a)" || effects.Sends[1].Target() != "test/purse.swap(b)" {
		t.Errorf("sends %+v", effects.Sends)
	}
	if timers != 43 || len(effects.Timers) != 2 || effects.Timers[1].Message.ID != "d" {
		t.Errorf("timers %+v", effects.Timers)
	}
	if len(effects.Cancels) != 1 || effects.Cancels[0] != effects.Timers[0].ID {
		t.Errorf("cancels %+v", effects.Cancels)
	}
	if e := effects.Emits; len(e) != 1 || e[0].Egress != "test/receipts" || e[0].Key != "key" || string(e[0].Value) != "\x65value" {
		t.Errorf("emits %+v", e)
	}
	if effects.Reset(); !effects.Empty() {
		t.Error("not empty after Reset")
	}
}

// A timer that is set forever does not fire at once.
func TestTimerBeyondTheClock(t *testing.T) {
	_, _, err := withCtx(func(ctx *functions.Ctx) {
		if id := ctx.SendAfter(math.MaxInt64, take.On("p", 1)); id.Due < noon.AddDate(200, 0, 0).UnixNano() {
			t.Errorf("due %v", time.Unix(0, id.Due))
		}
	})
	must(t, err)
}

func TestBadEffectsFailTheOperation(t *testing.T) {
	long := string(make([]byte, functions.MaxID+1))
	for _, tc := range []struct {
		name string
		do   func(ctx *functions.Ctx)
		want error
	}{
		{"nil", func(ctx *functions.Ctx) { ctx.Send(nil) }, functions.ErrBadCall},
		{"later, nil", func(ctx *functions.Ctx) { ctx.SendAfter(1, nil) }, functions.ErrBadCall},
		{"zero call", func(ctx *functions.Ctx) { ctx.Send(functions.Call{}) }, functions.ErrBadCall},
		{"empty id", func(ctx *functions.Ctx) { ctx.Send(take.On("", 1)) }, functions.ErrBadCall},
		{"long id", func(ctx *functions.Ctx) { ctx.Send(take.On(long, 1)) }, functions.ErrTooLarge},
		{"later, empty id", func(ctx *functions.Ctx) { ctx.SendAfter(1, take.On("", 1)) }, functions.ErrBadCall},
		{"a result nobody takes", func(ctx *functions.Ctx) { ctx.Send(swap.On("a", "b").Into(new(string))) }, functions.ErrBadCall},
		{"an argument that does not encode", func(ctx *functions.Ctx) { ctx.Send(badArgument()) }, functions.ErrBadCall},
		{"a record that does not encode", func(ctx *functions.Ctx) {
			ctx.Emit(functions.NewEgress[chan int]("x").Record("", make(chan int)))
		}, functions.ErrBadCall},
	} {
		t.Run(tc.name, func(t *testing.T) {
			effects, timers, err := withCtx(func(ctx *functions.Ctx) {
				tc.do(ctx)
				ctx.Send(take.On("a", 1)) // a good one after it does not repair anything
			})
			wantErr(t, err, tc.want)
			if len(effects.Sends) != 1 || timers != 41 {
				t.Errorf("%d sends, timer %d", len(effects.Sends), timers)
			}
		})
	}
}

func badArgument() functions.Call {
	pipes := functions.NewType[struct{}]("test/pipe")
	return functions.Update(pipes, "open", func(*functions.Ctx, *struct{}, chan int) error { return nil }).On("a", make(chan int))
}

func TestMaxEffectsAtTheBound(t *testing.T) {
	kinds := map[string]func(ctx *functions.Ctx){
		"send":   func(ctx *functions.Ctx) { ctx.Send(take.On("a", 1)) },
		"timer":  func(ctx *functions.Ctx) { ctx.SendAfter(1, take.On("a", 1)) },
		"cancel": func(ctx *functions.Ctx) { ctx.Cancel(functions.TimerID{Seq: 1}) },
		"emit":   func(ctx *functions.Ctx) { ctx.Emit(receipts.Record("", "")) },
	}
	for name, last := range kinds {
		for _, over := range []int{0, 1} {
			effects, _, err := withCtx(func(ctx *functions.Ctx) {
				for i := range functions.MaxEffects - 1 {
					[]func(*functions.Ctx){kinds["send"], kinds["timer"], kinds["cancel"], kinds["emit"]}[i%4](ctx)
				}
				for range 1 + over {
					last(ctx)
				}
			})
			if errors.Is(err, functions.ErrTooLarge) != (over > 0) {
				t.Errorf("%s, %d over the bound: %v", name, over, err)
			}
			if n := len(effects.Sends) + len(effects.Timers) + len(effects.Cancels) + len(effects.Emits); n != functions.MaxEffects {
				t.Errorf("%s, %d over the bound: %d effects", name, over, n)
			}
		}
	}
}

// A record leaves the program: it may have interfaces, and what is in them is looked at.
func TestRecordsWithInterfaces(t *testing.T) {
	type hidden struct{ balance int }
	mixed := functions.NewEgress[map[string]any]("mixed")
	ring := map[string]any{}
	ring["a"] = []any{ring}
	for _, tc := range []struct {
		value any
		want  error
	}{
		{7, nil}, {nil, nil}, {[]any{"a", purse{}, map[any]any{1: 2}}, nil}, {time.Time{}, nil}, {errPoor, nil},
		{hidden{1}, functions.ErrBadValue}, {[]any{&hidden{}}, functions.ErrBadValue}, {errors.New("x"), functions.ErrBadValue},
		{ring, functions.ErrBadValue}, {func() {}, functions.ErrBadValue}, {noon.AddDate(9000, 0, 0), functions.ErrBadValue},
	} {
		err := mixed.Record("k", map[string]any{"v": tc.value}).Err
		if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
			t.Errorf("%T: %v", tc.value, err)
		}
	}
}

// TestKeptCtx: what is kept of an operation does nothing when that is over, and nothing to the next one on the same goroutine; used on
// another one it fails the operation that it belongs to, and no other.
func TestKeptCtx(t *testing.T) {
	var effects instances.Effects
	var timers uint64
	frame := instances.NewFrame()
	begin := func() *functions.Ctx {
		return (*functions.Ctx)(frame.Begin(format.Address{Type: "test/purse", ID: "p"}, noon, &timers, &effects, nil))
	}
	use := func(ctx *functions.Ctx) {
		ctx.Send(take.On("a", 1))
		ctx.SendAfter(1, take.On("a", 1))
		ctx.Cancel(functions.TimerID{Seq: 1})
		ctx.Emit(receipts.Record("", ""))
		ctx.Send(nil)
		if ctx.Self().ID != "" || !ctx.Now().IsZero() || ctx.Exists() || ctx.BadState() != nil {
			t.Errorf("it tells %v, %v", ctx.Self(), ctx.Now())
		}
	}
	kept := begin()
	frame.End()
	use(kept)
	ctx := begin()
	use(kept)
	elsewhere := func(ctx *functions.Ctx) {
		done := make(chan struct{})
		go func() { defer close(done); use(ctx) }()
		<-done
	}
	elsewhere(kept)
	must(t, inside(ctx).Err())
	if ctx.Self().ID != "p" || ctx.Now() != noon {
		t.Errorf("the operation that runs is told %v, %v", ctx.Self(), ctx.Now())
	}
	elsewhere(ctx)
	elsewhere(kept)
	wantErr(t, inside(ctx).Err(), functions.ErrBadCall)
	frame.End()
	must(t, inside(begin()).Err())
	if !effects.Empty() || timers != 0 {
		t.Errorf("there are effects: %+v, %d timers", effects, timers)
	}
}

func TestOutcomeEffects(t *testing.T) {
	var effects instances.Effects
	for _, e := range []functions.Effect{take.On("a", 1), receipts.Record("k", "v")} {
		must(t, e.AddTo(&effects))
	}
	wantErr(t, take.On("", 1).AddTo(&effects), functions.ErrBadCall)
	wantErr(t, functions.NewEgress[func()]("x").Record("", func() {}).AddTo(&effects), functions.ErrBadCall)
	if len(effects.Sends) != 1 || len(effects.Emits) != 1 {
		t.Errorf("%+v", effects)
	}
	var more instances.Effects
	more.Append(&effects)
	more.Append(&effects)
	if len(more.Sends) != 2 || len(more.Emits) != 2 {
		t.Errorf("%+v", more)
	}
}

func TestFailureHandler(t *testing.T) {
	failed := functions.Failed{Operation: "take", Err: errPoor}
	bare := functions.NewType[purse]("test/bare")
	handled := functions.NewType[purse]("test/handled")
	var handle func(ctx *functions.Ctx, f functions.Failed) error
	functions.OnFailure(handled, func(ctx *functions.Ctx, f functions.Failed) error { return handle(ctx, f) })
	for _, tc := range []struct {
		name   string
		t      functions.Part
		handle func(ctx *functions.Ctx, f functions.Failed) error
		want   error
	}{
		{"none", bare, nil, errPoor},
		{"handles", handled, func(ctx *functions.Ctx, f functions.Failed) error {
			ctx.Send(take.On("a", 1))
			if !errors.Is(f.Err, errPoor) || f.Operation != "take" {
				t.Errorf("handler got %+v", f)
			}
			return nil
		}, nil},
		{"fails", handled, func(*functions.Ctx, functions.Failed) error { return errMine }, errMine},
		{"panics", handled, func(*functions.Ctx, functions.Failed) error { panic("x") }, functions.ErrPanic},
		{"bad effect", handled, func(ctx *functions.Ctx, _ functions.Failed) error { ctx.Send(functions.Call{}); return nil }, functions.ErrBadCall},
	} {
		t.Run(tc.name, func(t *testing.T) {
			handle = tc.handle
			_, _, _ = withCtx(func(ctx *functions.Ctx) {
				if err := infoOf(tc.t).Handle(inside(ctx), instances.Failed(failed)); !errors.Is(err, tc.want) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// A wall clock may show any time. Those that timers cannot have are the first or the last that they can.
func TestTimesBeyondTimers(t *testing.T) {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	for _, tc := range []struct {
		at   time.Time
		want int64
	}{
		{time.Time{}, math.MinInt64}, {first.Add(-time.Second), math.MinInt64}, {first.Add(2 * time.Second), math.MinInt64 + 2e9},
		{time.Unix(0, -1), -1}, {time.Unix(0, 1), 1},
		{last.Add(-2 * time.Second), math.MaxInt64 - 2e9}, {last.Add(time.Second), math.MaxInt64}, {time.Unix(math.MaxInt64>>1, 0), math.MaxInt64},
	} {
		if got := format.UnixNano(tc.at); got != tc.want {
			t.Errorf("%v is %d, want %d", tc.at, got, tc.want)
		}
		if due := format.DueAfter(tc.at, time.Hour); due < tc.want {
			t.Errorf("an hour after %v is %d", tc.at, due)
		}
	}
}
