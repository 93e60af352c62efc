package functions_test

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// wide is a state with every kind of field that is encoded late.
type wide struct {
	Yes   bool
	Small int8
	Large uint64
	Ratio float64
	Half  float32
	Name  string
	Lines [3]string
	Bytes [5]byte
	Inner struct {
		Key  string `cbor:"1,keyasint"`
		Also string `cbor:"a rather long name,omitempty"`
	}
}

type packed struct {
	_     struct{} `cbor:",toarray"`
	Count int64
	Texts [2]string
}

var (
	wides      = functions.NewType[wide]("test/wide")
	setWide    = functions.Create(wides, "set", func(_ *functions.Ctx, w *wide, to wide) error { *w = to; return nil })
	packeds    = functions.NewType[packed]("test/packed")
	setPacked  = functions.Create(packeds, "set", func(_ *functions.Ctx, p *packed, to packed) error { *p = to; return nil })
	hugeNumber = uint64(math.MaxUint64)
)

// What is encoded late counts as no shorter than it will be: a state over the limit is refused by the operation that makes it, not
// found when it is written.
func TestLateStatesAreNeverLongerThanTheyCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just(strings.Repeat("x", 70_000)))
		w := wide{
			Yes: rapid.Bool().Draw(t, "yes"), Small: rapid.Int8().Draw(t, "small"), Large: rapid.Uint64().Draw(t, "large"),
			Ratio: rapid.Float64().Draw(t, "ratio"), Half: rapid.Float32().Draw(t, "half"), Name: text.Draw(t, "name"),
			Lines: [3]string{text.Draw(t, "line"), "", text.Draw(t, "line")}, Bytes: [5]byte{255, 1, 2, 3, 255},
		}
		w.Inner.Key, w.Inner.Also = text.Draw(t, "key"), text.Draw(t, "also")
		cell := newCell(wides)
		checkLate(t, cell, run(cell, setWide.On("w", w), 1<<30).err)
		cell = newCell(packeds)
		checkLate(t, cell, run(cell, setPacked.On("p", packed{Count: rapid.Int64().Draw(t, "count"), Texts: [2]string{text.Draw(t, "text"), ""}}), 1<<30).err)
	})
}

func checkLate(t *rapid.T, cell *instances.Cell, err error) {
	if err != nil {
		t.Fatal(err)
	}
	if got := len(cell.Image().Bytes()); got > cell.Size() {
		t.Fatalf("the state has %d bytes and counts as %d", got, cell.Size())
	}
}

func TestLimitOfALateState(t *testing.T) {
	w := wide{Large: hugeNumber, Name: strings.Repeat("n", 1000), Lines: [3]string{"a", "b", "c"}}
	cell := newCell(wides)
	must(t, run(cell, setWide.On("w", w), roomy).err)
	size := len(cell.Image().Bytes())
	must(t, run(newCell(wides), setWide.On("w", w), size).err)
	refused := newCell(wides)
	wantErr(t, run(refused, setWide.On("w", w), size-1).err, functions.ErrTooLarge)
	same(t, refused, instances.Image{})
}

// A state that is gone back to counts as it did.
func TestSizeOfARestoredState(t *testing.T) {
	cell := newCell(purses)
	must(t, run(cell, make_.On("p", 7), roomy).err)
	must(t, run(cell, swap.On("p", strings.Repeat("n", 1000)).Drop(), roomy).err)
	before, size := cell.Image(), cell.Size()
	must(t, run(cell, swap.On("p", "ann").Drop(), roomy).err)
	cell.Restore(before)
	if got := cell.Size(); got != size || size < 1000 {
		t.Errorf("a state of %d bytes counts as %d once it is restored", size, got)
	}
}

// An image that is encoded late gives the bytes that encoding at once would have given, in any memory.
func TestBytesOfAnImage(t *testing.T) {
	want, err := values.Encode(purse{Coins: 7, Owner: "ann"})
	must(t, err)
	cell := newCell(purses)
	must(t, run(cell, make_.On("p", 7), roomy).err)
	must(t, run(cell, swap.On("p", "ann").Drop(), roomy).err)
	late := cell.Image()
	must(t, run(cell, take.On("p", 7), roomy).err)
	var buffer bytes.Buffer
	buffer.WriteString("what was there")
	for range 2 {
		if got := late.BytesIn(&buffer); !bytes.Equal(got, want) {
			t.Errorf("in a buffer: %x, want %x", got, want)
		}
	}
	if got := late.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if got := instances.Stored(want, false).BytesIn(&buffer); !bytes.Equal(got, want) {
		t.Errorf("stored: %x, want %x", got, want)
	}
	if got := (instances.Image{}).Bytes(); got != nil {
		t.Errorf("nothing: %x", got)
	}
}

// stamped is a state that a shallow copy shares nothing of, and that is encoded after each operation: a time comes back without its
// monotonic reading and its location's name.
type stamped struct {
	At time.Time
	N  int
}

// However the states of a type are kept, an image taken before an operation is what the state was then: after the operation has
// failed, and when it has succeeded and is taken back, as a transaction does that aborts.
func TestGoingBackToAnImage(t *testing.T) {
	then, now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)
	goBack(t, "with a time", stamped{then, 1}, stamped{now, 2})
	goBack(t, "a time", then, now)
	goBack(t, "an array of times", [2]time.Time{then, now}, [2]time.Time{now, then})
	goBack(t, "flat", purse{1, "ann"}, purse{2, "bob"})
	goBack(t, "a number", 1, 2)
	goBack(t, "with shared memory", chest{Items: []string{"i"}}, fullChest())
	goBack(t, "a map", map[string]int{"a": 1}, map[string]int{"a": 2})
	goBack(t, "a pointer", &stamped{then, 1}, &stamped{now, 2})
}

// goBack changes a state from one value to another, in place where that can be, and goes back.
func goBack[S any](t *testing.T, what string, from, to S) {
	t.Helper()
	type change struct {
		To   S
		Fail bool
	}
	states := functions.NewType[S]("test/going back")
	begin := functions.Create(states, "begin", func(_ *functions.Ctx, s *S, to S) error { *s = to; return nil })
	set := functions.Update(states, "set", func(_ *functions.Ctx, s *S, c change) error {
		*s = c.To
		if c.Fail {
			return errPoor
		}
		return nil
	})
	look := functions.View(states, "look", func(_ *functions.Ctx, s S) (S, error) { return s, nil })
	check := func(cell *instances.Cell, when string) {
		t.Helper()
		var got S
		must(t, run(cell, look.On("s").Into(&got), roomy).err)
		if !reflect.DeepEqual(got, from) {
			t.Errorf("%s: after %s the state is %+v, want %+v", what, when, got, from)
		}
	}
	for _, decoded := range []bool{true, false} {
		cell := newCell(states)
		must(t, run(cell, begin.On("s", from), roomy).err)
		if !decoded {
			cell.Restore(instances.Stored(cell.Image().Bytes(), false))
		}
		check(cell, "making it")
		before := cell.Image()
		wantErr(t, run(cell, set.On("s", change{to, true}), roomy).err, errPoor)
		check(cell, "a failure")
		must(t, run(cell, set.On("s", change{to, false}), roomy).err)
		cell.Restore(before)
		check(cell, "an abort")
	}
}
