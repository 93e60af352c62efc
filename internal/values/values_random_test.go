package values

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/concordat-dev/concordat/internal/codec"
)

// TestValuesComeBack: whatever the type, if it is not refused and its value is not either, the value comes back as it was.
func TestValuesComeBack(t *testing.T) {
	kept := 0
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t, 4)
		values := newType(typ, false)
		if values.Err() != nil {
			return
		}
		want := reflect.New(typ).Elem()
		drawValue(t, want, 6)
		data, err := values.Encode(want.Interface())
		if err != nil {
			return
		}
		kept++
		got := reflect.New(typ)
		if err := codec.Decode(data, got.Interface()); err != nil {
			t.Fatalf("%v of type %v does not decode from %x: %v", want, typ, data, err)
		}
		if why := differ(want, got.Elem()); why != "" {
			t.Fatalf("of type %v, as %x: %s\n%+v\n%+v", typ, data, why, want, got.Elem())
		}
		if values.Faithful() && !values.root.careful && values.proof != proofType {
			t.Fatalf("%v is faithful and has to be proven", typ)
		}
	})
	if kept == 0 {
		t.Error("no value was kept")
	}
}

// named are types that reflection cannot make.
var named = []reflect.Type{
	reflect.TypeFor[list](), reflect.TypeFor[tree](), reflect.TypeFor[byName](), reflect.TypeFor[Deeper](), reflect.TypeFor[coded](),
	reflect.TypeFor[kind](), reflect.TypeFor[[]kind](), reflect.TypeFor[time.Time](), reflect.TypeFor[big.Int](), reflect.TypeFor[netip.Addr](),
	reflect.TypeFor[struct {
		Inner
		C int
	}](),
	reflect.TypeFor[struct {
		*Inner
		C string `cbor:",omitzero"`
	}](),
	reflect.TypeFor[struct {
		inner
		*Deeper
	}](),
	reflect.TypeFor[struct {
		_ struct{} `cbor:",toarray"`
		A *string
		B time.Time
	}](),
}

var basic = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int8](), reflect.TypeFor[int64](), reflect.TypeFor[uint16](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[[3]byte](),
}

// tags for a field of any name.
var tags = []reflect.StructTag{
	"", "", "", `cbor:"a"`, `cbor:"b"`, `json:"b"`, `cbor:"1,keyasint"`, `cbor:"-7,keyasint"`, `json:"c" cbor:""`, `cbor:"A"`, `cbor:"-,"`,
}

func drawType(t *rapid.T, depth int) reflect.Type {
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 {
		kind = min(kind, 1)
	}
	inner := func() reflect.Type { return drawType(t, depth-1) }
	switch kind {
	case 1:
		return rapid.SampledFrom(named).Draw(t, "named")
	case 2:
		return reflect.SliceOf(inner())
	case 3:
		return reflect.ArrayOf(rapid.IntRange(0, 3).Draw(t, "length"), inner())
	case 4:
		return reflect.PointerTo(inner())
	case 5:
		if key := inner(); key.Comparable() {
			return reflect.MapOf(key, inner())
		}
	case 6, 7:
		var fields []reflect.StructField
		for i := range rapid.IntRange(0, 4).Draw(t, "fields") {
			tag := rapid.SampledFrom(tags).Draw(t, "tag")
			fields = append(fields, reflect.StructField{Name: fmt.Sprintf("%c", 'A'+i), Type: inner(), Tag: tag})
		}
		return reflect.StructOf(fields)
	}
	return rapid.SampledFrom(basic).Draw(t, "basic")
}

// drawValue sets v to something; nil is likely below depth 0.
func drawValue(t *rapid.T, v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		zone := rapid.SampledFrom([]*time.Location{time.UTC, time.Local, time.FixedZone("x", 3600), time.FixedZone("y", -5400), time.FixedZone("z", 1)}).Draw(t, "zone")
		*x = rapid.SampledFrom([]time.Time{{}, time.Unix(0, 1), time.Now(), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)}).Draw(t, "time").In(zone)
		return
	case *big.Int:
		x.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "big"))
		return
	case *netip.Addr:
		*x = rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fe80::1%eth0")}).Draw(t, "address")
		return
	case *coded:
		x.n = rapid.Int().Draw(t, "coded")
		return
	}
	empty := depth <= 0 || rapid.IntRange(0, 4).Draw(t, "empty") == 0
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int8, reflect.Int, reflect.Int64:
		if n := rapid.Int64().Draw(t, "int"); !v.OverflowInt(n) {
			v.SetInt(n)
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		if n := rapid.Uint64().Draw(t, "uint"); !v.OverflowUint(n) {
			v.SetUint(n)
		}
	case reflect.Float32, reflect.Float64:
		v.SetFloat(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, math.Pi, math.NaN(), math.Float64frombits(0x7ff8dead00000000), math.Inf(1), math.SmallestNonzeroFloat32}).Draw(t, "float"))
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"", "a", "ä", "\xff\x00", "null"}).Draw(t, "string"))
	case reflect.Slice:
		if !empty {
			v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		}
		drawElements(t, v, depth)
	case reflect.Array:
		drawElements(t, v, depth)
	case reflect.Pointer:
		if !empty {
			v.Set(reflect.New(v.Type().Elem()))
			drawValue(t, v.Elem(), depth-1)
		}
	case reflect.Map:
		if !empty {
			drawMap(t, v, depth)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				drawValue(t, v.Field(i), depth-1)
			} else if v.Type().Field(i).Anonymous {
				v.Field(i).Field(0).SetInt(rapid.Int64().Draw(t, "embedded"))
			}
		}
	}
}

func drawElements(t *rapid.T, v reflect.Value, depth int) {
	for i := range v.Len() {
		drawValue(t, v.Index(i), depth-1)
	}
}

func drawMap(t *rapid.T, v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		drawValue(t, key, depth-1)
		drawValue(t, elem, depth-1)
		v.SetMapIndex(key, elem)
	}
}

// differ says how two values of one type differ, or "". It is strict where reflect.DeepEqual is not, and the other way round: a NaN is
// equal to one with the same bits, 0 is not equal to -0, and a time is its instant and its offset.
func differ(a, b reflect.Value) string {
	switch x := a.Interface().(type) {
	case time.Time:
		y := b.Interface().(time.Time)
		_, offset := x.Zone()
		if _, other := y.Zone(); !x.Equal(y) || !x.IsZero() && offset != other {
			return fmt.Sprintf("%v became %v", x, y)
		}
		return ""
	case big.Int:
		if y := b.Interface().(big.Int); x.Cmp(&y) != 0 {
			return fmt.Sprintf("%v became %v", &x, &y)
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		if math.Float64bits(a.Float()) != math.Float64bits(b.Float()) {
			return fmt.Sprintf("%x became %x", math.Float64bits(a.Float()), math.Float64bits(b.Float()))
		}
		return ""
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			break
		}
		return differ(a.Elem(), b.Elem())
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() || a.Kind() == reflect.Slice && a.IsNil() != b.IsNil() {
			return fmt.Sprintf("%#v became %#v", a, b)
		}
		for i := range a.Len() {
			if why := differ(a.Index(i), b.Index(i)); why != "" {
				return why
			}
		}
		return ""
	case reflect.Map:
		if a.Len() != b.Len() || a.IsNil() != b.IsNil() {
			return fmt.Sprintf("%#v became %#v", a, b)
		}
		for _, key := range a.MapKeys() {
			other := b.MapIndex(key)
			if !other.IsValid() {
				return fmt.Sprintf("the key %v is gone", key)
			}
			if why := differ(a.MapIndex(key), other); why != "" {
				return why
			}
		}
		return ""
	case reflect.Struct:
		for i := range a.NumField() {
			f := a.Type().Field(i)
			switch {
			case f.IsExported():
				if why := differ(a.Field(i), b.Field(i)); why != "" {
					return f.Name + ": " + why
				}
			case f.Anonymous:
				if a.Field(i).Field(0).Int() != b.Field(i).Field(0).Int() {
					return f.Name + " differs"
				}
			}
		}
		return ""
	}
	if !reflect.DeepEqual(a.Interface(), b.Interface()) {
		return fmt.Sprintf("%#v became %#v", a, b)
	}
	return ""
}
