package functions_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

func TestOperationsOnWhatIsAndWhatIsNot(t *testing.T) {
	var n int64
	var yes bool
	var old string
	for _, tc := range []struct {
		name           string
		call           functions.Call
		absent, there  error // what it fails with
		leavesIfAbsent bool  // the instance exists afterwards
		leavesIfThere  bool
	}{
		{"create", make_.On("p", 7), nil, functions.ErrExists, true, true},
		{"failing create", make_.On("p", -1), errPoor, functions.ErrExists, false, true},
		{"update", take.On("p", 1), functions.ErrNotFound, nil, false, true},
		{"update with a result", swap.On("p", "eve").Into(&old), functions.ErrNotFound, nil, false, true},
		{"upsert", top.On("p", 2), nil, nil, true, true},
		{"failing upsert", top.On("p", -99), errPoor, errPoor, false, true},
		{"upsert with a result", told.On("p", 2).Into(&old), nil, nil, true, true},
		{"view", coins.On("p").Into(&n), functions.ErrNotFound, nil, false, true},
		{"view with an argument", enough.On("p", 1).Into(&yes), functions.ErrNotFound, nil, false, true},
		{"exists", purses.Exists("p").Into(&yes), nil, nil, false, true},
		{"delete", discard.On("p"), functions.ErrNotFound, nil, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			absent := newCell(purses)
			if r := run(absent, tc.call, roomy); !errors.Is(r.err, tc.absent) {
				t.Errorf("on an instance that does not exist: %v", r.err)
			}
			if absent.Exists != tc.leavesIfAbsent {
				t.Errorf("exists afterwards: %v", absent.Exists)
			}
			there := newCell(purses)
			must(t, run(there, make_.On("p", 1), roomy).err)
			must(t, run(there, take.On("p", 1), roomy).err) // a purse must be empty to be discarded
			if tc.name == "update" {
				must(t, run(there, take.On("p", -5), roomy).err)
			}
			if r := run(there, tc.call, roomy); !errors.Is(r.err, tc.there) {
				t.Errorf("on an instance that exists: %v", r.err)
			}
			if there.Exists != tc.leavesIfThere {
				t.Errorf("exists afterwards: %v", there.Exists)
			}
		})
	}
}

// An upsert starts from the zero state or from the one that is there, and is told which.
func TestUpsertMakesOrChanges(t *testing.T) {
	cell := newCell(purses)
	for _, want := range []string{"1 coins, existed: false", "2 coins, existed: true", "3 coins, existed: true"} {
		var got string
		if must(t, run(cell, told.On("p", 1).Into(&got), roomy).err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	must(t, run(cell, take.On("p", 3), roomy).err)
	must(t, run(cell, discard.On("p"), roomy).err)
	var got string
	if must(t, run(cell, told.On("p", 1).Into(&got), roomy).err); got != "1 coins, existed: false" {
		t.Errorf("after a delete: %q", got)
	}
}

func TestExistsAnswers(t *testing.T) {
	cell := newCell(purses)
	for _, want := range []bool{false, true, false} {
		var got bool
		must(t, run(cell, purses.Exists("p").Into(&got), roomy).err)
		if got != want {
			t.Errorf("exists: %v, want %v", got, want)
		}
		if next := map[bool]functions.Call{false: make_.On("p", 0), true: discard.On("p")}; true {
			must(t, run(cell, next[want], roomy).err)
		}
	}
}

// A deleted instance comes back empty, not with what it had.
func TestCreateAfterDeleteStartsAfresh(t *testing.T) {
	cell := newCell(purses)
	var old string
	must(t, run(cell, make_.On("p", 0), roomy).err)
	must(t, run(cell, swap.On("p", "eve").Drop(), roomy).err)
	must(t, run(cell, discard.On("p"), roomy).err)
	must(t, run(cell, make_.On("p", 0), roomy).err)
	must(t, run(cell, swap.On("p", "bob").Into(&old), roomy).err)
	if old != "" {
		t.Errorf("the new purse still belongs to %q", old)
	}
}

func TestStateIsAsBeforeAFailure(t *testing.T) {
	acts["grow"] = func(_ *functions.Ctx, p *purse) error { p.Owner = strings.Repeat("x", 500); return nil }
	acts["bad send"] = func(ctx *functions.Ctx, p *purse) error { p.Coins = 0; ctx.Send(take.On("", 1)); return nil }
	acts["panic nil"] = func(_ *functions.Ctx, p *purse) error { p.Coins = 0; panic(nil) }
	for _, tc := range []struct {
		name string
		call functions.Call
		want error
	}{
		{"error", take.On("p", 101), errPoor},
		{"panic", take.On("p", 13), functions.ErrPanic},
		{"panic(nil)", act.On("p", "panic nil"), functions.ErrPanic},
		{"nil function", act.On("p", "no such act"), functions.ErrPanic},
		{"bad effect", act.On("p", "bad send"), functions.ErrBadCall},
		{"state too large", act.On("p", "grow"), functions.ErrTooLarge},
		{"error beside a result", swap.On("p", "nobody").Drop(), errPoor},
		{"result too large", swap.On("p", "eve").Drop(), functions.ErrTooLarge},
		{"delete", discard.On("p"), errPoor},
		{"view", enough.On("p", -1).Into(new(bool)), errPoor},
		{"create", make_.On("p", 1), functions.ErrExists},
	} {
		for _, decoded := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/decoded=%v", tc.name, decoded), func(t *testing.T) {
				cell := newCell(purses)
				must(t, run(cell, make_.On("p", 100), roomy).err)
				must(t, run(cell, swap.On("p", strings.Repeat("y", 200)).Drop(), roomy).err)
				before := cell.Image()
				if !decoded {
					cell.Restore(before)
				}
				limit := 300
				if tc.name == "result too large" {
					limit = 150
				}
				r := run(cell, tc.call, limit)
				wantErr(t, r.err, tc.want)
				if r.result.Encoded() != nil {
					t.Errorf("a failure with a result %x", r.result)
				}
				same(t, cell, before)
				if got := coinsOf(t, cell); got != 100 {
					t.Errorf("%d coins", got)
				}
			})
		}
	}
}

func TestFailedCreateLeavesNothing(t *testing.T) {
	cell := newCell(purses)
	wantErr(t, run(cell, make_.On("p", -1), roomy).err, errPoor)
	same(t, cell, instances.Image{})
	must(t, run(cell, make_.On("p", 5), roomy).err)
	if got := coinsOf(t, cell); got != 5 {
		t.Errorf("%d coins", got)
	}
}

func TestLimitsAtTheBound(t *testing.T) {
	cell := newCell(purses)
	must(t, run(cell, make_.On("p", 1), roomy).err)
	acts["name"] = func(_ *functions.Ctx, p *purse) error { p.Owner = strings.Repeat("x", 100); return nil }
	must(t, run(cell, act.On("p", "name"), roomy).err)
	size := len(cell.Image().Bytes())
	must(t, run(cell, act.On("p", "name"), size).err)
	wantErr(t, run(cell, act.On("p", "name"), size-1).err, functions.ErrTooLarge)

	result := len(run(cell, swap.On("p", strings.Repeat("x", 100)).Drop(), roomy).result.Encoded())
	if err := run(cell, coins.On("p").Into(new(int64)), 1).err; err != nil {
		t.Errorf("a result of one byte: %v", err)
	}
	wantErr(t, run(cell, swap.On("p", "").Drop(), result-1).err, functions.ErrTooLarge)
}

func TestBytesThatDoNotDecode(t *testing.T) {
	cell := newCell(purses)
	must(t, run(cell, make_.On("p", 1), roomy).err)
	op := take.On("p", 1).Envelope().Op
	for name, arg := range map[string][]byte{"nothing": nil, "noise": {0xff}, "a text": []byte("\x61x"), "left over": {1, 1}} {
		var effects instances.Effects
		ctx := instances.NewCtx(format.Address{}, noon, new(uint64), &effects)
		if _, err := cell.Run(op, &ctx, arg, roomy); !errors.Is(err, functions.ErrBadArgument) {
			t.Errorf("argument %s: %v", name, err)
		}
	}
	broken := instances.Stored([]byte{0xff}, false)
	cell.Restore(broken)
	wantErr(t, run(cell, take.On("p", 1), roomy).err, functions.ErrBadState)
	wantErr(t, run(cell, coins.On("p").Into(new(int64)), roomy).err, functions.ErrBadState)
	same(t, cell, broken)
}

func TestPanicKeepsItsStack(t *testing.T) {
	cell := newCell(purses)
	must(t, run(cell, make_.On("p", 100), roomy).err)
	var p *failures.PanicError
	if err := run(cell, take.On("p", 13), roomy).err; !errors.As(err, &p) {
		t.Fatal(err)
	}
	if p.Value != "unlucky" || !strings.Contains(string(p.Stack), "takeCoins") {
		t.Errorf("%q, stack:\n%s", p.Value, p.Stack)
	}
	if strings.Contains(p.Error(), "goroutine") {
		t.Errorf("users would see the stack: %v", p)
	}
}

func TestImagesAreIndependent(t *testing.T) {
	cell := newCell(purses)
	must(t, run(cell, make_.On("p", 1), roomy).err)
	one := cell.Image()
	copied := string(one.Bytes())
	must(t, run(cell, take.On("p", -9), roomy).err)
	if string(one.Bytes()) != copied {
		t.Error("an operation wrote into an image")
	}
	cell.Restore(one)
	if got := coinsOf(t, cell); got != 1 {
		t.Errorf("restored to %d coins", got)
	}
	cell.Restore(instances.Image{})
	wantErr(t, run(cell, take.On("p", 1), roomy).err, functions.ErrNotFound)
}
