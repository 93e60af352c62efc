package functions_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// chest is a state with everything that a shallow copy shares.
type chest struct {
	Items  []string
	Labels map[string]string
	Next   *chest
	At     time.Time
}

var (
	chests = functions.NewType[chest]("test/chest")
	fill   = functions.Create(chests, "fill", func(_ *functions.Ctx, c *chest, a chest) error { *c = a; return nil })
	alter  = functions.Update(chests, "alter", func(_ *functions.Ctx, c *chest, name string) error { return alters[name](c) })
	spoil  = functions.View(chests, "spoil", spoilChest)
	peek   = functions.View(chests, "peek", func(_ *functions.Ctx, c chest) (chest, error) { return c, nil })
)

var alters = map[string]func(c *chest) error{}

func spoilChest(_ *functions.Ctx, c chest) (int, error) {
	c.Items[0] = "spoiled"
	c.Labels["a"] = "spoiled"
	c.Next.Items[0] = "spoiled"
	return 0, nil
}

func fullChest() chest {
	return chest{Items: []string{"i"}, Labels: map[string]string{"a": "b"}, Next: &chest{Items: []string{"n"}}}
}

func contents(t *testing.T, cell *instances.Cell) (c chest) {
	t.Helper()
	must(t, run(cell, peek.On("c").Into(&c), roomy).err)
	return c
}

func TestViewChangesNothingLasting(t *testing.T) {
	cell := newCell(chests)
	must(t, run(cell, fill.On("c", fullChest()), roomy).err)
	alters["touch"] = func(*chest) error { return nil }
	for _, before := range []string{"fresh", "after a view", "after an update"} {
		image := cell.Image()
		if before == "after an update" {
			must(t, run(cell, alter.On("c", "touch"), roomy).err)
		}
		must(t, run(cell, spoil.On("c").Into(new(int)), roomy).err)
		if got := contents(t, cell); !reflect.DeepEqual(got, fullChest()) {
			t.Errorf("%s: a view left %+v", before, got)
		}
		same(t, cell, image)
	}
}

// A view that sends, emits, sets a timer or cancels one fails, and nothing of it happens.
func TestViewHasNoEffects(t *testing.T) {
	effects := map[string]func(ctx *functions.Ctx){
		"sends":   func(ctx *functions.Ctx) { ctx.Send(take.On("p", 1)) },
		"emits":   func(ctx *functions.Ctx) { ctx.Emit(receipts.Record("k", "v")) },
		"cancels": func(ctx *functions.Ctx) { ctx.Cancel(functions.TimerID{Seq: 1}) },
		"sets a timer": func(ctx *functions.Ctx) {
			if id := ctx.SendAfter(time.Second, take.On("p", 1)); id != (functions.TimerID{}) {
				t.Errorf("the view got the timer %v", id)
			}
		},
	}
	for name, effect := range effects {
		meddlers := functions.NewType[purse]("test/meddler")
		plain := functions.View(meddlers, "plain", func(ctx *functions.Ctx, p purse) (int64, error) { effect(ctx); return p.Coins, nil })
		with := functions.View1(meddlers, "with", func(ctx *functions.Ctx, p purse, _ int) (int64, error) { effect(ctx); return p.Coins, nil })
		cell := newCell(meddlers)
		must(t, run(cell, functions.Create(meddlers, "make", func(*functions.Ctx, *purse, int) error { return nil }).On("m", 0), roomy).err)
		before := cell.Image()
		for _, call := range []functions.Call{plain.On("m").Into(new(int64)), with.On("m", 1).Into(new(int64))} {
			r := run(cell, call, roomy)
			wantErr(t, r.err, functions.ErrBadCall)
			if r.result.Encoded() != nil || !r.effects.Empty() {
				t.Errorf("a view that %s: result %x, effects %+v", name, r.result, r.effects)
			}
			same(t, cell, before)
		}
	}
}

func TestFailedUpdateOfSharedMemory(t *testing.T) {
	cell := newCell(chests)
	must(t, run(cell, fill.On("c", fullChest()), roomy).err)
	alters["half"] = func(c *chest) error {
		c.Items[0], c.Labels["a"], c.Next.Items = "half", "half", nil
		return errPoor
	}
	wantErr(t, run(cell, alter.On("c", "half"), roomy).err, errPoor)
	if got := contents(t, cell); !reflect.DeepEqual(got, fullChest()) {
		t.Errorf("a failed update left %+v", got)
	}
}

// What an operation finds does not depend on whether the state is decoded anew (after a restart, or an eviction) or still there
// from the operation before.
func TestStateIsTheSameDecodedAnew(t *testing.T) {
	alters["zone"] = func(c *chest) error { c.At = noon.In(time.FixedZone("a name", 3600)); return nil }
	alters["alias"] = func(c *chest) error { c.Next = &chest{Items: c.Items}; return nil }
	alters["see"] = func(c *chest) error {
		if c.Next != nil && len(c.Items) > 0 {
			c.Items[0] += "!"
		}
		c.Labels = map[string]string{"zone": c.At.Location().String()}
		return nil
	}
	for _, change := range []string{"zone", "alias"} {
		var seen [2]chest
		for i, anew := range []bool{false, true} {
			cell := newCell(chests)
			must(t, run(cell, fill.On("c", chest{Items: []string{"i"}}), roomy).err)
			must(t, run(cell, alter.On("c", change), roomy).err)
			if anew {
				cell.Restore(cell.Image())
			}
			must(t, run(cell, alter.On("c", "see"), roomy).err)
			seen[i] = contents(t, cell)
		}
		if !reflect.DeepEqual(seen[0], seen[1]) {
			t.Errorf("%s: %+v, decoded anew %+v", change, seen[0], seen[1])
		}
	}
}

// secretive has a field that is not encoded.
type secretive struct {
	Open   int
	hidden int
}

func TestUnexportedFieldsNeverLast(t *testing.T) {
	secrets := functions.NewType[secretive]("test/secretive")
	make_ := functions.Create(secrets, "make", func(_ *functions.Ctx, s *secretive, _ int) error { s.hidden = 1; return nil })
	count := functions.Update(secrets, "count", func(_ *functions.Ctx, s *secretive, _ int) error {
		s.hidden++
		s.Open = s.hidden
		return nil
	})
	open := functions.View(secrets, "open", func(_ *functions.Ctx, s secretive) (int, error) { return s.Open, nil })
	cell := newCell(secrets)
	must(t, run(cell, make_.On("s", 0), roomy).err)
	for range 2 {
		must(t, run(cell, count.On("s", 0), roomy).err)
		var got int
		if must(t, run(cell, open.On("s").Into(&got), roomy).err); got != 1 {
			t.Errorf("the hidden field was %d before, want 0 as after a restart", got-1)
		}
	}
}

// A state that could not be read back is refused when it is made, not found broken after a restart.
func TestStateThatDoesNotReadBackIsRefused(t *testing.T) {
	cell := newCell(chests)
	must(t, run(cell, fill.On("c", fullChest()), roomy).err)
	before := cell.Image()
	alters["deep"] = func(c *chest) error {
		for range 100 {
			c.Next = &chest{Next: c.Next}
		}
		return nil
	}
	err := run(cell, alter.On("c", "deep"), roomy).err
	if err == nil {
		cell.Restore(cell.Image())
		t.Errorf("accepted; decoded anew: %v", run(cell, peek.On("c").Into(new(chest)), roomy).err)
	}
	wantErr(t, err, functions.ErrBadState)
	same(t, cell, before)

	type odd struct{ Error error }
	odds := functions.NewType[odd]("test/odd")
	make_ := functions.Create(odds, "make", func(_ *functions.Ctx, o *odd, _ int) error { o.Error = errors.New("x"); return nil })
	wantErr(t, run(newCell(odds), make_.On("o", 0), roomy).err, functions.ErrBadValue)
}

// touchy panics where user code hides: in its codec methods.
type touchy struct{ N int }

func (touchy) MarshalCBOR() ([]byte, error) { panic("touchy") }
func (*touchy) UnmarshalCBOR([]byte) error  { panic("touchy") }

func TestPanicInACodecMethodIsAFailure(t *testing.T) {
	type wrapper struct{ T *touchy }
	wrappers := functions.NewType[wrapper]("test/touchy")
	set := functions.Update(wrappers, "set", func(_ *functions.Ctx, w *wrapper, _ int) error { w.T = &touchy{}; return nil })
	for name, image := range map[string]instances.Image{
		"encode": instances.Stored([]byte{0xa0}, false),
		"decode": instances.Stored([]byte{0xa1, 0x61, 'T', 0x01}, false),
	} {
		cell := newCell(wrappers)
		cell.Restore(image)
		if err := run(cell, set.On("w", 0), roomy).err; !errors.Is(err, functions.ErrPanic) {
			t.Errorf("%s: %v", name, err)
		}
		same(t, cell, image)
	}
}

// TestPanicOfACodecMethodIsABadCall: not a panic where the call or the record is made, which may be a client's goroutine.
func TestPanicOfACodecMethodIsABadCall(t *testing.T) {
	touchies := functions.NewType[int]("test/touchy")
	set := functions.Update(touchies, "set", func(*functions.Ctx, *int, *touchy) error { return nil })
	get := functions.View1(touchies, "get", func(*functions.Ctx, int, [1]touchy) (int, error) { return 0, nil })
	out, anything := functions.NewEgress[touchy]("out"), functions.NewEgress[any]("out")
	record := out.Record("", touchy{}).Err
	inside := anything.Record("", []any{touchy{}}).Err
	for name, err := range map[string]error{
		"argument": set.On("t", &touchy{}).Envelope().Err, "question": get.On("t", [1]touchy{}).Into(new(int)).Envelope().Err,
		"record": record, "inside a record": inside,
	} {
		wantErr(t, err, functions.ErrBadCall)
		wantErr(t, err, functions.ErrBadValue)
		if !strings.Contains(err.Error(), "touchy") {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, set.On("t", nil).Envelope().Err)
}

// TestPanicOfAResultIsAnError: where it is decoded for whoever asked.
func TestPanicOfAResultIsAnError(t *testing.T) {
	result := instances.EncodedResult([]byte{1})
	_, err := instances.ResultAs[touchy](result)
	wantErr(t, err, functions.ErrPanic)
	of := functions.NewType[int]("test/touchy")
	get := functions.View(of, "get", func(*functions.Ctx, int) (touchy, error) { return touchy{}, nil })
	wantErr(t, get.On("t").Into(new(touchy)).Envelope().Into(result), functions.ErrPanic)
}

func TestTimesKeepNanoseconds(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("", 3600))
	data, err := values.Encode(at)
	must(t, err)
	var back time.Time
	must(t, functions.Decode(data, &back))
	if !back.Equal(at) {
		t.Errorf("%v became %v", at, back)
	}
}
