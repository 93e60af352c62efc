package functions_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/functions"
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

func checkLate(t *rapid.T, cell *functions.Cell, err error) {
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
	same(t, refused, functions.Image{})
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
	want, err := functions.Encode(purse{Coins: 7, Owner: "ann"})
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
	if got := functions.Stored(want).BytesIn(&buffer); !bytes.Equal(got, want) {
		t.Errorf("stored: %x, want %x", got, want)
	}
	if got := (functions.Image{}).Bytes(); got != nil {
		t.Errorf("nothing: %x", got)
	}
}
