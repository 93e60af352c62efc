package values

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Boxes are states with one thing in them, of whatever type.
type (
	Box[T any]      struct{ In T }
	emptyBox[T any] struct {
		In T `cbor:",omitempty"`
	}
	zeroBox[T any] struct {
		In T `cbor:",omitzero"`
	}
	arrayBox[T any] struct {
		_ struct{} `cbor:",toarray"`
		A int
		EmbeddedBox[T]
	}
	EmbeddedBox[T any] struct {
		In T
		Z  string
	}
)

// Versions of what is in a box.
type (
	short struct{ A int }
	long  struct {
		Z bool
		A int64
		B *string
	}
)

// readAs reads a state that was stored as a To.
func readAs[To any](t *testing.T, stored any) (state To, err error) {
	t.Helper()
	data, err := Encode(stored)
	if err != nil {
		t.Fatal(err)
	}
	of := Of[To]()
	if err := of.Err(); err != nil {
		t.Fatal(err)
	}
	return state, readInto(of, data, &state)
}

// readInto decodes a value that was stored, as an instance does with its state.
func readInto(of *Type, data []byte, state any) error {
	if err := codec.Decode(data, state); err != nil {
		return failures.Match(failures.ErrBadState, err)
	}
	return of.CheckWhole(data, state)
}

// takes demands that a stored state is taken as it is.
func takes[To any](t *testing.T, stored any, want To) {
	t.Helper()
	got, err := readAs[To](t, stored)
	if err != nil || differ(reflect.ValueOf(want), reflect.ValueOf(got)) != "" {
		t.Errorf("%+v is read as %+v, %v; want %+v", stored, got, err, want)
	}
}

// refuses demands that a stored state is not taken as it is, with an error that says so.
func refuses[To any](t *testing.T, stored any, want string) {
	t.Helper()
	got, err := readAs[To](t, stored)
	if !errors.Is(err, failures.ErrBadState) || !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("%+v is read as %+v, %v; want %q", stored, got, err, want)
	}
}

var (
	wide  = new(big.Int).Lsh(big.NewInt(1), 70)
	wider = new(big.Int).Add(wide, big.NewInt(1))
)

// TestStatesThatWouldLoseSomething are not taken as they are: a migration is asked, if there is one.
func TestStatesThatWouldLoseSomething(t *testing.T) {
	refuses[Box[time.Time]](t, Box[int64]{1767225600000}, ".In: 1767225600000 is stored, which would become ")
	refuses[Box[time.Time]](t, Box[float64]{7.5}, ".In: 7.5")
	refuses[Box[float64]](t, Box[int64]{1<<53 + 1}, ".In: 9007199254740993 is stored")
	refuses[Box[float32]](t, Box[int64]{1<<24 + 1}, ".In: 16777217")
	refuses[Box[float32]](t, Box[float64]{0.1}, ".In: 0.1")
	refuses[Box[float32]](t, Box[float64]{1e300}, "")
	refuses[Box[float64]](t, Box[*big.Int]{wider}, ".In")
	refuses[Box[[]byte]](t, Box[*big.Int]{wide}, ".In")
	refuses[Box[[]byte]](t, Box[[]int]{[]int{1, 2}}, ".In: [1, 2] is stored, which would become h'0102'")
	refuses[Box[[2]byte]](t, Box[[]int]{[]int{1, 2}}, "")
	refuses[Box[[2]int]](t, Box[[2]byte]{}, "")
	refuses[Box[string]](t, Box[[]int]{}, ".In: null is stored")
	refuses[Box[int]](t, Box[*int]{}, ".In: null")
	refuses[Box[bool]](t, Box[*bool]{}, ".In: null")
	refuses[Box[int]](t, Box[time.Time]{}, ".In: null")
	refuses[Box[string]](t, Box[time.Time]{}, ".In: null")
	refuses[Box[short]](t, Box[*short]{}, ".In: null")
	refuses[Box[[2]int]](t, Box[[]int]{}, ".In: null")
	refuses[Box[time.Time]](t, Box[string]{"2026-01-01T00:00:00.000Z"}, ".In")
	refuses[Box[int]](t, Box[cbor.RawTag]{cbor.RawTag{Number: 5, Content: cbor.RawMessage{1}}}, ".In: 5(1)")

	refuses[Box[map[float32]int]](t, Box[map[int]int]{map[int]int{1<<24 + 1: 1}}, ".In (key): 16777217")
	refuses[Box[map[float32]int]](t, Box[map[int]int]{map[int]int{1<<24 + 1: 1, 1 << 24: 2}}, "keys of a map would become one")
	refuses[Box[map[string]float32]](t, Box[map[string]float64]{map[string]float64{"a": 0.1}}, ".In[]: 0.1")
	refuses[[]Box[*Box[float32]]](t, []Box[*Box[float64]]{{}, {&Box[float64]{0.1}}}, "[1].In.In: 0.1")
	refuses[arrayBox[float32]](t, arrayBox[float64]{A: 1, EmbeddedBox: EmbeddedBox[float64]{In: 0.1}}, ".In: 0.1")
	refuses[struct {
		Box[float32] `cbor:"7,keyasint"`
		A            netip.Addr
	}](t, struct {
		In Box[float64] `cbor:"7,keyasint"`
	}{Box[float64]{0.1}}, ".Box.In: 0.1")

	refuses[emptyBox[float32]](t, Box[float64]{1e-300}, ".In: 1.0e-300 is stored, which would be left out")
	refuses[emptyBox[int]](t, Box[*int]{}, ".In: null")
	refuses[zeroBox[[2]float32]](t, Box[[2]float64]{[2]float64{0, 1e-300}}, "which would be left out")
	refuses[zeroBox[Box[float32]]](t, Box[Box[float64]]{Box[float64]{1e-300}}, "which would be left out")
}

// TestStatesThatAreTakenAsTheyAre: nothing of them is lost but what Migrate says.
func TestStatesThatAreTakenAsTheyAre(t *testing.T) {
	text := "x"
	takes(t, Box[short]{short{7}}, Box[long]{long{A: 7}})
	takes(t, Box[long]{long{true, 7, &text}}, Box[short]{short{7}})
	takes(t, Box[[3]int]{[3]int{1, 2, 3}}, Box[[2]int]{[2]int{1, 2}})
	takes(t, Box[[2]int]{[2]int{1, 2}}, Box[[3]int]{[3]int{1, 2}})
	takes(t, Box[[3]byte]{[3]byte{1, 2, 3}}, Box[[2]byte]{[2]byte{1, 2}})
	takes(t, Box[[2]byte]{[2]byte{1, 2}}, Box[[3]byte]{[3]byte{1, 2}})
	takes(t, Box[[]long]{[]long{{A: 7}, {}}}, Box[[]short]{[]short{{7}, {}}})
	takes(t, Box[[1]long]{[1]long{{A: 7}}}, Box[[2]short]{[2]short{{7}}})

	takes(t, Box[int8]{-7}, Box[float32]{-7})
	takes(t, Box[int64]{1 << 60}, Box[float64]{1 << 60})
	takes(t, Box[float32]{0.1}, Box[float64]{float64(float32(0.1))})
	takes(t, Box[float64]{0.5}, Box[float32]{0.5})
	takes(t, Box[float64]{math.Inf(-1)}, Box[float32]{float32(math.Inf(-1))})
	takes(t, Box[float64]{math.Copysign(0, -1)}, Box[float32]{float32(math.Copysign(0, -1))})
	takes(t, Box[uint64]{math.MaxUint64}, Box[*big.Int]{new(big.Int).SetUint64(math.MaxUint64)})
	takes(t, Box[*big.Int]{big.NewInt(7)}, Box[int]{7})
	if got, err := readAs[Box[float32]](t, Box[float64]{math.NaN()}); err != nil || !math.IsNaN(float64(got.In)) {
		t.Errorf("a NaN is read as %v, %v", got, err)
	}

	seven := 7
	takes(t, Box[*int]{&seven}, Box[int]{7})
	takes(t, Box[int]{7}, Box[*int]{&seven})
	takes(t, Box[*int]{}, Box[[]string]{})
	takes(t, Box[[]int]{[]int{1, 2, 3}}, Box[[2]int]{[2]int{1, 2}})
	takes(t, Box[time.Time]{time.Unix(1, 0).UTC()}, Box[string]{"1970-01-01T00:00:01Z"})
	takes(t, Box[short]{short{7}}, Box[map[string]int]{map[string]int{"A": 7}})

	takes(t, Box[map[int]string]{map[int]string{1: "a", -2: "b"}}, Box[map[float64]string]{map[float64]string{1: "a", -2: "b"}})
	takes(t, Box[map[short]short]{map[short]short{{1}: {2}}}, Box[map[struct{ A, B int }]long]{map[struct{ A, B int }]long{{1, 0}: {A: 2}}})

	takes(t, Box[int]{}, emptyBox[int]{})
	takes(t, Box[float64]{math.Copysign(0, -1)}, emptyBox[float64]{math.Copysign(0, -1)})
	takes(t, Box[[]int]{}, emptyBox[[]int]{})
	takes(t, Box[string]{}, emptyBox[string]{})
	takes(t, Box[time.Time]{}, zeroBox[time.Time]{})
	takes(t, Box[[2]byte]{}, zeroBox[[2]byte]{})
	takes(t, Box[[3]byte]{[3]byte{2: 1}}, zeroBox[[2]byte]{})
	takes(t, Box[[3]int]{[3]int{2: 1}}, zeroBox[[2]int]{})
	takes(t, Box[[2]short]{}, zeroBox[[2]short]{})
	takes(t, Box[long]{}, zeroBox[short]{})
	eastern := time.Time{}.In(time.FixedZone("", 3600)) // which is zero, and has more than zeros in it
	takes(t, zeroBox[[1]arrayBox[time.Time]]{[1]arrayBox[time.Time]{{EmbeddedBox: EmbeddedBox[time.Time]{In: eastern}}}}, zeroBox[[1]arrayBox[time.Time]]{})
	takes(t, Box[never]{7}, zeroBox[never]{7}) // its method says that it is nothing, whatever it is
	takes(t, emptyBox[int]{}, Box[int]{})
	takes(t, struct{}{}, struct{ *Inner }{})
	takes(t, struct{ A int }{7}, struct{ *Inner }{&Inner{A: 7}})
}

// newest writes another form than it reads.
type newest struct{ N int }

func (n newest) MarshalCBOR() ([]byte, error)     { return Encode([]int{n.N}) }
func (n *newest) UnmarshalCBOR(data []byte) error { return codec.Decode(data, &n.N) }

// grumpy encodes nothing any more.
type grumpy struct{ N int }

func (grumpy) MarshalBinary() ([]byte, error)       { panic("grumpy") }
func (g *grumpy) UnmarshalBinary(data []byte) error { g.N = len(data); return nil }

// TestWhatCodecsRead: what a codec method wrote is its own matter, and all beside it is looked at. One that does not write what it reads
// harms no state that is only read.
func TestWhatCodecsRead(t *testing.T) {
	type coded[T any] struct {
		C newest
		V T
	}
	takes(t, struct {
		C int
		V float64
	}{7, 0.5}, coded[float32]{newest{7}, 0.5})
	refuses[coded[float32]](t, struct {
		C int
		V float64
	}{7, 0.1}, ".V: 0.1")
	takes(t, Box[[]byte]{[]byte("abc")}, Box[grumpy]{grumpy{3}})
}

// TestStatesAreReadBack: whatever the type and the value, a state that was stored is read as it is, also by a program whose types have
// fields more and less, in another order, left out where they are empty or not, longer and shorter arrays, and wider numbers.
func TestStatesAreReadBack(t *testing.T) {
	changed := 0
	rapid.Check(t, func(t *rapid.T) {
		typ := drawOmitted(t, drawType(t, 4))
		values := newType(typ, false)
		state := reflect.New(typ).Elem()
		drawValue(t, state, 6)
		data, err := values.Encode(state.Interface())
		if err != nil {
			return
		}
		if err := readInto(values, data, reflect.New(typ).Interface()); err != nil {
			t.Fatalf("%+v of type %v: %v", state, typ, err)
		}
		later := newType(drawOmitted(t, drawLater(t, typ)), false)
		if later.Err() != nil {
			return
		}
		if err := readInto(later, data, reflect.New(later.typ).Interface()); err != nil {
			t.Fatalf("%+v of type %v\nas %v: %v", state, typ, later.typ, err)
		}
		if later.typ != typ {
			changed++
		}
	})
	if changed == 0 {
		t.Error("no type was changed")
	}
}

// drawOmitted is a type with the same fields, some of which are left out where they are empty.
func drawOmitted(t *rapid.T, typ reflect.Type) reflect.Type {
	switch {
	case isGiven(typ):
	case typ.Kind() == reflect.Slice:
		return reflect.SliceOf(drawOmitted(t, typ.Elem()))
	case typ.Kind() == reflect.Pointer:
		return reflect.PointerTo(drawOmitted(t, typ.Elem()))
	case typ.Kind() == reflect.Map:
		return reflect.MapOf(typ.Key(), drawOmitted(t, typ.Elem()))
	case typ.Kind() == reflect.Array:
		return reflect.ArrayOf(typ.Len(), drawOmitted(t, typ.Elem()))
	case typ.Kind() == reflect.Struct:
		var fields []reflect.StructField
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag, _ := parseTag(f.Tag)
			option := rapid.SampledFrom([]string{"", "", ",omitempty", ",omitzero"}).Draw(t, "option")
			if tag.asInt {
				option += ",keyasint"
			}
			text := fmt.Sprintf(`cbor:"%s%s"`, cmp.Or(tag.name, f.Name), option)
			if tag.name == "-" {
				text = `cbor:"-,` + strings.TrimPrefix(option, ",") + `"`
			}
			fields = append(fields, reflect.StructField{Name: f.Name, Type: drawOmitted(t, f.Type), Tag: reflect.StructTag(text)})
		}
		return reflect.StructOf(fields)
	}
	return typ
}

// isGiven reports whether a type is one of those that are named, or written down in full.
func isGiven(typ reflect.Type) bool {
	return typ.Name() != "" || typ.Kind() == reflect.Struct && typ.NumField() > 0 && (typ.Field(0).Anonymous || typ.Field(0).Name == "_")
}

// drawLater is a type that all states of a type can be read as.
func drawLater(t *rapid.T, typ reflect.Type) reflect.Type {
	if isGiven(typ) {
		if wide, ok := widened[typ]; ok && rapid.Bool().Draw(t, "wider") {
			return wide
		}
		return typ
	}
	switch typ.Kind() {
	case reflect.Slice:
		return reflect.SliceOf(drawLater(t, typ.Elem()))
	case reflect.Pointer:
		return reflect.PointerTo(drawLater(t, typ.Elem()))
	case reflect.Map:
		return reflect.MapOf(typ.Key(), drawLater(t, typ.Elem()))
	case reflect.Array:
		return reflect.ArrayOf(rapid.IntRange(0, 4).Draw(t, "length"), drawLater(t, typ.Elem()))
	case reflect.Struct:
		var fields []reflect.StructField
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Type = drawLater(t, f.Type); rapid.IntRange(0, 3).Draw(t, "removed") > 0 {
				fields = append(fields, reflect.StructField{Name: f.Name, Type: f.Type, Tag: f.Tag})
			}
		}
		if rapid.Bool().Draw(t, "added") {
			fields = append(fields, reflect.StructField{Name: "Z", Type: drawType(t, 2)})
		}
		return reflect.StructOf(rapid.Permutation(fields).Draw(t, "order"))
	}
	return typ
}

var widened = map[reflect.Type]reflect.Type{
	reflect.TypeFor[int8]():    reflect.TypeFor[float32](),
	reflect.TypeFor[uint16]():  reflect.TypeFor[int64](),
	reflect.TypeFor[int64]():   reflect.TypeFor[*big.Int](),
	reflect.TypeFor[float32](): reflect.TypeFor[float64](),
}
