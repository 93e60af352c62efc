package values

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/internal/codec"
)

func TestFlatTypes(t *testing.T) {
	type inner struct {
		A int
		B [3]float64
	}
	for _, tc := range []struct {
		value any
		flat  bool
	}{
		{0, true},
		{"text", true},
		{struct{}{}, true},
		{inner{}, true},
		{[2]inner{}, true},
		{time.Time{}, true},
		{struct{ At time.Time }{}, true},
		{[]byte(nil), false},
		{map[string]int(nil), false},
		{&inner{}, false},
		{struct{ In struct{ P *int } }{}, false},
		{[1][]int{}, false},
		{struct{ X any }{}, false},
		{struct{ F func() }{}, false},
		{struct{ C chan int }{}, false},
		{struct{ private []int }{}, false},
	} {
		if got := isFlat(reflect.TypeOf(tc.value)); got != tc.flat {
			t.Errorf("isFlat(%T) is %v", tc.value, got)
		}
	}
}

func TestFaithfulTypes(t *testing.T) {
	type inner struct{ A int }
	for _, tc := range []struct {
		value    any
		faithful bool
	}{
		{0, true},
		{"text", true},
		{inner{}, true},
		{[2]inner{}, true},
		{struct {
			_ struct{} `cbor:",toarray"`
			A int64
			B [10]string
		}{}, true},
		{struct{ B []byte }{}, false},
		{struct{ P *int }{}, false},
		{struct{ X any }{}, false},
		{struct{ hidden int }{}, false},
		{struct{ inner }{}, false},
		{struct {
			A int `cbor:"-"`
		}{}, false},
		{struct {
			A int `json:"-"`
		}{}, false},
		{complex(1, 1), false}, // does not encode
		{uintptr(1), false},
		{struct {
			A int `cbor:"x"`
			B int `json:"x"`
		}{}, false}, // both are left out
		{struct {
			A int
			B int `cbor:"A"`
		}{}, false},
		{struct {
			A int `cbor:"a,omitzero"`
		}{}, false},
		{struct {
			A int `cbor:"1,keyasint"`
			B int `cbor:"2,keyasint,omitempty"`
		}{}, true},
		{time.Time{}, false}, // its location, its monotonic clock
		{cbor.RawMessage{}, false},
		{[1]cbor.SimpleValue{}, false},
	} {
		if got := isFaithful(reflect.TypeOf(tc.value)); got != tc.faithful {
			t.Errorf("isFaithful(%T) is %v", tc.value, got)
		}
	}
}

// A value of a faithful type always encodes, and comes back as it was.
func TestFaithfulValuesComeBack(t *testing.T) {
	type row struct {
		_    struct{} `cbor:",toarray"`
		N    int64
		U    uint8
		F    float64
		S    string
		B    bool
		List [3]struct{ A, B int32 }
	}
	if !isFaithful(reflect.TypeFor[row]()) {
		t.Fatal("row is not faithful")
	}
	for _, want := range []row{
		{},
		{N: math.MinInt64, U: 255, F: math.Inf(-1), S: "\xff\x00ä", B: true, List: [3]struct{ A, B int32 }{{1, -1}, {}, {math.MaxInt32, 0}}},
		{N: math.MaxInt64, F: math.SmallestNonzeroFloat64, S: strings.Repeat("x", 70000)},
		{F: math.Copysign(0, -1)},
	} {
		data, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		var got row
		if err := codec.Decode(data, &got); err != nil || got != want {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
	}
}

func TestFixedTypes(t *testing.T) {
	for _, tc := range []struct {
		value any
		fixed bool
	}{
		{int64(0), true},
		{true, true},
		{struct{ A, B float64 }{}, true},
		{[16]int{}, true},
		{[17]int{}, false},
		{"", false},
		{struct{ S string }{}, false},
		{struct{ P *int }{}, false},
		{time.Time{}, false},
	} {
		if got := isFixed(reflect.TypeOf(tc.value)); got != tc.fixed {
			t.Errorf("isFixed(%T) is %v", tc.value, got)
		}
	}
}

func TestEqualValuesHaveEqualBytes(t *testing.T) {
	encode := func(backwards bool) []byte {
		m := map[string]int{}
		for i := range 100 {
			if backwards {
				i = 99 - i
			}
			m[fmt.Sprint("key ", i)] = i
		}
		data, err := Encode(map[string]any{"z": m, "a": map[int]bool{2: true, 1: false}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	want := encode(false)
	for i := range 20 {
		if !bytes.Equal(encode(i%2 == 0), want) {
			t.Fatal("equal maps have different bytes")
		}
	}
}
