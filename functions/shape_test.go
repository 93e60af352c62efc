//lint:file-ignore U1000 fields that are never read are what these types are for

package functions_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/internal/values"
)

type (
	shapePoint struct{ X, Y int }
	shapeOther struct {
		Y int64
		X uint8
	}
	shapeEmbeds struct {
		shapePointBase
		Y int
	}
	shapePointBase struct{ X int }

	shapeList struct {
		Value int
		Next  *shapeList
	}
	shapeChain struct {
		Next  *shapeChain
		Value int
	}
	shapeTree struct {
		Value       int
		Left, Right *shapeTree
	}
	shapeCoded struct{}
)

func (shapeCoded) MarshalBinary() ([]byte, error)  { return nil, nil }
func (*shapeCoded) UnmarshalBinary(_ []byte) error { return nil }

// Types whose values are encoded alike have one shape.
func TestSameShape(t *testing.T) {
	for _, same := range [][2]any{
		{shapePoint{}, shapeOther{}},
		{shapePoint{}, shapeEmbeds{}},
		{shapePoint{}, struct {
			A int `cbor:"Y"`
			B int `json:"X"`
		}{}},
		{shapePoint{}, struct {
			X, Y    int
			private string
			Not     string `cbor:"-"`
		}{}},
		{int(0), uint16(0)},
		{time.Duration(0), int(0)},
		{"", json.Number("")},
		{shapeList{}, shapeChain{}},
		{[]shapePoint{}, []shapeOther{}},
		{map[string]shapePoint{}, map[string]shapeOther{}},
	} {
		a, b := values.ShapeOf(reflect.TypeOf(same[0])), values.ShapeOf(reflect.TypeOf(same[1]))
		if a != b || a == 0 {
			t.Errorf("%T has shape %x, %T has %x", same[0], a, same[1], b)
		}
	}
}

// Whatever may make the encodings of two equal values differ makes their shapes differ.
func TestShapesDiffer(t *testing.T) {
	type added struct{ X, Y, Z int }
	type removed struct{ X int }
	type renamed struct{ X, W int }
	type retyped struct {
		X int
		Y string
	}
	type omits struct {
		X int
		Y int `cbor:",omitempty"`
	}
	type numbered struct {
		X int `cbor:"1,keyasint"`
		Y int `cbor:"2,keyasint"`
	}
	type array struct {
		_    struct{} `cbor:",toarray"`
		X, Y int
	}
	type turned struct {
		_    struct{} `cbor:",toarray"`
		Y, X int
	}
	type deep struct {
		In struct{ In struct{ In []added } }
	}
	type deeper struct {
		In struct{ In struct{ In []removed } }
	}
	seen := map[uint64]string{0: "no type"}
	for _, value := range []any{
		shapePoint{}, added{}, removed{}, renamed{}, retyped{}, omits{}, numbered{}, array{}, turned{}, deep{}, deeper{}, shapeList{}, shapeTree{},
		shapeCoded{}, time.Time{}, cbor.RawMessage{}, "", 0, 0.5, float32(0.5), true, []byte{}, []int{}, [2]int{}, [3]int{}, &shapePoint{},
		map[string]int{}, map[int]string{}, map[string]any{}, []string{},
		[4]byte{}, [4]uint16{}, [5]byte{}, // arrays of bytes are one item
		struct {
			X, Y int
			D    int `cbor:"-,"`
		}{},
		struct {
			X, Y int
			D    int `cbor:"-,omitempty"`
		}{},
	} {
		shape := values.ShapeOf(reflect.TypeOf(value))
		if other := seen[shape]; other != "" {
			t.Errorf("%T has the shape of %s", value, other)
		}
		seen[shape] = fmt.Sprintf("%T", value)
	}
}

// Versions of one type with a codec: they have one name, since each is of a function of its own.
func shapeVersions() []reflect.Type {
	type inner struct{ a int32 }
	type list struct {
		next *list
		in   inner
	}
	return []reflect.Type{
		func() reflect.Type { type coded struct{ shapeCoded }; return reflect.TypeFor[coded]() }(),
		func() reflect.Type {
			type coded struct {
				shapeCoded
				inner
			}
			return reflect.TypeFor[coded]()
		}(),
		func() reflect.Type {
			type inner struct{ a int64 }
			type coded struct {
				shapeCoded
				inner
			}
			return reflect.TypeFor[coded]()
		}(),
		func() reflect.Type {
			type inner struct{ a, b int32 }
			type coded struct {
				shapeCoded
				inner
			}
			return reflect.TypeFor[coded]()
		}(),
		func() reflect.Type {
			type coded struct {
				shapeCoded
				list *list
			}
			return reflect.TypeFor[coded]()
		}(),
		func() reflect.Type {
			type coded struct {
				shapeCoded
				list map[string]inner
			}
			return reflect.TypeFor[coded]()
		}(),
	}
}

// The shape of a type with codec methods is also that of what it is made of, exported or not: that is what they encode.
func TestShapesUnderACodec(t *testing.T) {
	seen := map[uint64]bool{}
	for i, typ := range shapeVersions() {
		if typ.String() != "functions_test.coded" {
			t.Fatalf("its name is %v", typ)
		}
		if seen[values.ShapeOf(typ)] {
			t.Errorf("version %d has the shape of an earlier one", i)
		}
		seen[values.ShapeOf(typ)] = true
	}
}

// tangled is in twelve types, and refers to each of them: there are half a billion ways through them that do not meet themselves.
type tangled struct {
	A *tangleA
	B *tangleB
	C *tangleC
	D *tangleD
	E *tangleE
	F *tangleF
	G *tangleG
	H *tangleH
	I *tangleI
	J *tangleJ
	K *tangleK
	L *tangleL
}

type (
	tangleA struct{ tangled }
	tangleB struct{ tangled }
	tangleC struct{ tangled }
	tangleD struct{ tangled }
	tangleE struct{ tangled }
	tangleF struct{ tangled }
	tangleG struct{ tangled }
	tangleH struct{ tangled }
	tangleI struct{ tangled }
	tangleJ struct{ tangled }
	tangleK struct {
		tangled
		Leaf int
	}
	tangleL struct {
		tangled
		Leaf string
	}
)

// Types that all refer to each other take no time to speak of, and one is told from the other by what is far behind it.
func TestShapeOfATangle(t *testing.T) {
	a, k, l := values.ShapeFor[tangleA](), values.ShapeFor[tangleK](), values.ShapeFor[tangleL]()
	if a == k || k == l || a != values.ShapeFor[tangleB]() {
		t.Errorf("shapes %x, %x and %x", a, k, l)
	}
}

// Shapes are kept in rows: they stay what they are.
func TestShapesStay(t *testing.T) {
	for _, tc := range []struct {
		value any
		want  uint64
	}{
		{"", 0x5918a62b6d03dec6}, {shapePoint{}, 0xd6d5131c997438b7}, {shapeList{}, 0x90f5b9239c953e29}, {time.Time{}, 0xc38f6165ddd1a765},
		{[]byte{}, 0x7246e8153abbb2bd}, {map[string][]int{}, 0x9b146bfa1d49c39}, {[3]int32{}, 0xe9b8c699eb94b171},
		{struct {
			A *big.Int `cbor:"1,keyasint,omitempty"`
			B any
			c int
			D string `cbor:"-"`
			E int    `json:"e,omitempty"`
			F struct{ X, Y float32 }
		}{}, 0xcecbfa235fa6da49},
	} {
		if got := values.ShapeOf(reflect.TypeOf(tc.value)); got != tc.want {
			t.Errorf("the shape of %T is %#x, rows have %#x", tc.value, got, tc.want)
		}
	}
}
