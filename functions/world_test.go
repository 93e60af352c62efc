package functions_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

const errPoor functions.Failure = "test: too poor"

// purse is a state without pointers.
type purse struct {
	Coins int64
	Owner string
}

var (
	purses  = functions.NewType[purse]("test/purse")
	make_   = functions.Create(purses, "make", func(_ *functions.Ctx, p *purse, coins int64) error { return p.set(coins) })
	take    = functions.Update(purses, "take", takeCoins)
	swap    = functions.UpdateReturning(purses, "swap", swapOwner)
	coins   = functions.View(purses, "coins", func(_ *functions.Ctx, p purse) (int64, error) { return p.Coins, nil })
	enough  = functions.View1(purses, "enough", enoughCoins)
	top     = functions.Upsert(purses, "top", func(_ *functions.Ctx, p *purse, n int64) error { return p.set(p.Coins + n) })
	told    = functions.UpsertReturning(purses, "told", tellPurse)
	discard = functions.Delete(purses, "discard", discardPurse)
	act     = functions.Update(purses, "act", func(ctx *functions.Ctx, p *purse, name string) error { return acts[name](ctx, p) })
)

// acts are what the operation act does, by name: a test adds its own.
var acts = map[string]func(ctx *functions.Ctx, p *purse) error{}

func (p *purse) set(coins int64) error {
	if p.Coins = coins; coins < 0 {
		return errPoor
	}
	return nil
}

func takeCoins(_ *functions.Ctx, p *purse, n int64) error {
	p.Coins -= n // changed first, so that a failure has something to undo
	switch {
	case n == 13:
		panic("unlucky")
	case p.Coins < 0:
		return fmt.Errorf("%w: short of %d", errPoor, -p.Coins)
	}
	return nil
}

func swapOwner(_ *functions.Ctx, p *purse, owner string) (string, error) {
	old := p.Owner
	if p.Owner = owner; owner == "nobody" {
		return old, errPoor
	}
	return old, nil
}

func tellPurse(ctx *functions.Ctx, p *purse, n int64) (string, error) {
	err := p.set(p.Coins + n)
	return fmt.Sprintf("%d coins, existed: %v", p.Coins, ctx.Exists()), err
}

func enoughCoins(_ *functions.Ctx, p purse, n int64) (bool, error) {
	p.Coins = -1 // on a copy
	if n < 0 {
		return false, errPoor
	}
	return n <= 100, nil
}

func discardPurse(_ *functions.Ctx, p *purse) error {
	if p.Coins != 0 {
		p.Coins = 0
		return errPoor
	}
	return nil
}

// roomy is the limit of states and results where a test is not about it.
const roomy = 1 << 20

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func infoOf(p functions.Part) *instances.Type { return p.Definition().(*instances.Type) }

func newCell(p functions.Part) *instances.Cell { return &instances.Cell{Type: infoOf(p)} }

// ran is what one operation did.
type ran struct {
	result  *instances.Result
	effects instances.Effects
	err     error
}

// run runs a call on a cell, as an engine would.
func run(cell *instances.Cell, call functions.Message, maxBytes int) (r ran) {
	env := call.Envelope()
	if r.err = env.Err; r.err != nil {
		return r
	}
	var timers uint64
	ctx := instances.NewCtx(format.Address{Type: cell.Type.Name, ID: env.ID}, noon, &timers, &r.effects)
	if r.result, r.err = cell.Run(env.Op, &ctx, env.Encoded(), maxBytes); r.err == nil && env.Into != nil {
		r.err = env.Into(r.result)
	}
	return r
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want one that is %v", err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same fails the test if a cell is not as it was.
func same(t *testing.T, cell *instances.Cell, before instances.Image) {
	t.Helper()
	if after := cell.Image(); after.Exists != before.Exists || string(after.Bytes()) != string(before.Bytes()) {
		t.Errorf("the state changed: %v %x, was %v %x", after.Exists, after.Bytes(), before.Exists, before.Bytes())
	}
}

func coinsOf(t *testing.T, cell *instances.Cell) (n int64) {
	t.Helper()
	must(t, run(cell, coins.On("p").Into(&n), roomy).err)
	return n
}
