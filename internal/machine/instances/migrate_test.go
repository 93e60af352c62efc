package instances

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/values"
)

// box is a state with one thing in it, of whatever type.
type box[T any] struct{ In T }

// TestWholeStatesAreKnown: a state is looked at when it was read from its row, and not again for each view of it.
func TestWholeStatesAreKnown(t *testing.T) {
	of := NewType[box[[]float32]]("test/box")
	asked := 0
	of.Migrate(func([]byte) (any, error) {
		asked++
		return &box[[]float32]{[]float32{7}}, nil
	})
	get := of.Add("get", KindView, func(_ *Ctx, c *Cell, _ []byte) (*Result, error) {
		return NewResult(values.Of[float32](), c.State().(*box[[]float32]).In[0])
	})
	add := of.Add("add", KindUpdate, func(_ *Ctx, c *Cell, _ []byte) (*Result, error) {
		c.State().(*box[[]float32]).In[0]++
		return nil, nil
	})
	run := func(c *Cell, op *Operation) {
		t.Helper()
		var effects Effects
		var timers uint64
		ctx := NewCtx(format.Address{Type: "test/box", ID: "b"}, time.Now(), &timers, &effects)
		if _, err := c.Run(op, &ctx, nil, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		stored     any
		whole      bool
		migrations int
	}{
		"its own":    {box[[]float32]{[]float32{1}}, true, 0},
		"an earlier": {box[[]float64]{[]float64{0.5}}, true, 0},
		"a lossy":    {box[[]float64]{[]float64{0.1}}, false, 2},
	} {
		data, err := values.Encode(tc.stored)
		if err != nil {
			t.Fatal(err)
		}
		c := &Cell{Type: of}
		c.Restore(Stored(data, false))
		asked = 0
		run(c, get)
		run(c, get)
		if c.whole != tc.whole || asked != tc.migrations {
			t.Errorf("%s: whole is %v, %d migrations", name, c.whole, asked)
		}
		if run(c, add); !c.whole {
			t.Errorf("%s: not whole after a change", name)
		}
	}
}

// BenchmarkReadState measures what reading a state takes: decoding it, and unless it is known, looking whether that is all of it.
func BenchmarkReadState(b *testing.B) {
	type pair struct{ A, B int }
	benchmarkRead(b, "flat", pair{1000000, 7})
	record := [10]string{}
	for i := range record {
		record[i] = strings.Repeat("x", 100)
	}
	benchmarkRead(b, "1kB", struct{ F [10]string }{record})
	benchmarkRead(b, "lists", struct {
		Items []pair
		Names map[string]time.Time
	}{make([]pair, 20), map[string]time.Time{"a": time.Unix(1, 0), "b": time.Unix(2, 0), "c": {}}})
}

func benchmarkRead[S any](b *testing.B, name string, state S) {
	data, err := codec.Encode(state)
	if err != nil {
		b.Fatal(err)
	}
	of := NewType[S]("test/" + name)
	for _, known := range []bool{true, false} {
		b.Run(fmt.Sprintf("%s/known=%v", name, known), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := of.decodeState(data, known); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
