package functions_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// item1, item2 and item3 are versions of a state.
type (
	item1 struct{ Price int64 }
	item2 struct{ Price string }
	item3 struct {
		Price []string
		At    time.Time
	}
)

func encoded(t *testing.T, v any) instances.Image {
	t.Helper()
	data, err := values.Encode(v)
	must(t, err)
	return instances.Stored(data, false)
}

func toItem2(old []byte) (item2, error) {
	var v item1
	err := functions.Decode(old, &v)
	for i := range old {
		old[i] = 0xff // the bytes are its own
	}
	return item2{fmt.Sprint(v.Price, " EUR")}, err
}

// TestMigrationsReadOldStates: in operations and views, in the order of the migrations; a view changes nothing, and the next change
// writes the new form.
func TestMigrationsReadOldStates(t *testing.T) {
	items := functions.NewType[item2]("test/item")
	calls := 0
	functions.Migrate(items, func(old []byte) (item2, error) { calls++; return item2{}, errors.New("none of mine") })
	functions.Migrate(items, func(old []byte) (item2, error) { panic("nor mine") })
	functions.Migrate(items, toItem2)
	functions.Migrate(items, func(old []byte) (item2, error) { t.Error("a migration too many"); return item2{}, nil })
	get := functions.View(items, "get", func(_ *functions.Ctx, s item2) (string, error) { return s.Price, nil })
	add := functions.Update(items, "add", func(_ *functions.Ctx, s *item2, text string) error { s.Price += text; return nil })
	fail := functions.Update(items, "fail", func(_ *functions.Ctx, s *item2, _ int) error { s.Price = "?"; return errPoor })
	must(t, infoOf(items).Validate())
	cell := newCell(items)
	old := encoded(t, item1{7})
	cell.Restore(old)
	ask := func(want string) {
		t.Helper()
		var got string
		if must(t, run(cell, get.On("i").Into(&got), roomy).err); got != want {
			t.Errorf("the price is %q, want %q", got, want)
		}
	}
	ask("7 EUR")
	wantErr(t, run(cell, fail.On("i", 0), roomy).err, errPoor)
	same(t, cell, old)
	ask("7 EUR")
	must(t, run(cell, add.On("i", "!"), roomy).err)
	same(t, cell, encoded(t, item2{"7 EUR!"}))
	before := calls
	ask("7 EUR!")
	cell.Restore(instances.Stored(cell.Image().Bytes(), false))
	if ask("7 EUR!"); calls != before {
		t.Error("a migration is asked about a state that decodes")
	}
	state, err := infoOf(items).DecodeState(old.Bytes(), false)
	if err != nil || state.(*item2).Price != "7 EUR" {
		t.Errorf("decoded apart: %+v, %v", state, err)
	}
}

// TestMigrationsOfSharedMemory: of a type that is decoded for each view, views and updates of an old state find the same.
func TestMigrationsOfSharedMemory(t *testing.T) {
	items := functions.NewType[item3]("test/item")
	functions.Migrate(items, func(old []byte) (s item3, err error) {
		two, err := toItem2(old)
		return item3{Price: []string{two.Price}, At: noon.In(time.FixedZone("a name", 3600))}, err
	})
	spoil := functions.View(items, "spoil", func(_ *functions.Ctx, s item3) (string, error) {
		s.Price[0] += "!"
		return s.Price[0] + s.At.Location().String(), nil
	})
	touch := functions.Update(items, "touch", func(*functions.Ctx, *item3, int) error { return nil })
	cell := newCell(items)
	cell.Restore(encoded(t, item1{7}))
	for i := range 4 {
		var got string
		if must(t, run(cell, spoil.On("i").Into(&got), roomy).err); got != "7 EUR!" {
			t.Errorf("view %d: %q", i, got)
		}
		if i == 1 {
			must(t, run(cell, touch.On("i", 0), roomy).err)
		}
	}
}

// TestBadMigrations: what they return is checked like any state, and a nil one is an error of Open.
func TestBadMigrations(t *testing.T) {
	lists := functions.NewType[chest]("test/chest-of-old")
	functions.Migrate(lists, func([]byte) (chest, error) { c := chest{}; c.Next = &c; return c, nil })
	get := functions.View(lists, "get", func(*functions.Ctx, chest) (int, error) { return 0, nil })
	cell := newCell(lists)
	cell.Restore(encoded(t, 7))
	err := run(cell, get.On("c").Into(new(int)), roomy).err
	wantErr(t, err, functions.ErrBadState)
	if !strings.Contains(err.Error(), "migration 1") || !strings.Contains(err.Error(), "ring") {
		t.Errorf("got %v", err)
	}
	functions.Migrate[chest](lists, nil)
	if err := infoOf(lists).Validate(); err == nil || !strings.Contains(err.Error(), "migration 2") {
		t.Errorf("got %v", err)
	}
}

// TestInstanceWithABadState: it can be deleted, and refuses all else; the Delete is told why, and can refuse too.
func TestInstanceWithABadState(t *testing.T) {
	items := functions.NewType[item2]("test/item")
	fresh := functions.Create(items, "make", func(_ *functions.Ctx, s *item2, p string) error { s.Price = p; return nil })
	update := functions.Update(items, "set", func(_ *functions.Ctx, s *item2, p string) error { s.Price = p; return nil })
	upsert := functions.Upsert(items, "put", func(_ *functions.Ctx, s *item2, p string) error { s.Price = p; return nil })
	view := functions.View(items, "get", func(_ *functions.Ctx, s item2) (string, error) { return s.Price, nil })
	remove := functions.Delete(items, "remove", func(_ *functions.Ctx, s *item2) error {
		if s.Price != "" {
			return errPoor
		}
		return nil
	})
	careful := functions.Delete(items, "careful", func(ctx *functions.Ctx, _ *item2) error { return ctx.BadState() })
	cell := newCell(items)
	bad := encoded(t, item1{7})
	cell.Restore(bad)
	for _, tc := range []struct {
		call functions.Call
		want error
	}{
		{fresh.On("i", "x"), functions.ErrExists}, {update.On("i", "x"), functions.ErrBadState}, {upsert.On("i", "x"), functions.ErrBadState},
		{view.On("i").Into(new(string)), functions.ErrBadState}, {careful.On("i"), functions.ErrBadState},
	} {
		err := run(cell, tc.call, roomy).err
		wantErr(t, err, tc.want)
		same(t, cell, bad)
	}
	var exists bool
	if must(t, run(cell, items.Exists("i").Into(&exists), roomy).err); !exists {
		t.Error("it does not exist")
	}
	must(t, run(cell, remove.On("i"), roomy).err)
	same(t, cell, instances.Image{})
	must(t, run(cell, fresh.On("i", ""), roomy).err)
	must(t, run(cell, careful.On("i"), roomy).err)
}

// TestDeleteOfAStateWhoseCodecPanics works too.
func TestDeleteOfAStateWhoseCodecPanics(t *testing.T) {
	touchies := functions.NewType[touchy]("test/touchy")
	remove := functions.Delete(touchies, "remove", func(ctx *functions.Ctx, _ *touchy) error {
		wantErr(t, ctx.BadState(), functions.ErrPanic)
		return nil
	})
	cell := newCell(touchies)
	cell.Restore(encoded(t, 1))
	must(t, run(cell, remove.On("t"), roomy).err)
	same(t, cell, instances.Image{})
}
