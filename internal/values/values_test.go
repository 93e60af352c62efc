//lint:file-ignore U1000 fields that are never read are what these types are for
//lint:file-ignore SA5008 so are tags that do not parse

package values

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Types for the tables below.
type (
	Inner    struct{ A, B int }
	inner    struct{ A int }
	optional struct {
		A int `cbor:",omitempty"`
	}
	Optional struct {
		A int `cbor:",omitempty"`
	}
	Deeper struct{ Inner }
	secret struct{ balance int64 }
	list   struct {
		Value int
		Next  *list
	}
	tree        struct{ Sub []tree }
	byName      map[string]byName
	toItself    *toItself
	there       *andBack
	andBack     *there
	ids         []int
	kind        uint8
	selfEmbed   struct{ *SelfEmbed }
	SelfEmbed   struct{ *SelfEmbed }
	w[T any]    [1]T
	w5[T any]   w[w[w[w[w[T]]]]]
	w25[T any]  w5[w5[w5[w5[w5[T]]]]]
	deep64      w25[w25[w5[w5[w[w[w[w[int64]]]]]]]]
	deep65      w25[w25[w5[w5[w5[int64]]]]]
	Page[T any] struct {
		Items []T
		Next  string
	}
	fork struct {
		Left, Right *fork
	}
	leftOut struct {
		A int
		B int `cbor:"-"`
	}
	keyOfKeys struct{ P *map[keyOfKeys]int }
	mixed     map[any]int
)

type holder struct{ Next any }

// never is a number that is always left out, where that is asked of it.
type never int

func (never) IsZero() bool { return true }

// rounded is encoded by tens.
type rounded struct{ N int }

func (r rounded) MarshalBinary() ([]byte, error)     { return []byte{byte(r.N / 10)}, nil }
func (r *rounded) UnmarshalBinary(data []byte) error { r.N = int(data[0]) * 10; return nil }

// onlyTo encodes itself, and does not decode.
type onlyTo struct{ N int }

func (onlyTo) MarshalBinary() ([]byte, error) { return nil, nil }

type onlyFrom struct{ N int }

func (*onlyFrom) UnmarshalCBOR([]byte) error { return nil }

// textual has the methods that do not count.
type textual struct{ n int }

func (textual) MarshalText() ([]byte, error)  { return nil, nil }
func (*textual) UnmarshalText(_ []byte) error { return nil }

// coded has a codec of its own.
type coded struct{ n int }

func (c coded) MarshalCBOR() ([]byte, error)      { return Encode(c.n) }
func (c *coded) UnmarshalCBOR(data []byte) error  { return codec.Decode(data, &c.n) }
func (c kind) MarshalBinary() ([]byte, error)     { return []byte{byte(c)}, nil }
func (c *kind) UnmarshalBinary(data []byte) error { *c = kind(data[0]); return nil }

// stamped owes its codec to the time that it embeds.
type stamped struct {
	time.Time
	Balance int64
}

type codedToo struct {
	*coded
	Balance int64
}

type onlyTime struct {
	time.Time
	_ int
}

// overrides has a codec of its own, though it embeds one too.
type overrides struct {
	coded
	Balance int64
}

func (o overrides) MarshalCBOR() ([]byte, error)     { return Encode([]int64{int64(o.n), o.Balance}) }
func (o *overrides) UnmarshalCBOR(data []byte) error { return nil }

// lostTypes are types of which some values would not come back, with what the error says.
var lostTypes = map[string]struct {
	value any
	want  string
}{
	"unexported": {struct{ owner string }{}, "owner: an unexported field"},
	"unexported, deep": {struct {
		M map[string][]*struct{ In secret }
	}{}, "M[][].In.balance: an unexported field"},
	"unexported, array":   {[2]secret{}, "[2]values.secret[].balance: "},
	"unexported, list":    {struct{ Next *secret }{}, "Next.balance: "},
	"in a generic type":   {Page[secret]{}, "values.Page[github.com/concordat-dev/concordat/internal/values.secret].Items[].balance: "},
	"nothing but codecs":  {struct{ T textual }{}, "T.n: an unexported field is not encoded; export it, or say cbor:\"-\" if it is not to last (values.textual has MarshalText"},
	"mutex":               {struct{ Mu sync.Mutex }{}, "Mu."},
	"atomic":              {struct{ N atomic.Int64 }{}, "N.v: "},
	"big.Rat":             {struct{ R *big.Rat }{}, "R.a: "},
	"any":                 {struct{ X any }{}, "X: an interface"},
	"any itself":          {[]any{}, "[]interface {}[]: an interface"},
	"error":               {struct{ Err error }{}, "Err: an interface"},
	"context":             {struct{ Ctx context.Context }{}, "Ctx: an interface"},
	"embedded interface":  {struct{ fmt.Stringer }{}, "Stringer: an interface"},
	"cbor.Tag":            {cbor.Tag{}, "Content: an interface"},
	"channel":             {struct{ C chan int }{}, "C: a chan has no encoding"},
	"function":            {struct{ F func() }{}, "F: a func has no encoding"},
	"complex":             {[]complex128{}, "[]complex128[]: a complex128 has no encoding"},
	"uintptr":             {struct{ P uintptr }{}, "P: a uintptr"},
	"unsafe":              {struct{ P unsafe.Pointer }{}, "P: a unsafe.Pointer"},
	"pointer ring type":   {toItself(nil), "pointer to nothing but pointers"},
	"two of them":         {struct{ T there }{}, "T: values.there is a pointer to nothing but pointers"},
	"depth":               {deep65{}, "nested deeper than 64 levels"},
	"depth in a field":    {struct{ A, B, D deep64 }{}, ".A[][][]"},
	"large array":         {struct{ L [codec.MaxElements + 1]bool }{}, "L: an array of 16777217 elements does not decode: at most 16777216"},
	"array of nothing":    {[codec.MaxElements + 1]struct{}{}, "16777217"},
	"pointer key":         {map[*int]int{}, "map[*int]int (key): a pointer comes back as another key"},
	"time key":            {struct{ M map[time.Time]int }{}, "M (key): a time comes back as another key"},
	"pointer in a key":    {map[struct{ P *int }]int{}, "(key).P: a pointer"},
	"time in a key":       {map[[2]struct{ At time.Time }]int{}, "(key)[].At: a time"},
	"interface key":       {map[any]int{}, "(key): an interface"},
	"unexported in a key": {map[secret]int{}, "(key).balance: an unexported field"},
	"left out of a key": {map[struct {
		A int
		B int `cbor:"-"`
	}]int{}, "(key).B: it is not encoded, so that two keys may become one"},
	"left out, deep": {map[[2]struct{ In leftOut }]int{}, "(key)[].In.B: it is not encoded"},
	"left out, embedded": {map[struct {
		leftOut
		C int
	}]int{}, "(key).leftOut.B: it is not encoded"},
	"says it is zero": {map[struct {
		A never `cbor:",omitzero"`
	}]int{}, "(key).A: it is left out where its method IsZero says so"},
	"embedded pointer in a key": {map[struct{ *Inner }]int{}, "(key).Inner: a pointer"},
	"key of such keys":          {map[keyOfKeys]int{}, "(key).P: a pointer"},
	"key of such keys, deep":    {struct{ K keyOfKeys }{}, "(key).P: a pointer"},
	"encodes only":              {struct{ C onlyTo }{}, "C: values.onlyTo has only one of MarshalBinary and UnmarshalBinary"},
	"decodes only":              {struct{ C *onlyFrom }{}, "C: values.onlyFrom has only one of MarshalCBOR and UnmarshalCBOR"},
	"embedded codec":            {struct{ S stamped }{}, "S.Balance: it is not encoded: values.stamped has its MarshalBinary from a field that it embeds"},
	"embedded pointer":          {codedToo{}, "codedToo.Balance: it is not encoded"},
	"json -": {struct {
		Hash string `json:"-"`
	}{}, "Hash: a field with the tag json:\"-\" is not encoded"},
	"option": {struct {
		A int `cbor:"a,omitemtpy"`
	}{}, `A: its tag has the option "omitemtpy"`},
	"no integer": {struct {
		A int `cbor:"a,keyasint"`
	}{}, `A: its tag says keyasint, and "a" is no integer`},
	"no integer, no name": {struct {
		A int `cbor:",keyasint"`
	}{}, `A: its tag says keyasint, and "" is no integer`},
	"too large an integer": {struct {
		A int `cbor:"9223372036854775808,keyasint"`
	}{}, `is no integer`},
	"one name": {struct {
		A int `cbor:"x"`
		B int `cbor:"x"`
	}{}, "B has the same name, so neither is encoded"},
	"one name, two tags": {struct {
		A int `cbor:"x"`
		B int `json:"x"`
	}{}, ".B: struct"},
	"one number": {struct {
		A int `cbor:"1,keyasint"`
		B int `cbor:"01,keyasint"`
	}{}, "same name, so neither"},
	"hidden by a tag": {struct {
		A int
		B int `cbor:"A"`
	}{}, ".A: "},
	"hidden embedded": {struct {
		Inner
		A string
	}{}, ".Inner.A: "},
	"two embedded": {struct {
		Inner
		Other struct{ X int }
		inner
	}{}, "same name, so neither is encoded"},
	"embedded twice": {struct {
		Deeper
		Twice
	}{}, "Inner is embedded twice"},
	"embedded in itself": {selfEmbed{}, "SelfEmbed"},
	"unexported pointer": {struct{ *inner }{}, "inner: an embedded pointer to an unexported struct does not decode"},
	"unexported, named": {struct {
		inner `cbor:"in"`
	}{}, "inner: an embedded struct that is unexported and has a name"},
	"unexported, no struct": {struct{ ids }{}, "ids: an unexported field"},
	"pointer, all optional": {struct {
		*Optional
		N int
	}{}, "Optional: an embedded pointer to a struct none of whose fields"},
	"pointer in an array": {struct {
		_ struct{} `cbor:",toarray"`
		*Inner
	}{}, "Inner: an embedded pointer that is nil"},
	"bad toarray": {struct {
		_ struct{} `cbor:"toarray"`
		N int
	}{}, "no effect"},
	"tag without quotes": {reflect.New(reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[int](), Tag: `cbor:1,keyasint`}})).Elem().Interface(), "does not parse"},
	"tag with a space":   {reflect.New(reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[int](), Tag: `json: "a"`}})).Elem().Interface(), "does not parse"},
}

// TestTypesWhoseValuesAreLost: of each type some values would not come back, and the error has the path of the field.
func TestTypesWhoseValuesAreLost(t *testing.T) {
	for name, tc := range lostTypes {
		err := newType(reflect.TypeOf(tc.value), false).Err()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %q", name, err, tc.want)
		}
	}
}

type Twice struct{ Inner }

// keptTypes are types whose values come back.
var keptTypes = map[string]any{
	"nothing":              struct{}{},
	"bytes":                [][]byte{},
	"large array of bytes": struct{ B [codec.MaxElements + 1]byte }{},
	"list":                 list{},
	"tree":                 tree{},
	"maps in maps":         byName{},
	"generic":              Page[Page[*list]]{},
	"depth":                deep64{},
	"time":                 struct{ At, Due time.Time }{},
	"big.Int": struct {
		N *big.Int
		M big.Int
	}{},
	"address": struct {
		A netip.Addr
		M map[netip.Addr]netip.AddrPort
	}{},
	"url": struct{ U url.URL }{},
	"codec": struct {
		C coded
		P *coded
		L []coded
	}{},
	"bytes with a codec": []kind{},
	"codec of its own":   overrides{},
	"embeds one field":   onlyTime{},
	"raw":                struct{ R cbor.RawMessage }{},
	"left out": struct {
		mu    sync.Mutex  `cbor:"-"`
		Cache map[any]any `cbor:"-"`
		N     int
	}{},
	"blank": struct {
		_ struct{} `cbor:",toarray"`
		_ int
		_ [0]func()
		N int
	}{},
	"holds nothing": struct {
		noCopy struct{}
		N      int
	}{},
	"embedded": struct {
		Inner
		C int
	}{},
	"embedded unexported": struct {
		inner
		C int
	}{},
	"embedded pointer": struct {
		*Inner
		C int
	}{},
	"embedded pointer to embedded": struct {
		*Deeper
		C int
	}{},
	"embedded, named": struct {
		Inner `cbor:"in"`
		A     string
	}{},
	"embedded, no struct": struct{ Names }{},
	"embedded, optional": struct {
		Optional
		optional2
	}{},
	"other tags": struct {
		A int `json:"a,string" yaml:"-" db:"x y"`
		B int `json:"b,nosuch"`
	}{},
	"strange tags": reflect.New(reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[int](), Tag: "no tag at all"}})).Elem().Interface(),
	"a tag - with a comma": struct {
		A int `cbor:"-,"`
	}{},
	"numbers": struct {
		A int `cbor:"1,keyasint"`
		B int `cbor:"1"`
		C int `cbor:"-3,keyasint,omitempty"`
	}{},
	"keys": struct {
		A map[float64]int
		B map[[2]string]int
		C map[Inner]int
		D map[bool]int
		E map[time.Duration]int
		F map[coded]int
		G map[struct {
			A int      `cbor:",omitempty"`
			B string   `cbor:",omitzero"`
			C struct{} `cbor:"-"`
			_ int
		}]int
	}{},
	"pointers": struct {
		A **int
		B *[]int
		C *map[string]int
		D *time.Time
	}{},
}

// TestTypesWhoseValuesComeBack are not refused.
func TestTypesWhoseValuesComeBack(t *testing.T) {
	for name, value := range keptTypes {
		if err := newType(reflect.TypeOf(value), false).Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type (
	Names     []string
	optional2 struct {
		B int `cbor:",omitempty"`
	}
)

// TestValuesThatAreLost are refused when they are encoded, by the shape of their type.
func TestValuesThatAreLost(t *testing.T) {
	ring := &list{}
	ring.Next = &list{Next: ring}
	branches := tree{Sub: make([]tree, 1)}
	branches.Sub[0] = branches
	maps := byName{}
	maps["a"] = byName{"b": maps}
	for name, tc := range map[string]struct {
		value any
		want  string
	}{
		"ring":           {ring, "ring"},
		"ring, slices":   {branches, "ring"},
		"ring, maps":     {maps, "ring"},
		"nested":         {chain(65), "nested level"},
		"year":           {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "year 10000"},
		"year there":     {struct{ L []struct{ At time.Time } }{[]struct{ At time.Time }{{}, {time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC).In(time.FixedZone("", 7200))}}}, ".L[1].At: a time in the year 10000"},
		"before":         {time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC), "year -1"},
		"seconds east":   {time.Unix(0, 0).In(time.FixedZone("LMT", 1172)), "1172 seconds east"},
		"a day east":     {time.Unix(0, 0).In(time.FixedZone("", 86400)), "86400 seconds east"},
		"NaN key":        {map[float64]int{nan(): 1}, "(key): a NaN"},
		"NaN in a key":   {map[[2]struct{ F float32 }]int{{{0}, {float32(nan())}}: 1}, "(key).F: a NaN"},
		"pointer to nil": {struct{ P **int }{new(*int)}, ".P: a pointer to a nil ptr"},
		"to a nil slice": {struct{ P *[]int }{new([]int)}, ".P: a pointer to a nil slice"},
		"to a nil map":   {struct{ P []*map[int]int }{[]*map[int]int{new(map[int]int)}}, ".P[0]: a pointer to a nil map"},
		"to no time":     {struct{ M map[string]*time.Time }{map[string]*time.Time{"a": {}}}, ".M[]: a pointer to the zero time"},
		"codec key":      {map[rounded]int{{10}: 1, {11}: 2}, "(key): a values.rounded comes back as another key"},
		"codec in a key": {struct {
			M map[[1]struct{ R rounded }]int
		}{map[[1]struct{ R rounded }]int{{{rounded{7}}}: 1}}, ".M (key): a [1]struct"},
		"time in a codec": {map[onlyTime]int{{Time: time.Unix(0, 0).In(time.FixedZone("x", 3600))}: 1}, "comes back as another key"},
		"user of a url":   {map[url.URL]int{{Scheme: "http", Host: "h", User: url.User("a")}: 1}, "comes back as another key"},
		"codec":           {struct{ R cbor.RawMessage }{cbor.RawMessage{0x1c}}, ""},
	} {
		_, err := newType(reflect.TypeOf(tc.value), false).Encode(tc.value)
		if !errors.Is(err, failures.ErrBadValue) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %q", name, err, tc.want)
		}
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

// chain is a list of so many structs.
func chain(levels int) *list {
	var first *list
	for range levels {
		first = &list{Next: first}
	}
	return first
}

// TestRingsDoNotEncode: nor does a ring of interfaces, in a value that no type says anything of.
func TestRingsDoNotEncode(t *testing.T) {
	ring := &list{}
	ring.Next = ring
	knot := map[string]any{}
	knot["a"] = []any{knot}
	var loop any
	loop = &loop
	keyRing := &holder{}
	keyRing.Next = keyRing
	for name, v := range map[string]any{"ring": ring, "knot": knot, "loop": loop, "type": toItself(nil), "type in a struct": struct{ T *there }{}, "type in a value": []any{toItself(nil)},
		"in a key": map[*holder]int{keyRing: 1}, "in a key of an interface": mixed{keyRing: 1}, "in a deep key": []any{mixed{[1]any{keyRing}: 1}}} {
		if _, err := Encode(v); !errors.Is(err, failures.ErrBadValue) {
			t.Errorf("%s: %v", name, err)
		}
		if err := EncodeTo(new(bytes.Buffer), v); !errors.Is(err, failures.ErrBadValue) {
			t.Errorf("%s, into a buffer: %v", name, err)
		}
	}
	for _, v := range []any{nil, list{Next: &list{}}, map[string]any{"a": []any{1, nil, map[string]any{}}}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if _, err := Encode(v); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// TestKeysOfRecords: a record may have interfaces in its keys. They are looked at as keys of what they have.
func TestKeysOfRecords(t *testing.T) {
	ring := &holder{}
	ring.Next = ring
	for name, tc := range map[string]struct {
		key  any
		want string
	}{
		"ring":            {ring, "ring"},
		"pointer":         {&holder{}, "(key): a pointer"},
		"hidden":          {secret{1}, "balance: an unexported field"},
		"hidden, deep":    {[1]any{secret{1}}, "balance: an unexported field"},
		"left out":        {leftOut{1, 2}, "B: it is not encoded"},
		"NaN":             {nan(), "a NaN"},
		"time":            {time.Unix(0, 0), "(key): a time"},
		"year":            {[1]any{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "year 10000"},
		"codec":           {rounded{7}, "comes back as another key"},
		"codec, deep":     {struct{ In any }{[1]rounded{{7}}}, "(key).In: a [1]values.rounded comes back"},
		"two in one":      {int8(7), "two keys would become one"},
		"a channel in it": {make(chan int), "no encoding"},
	} {
		_, err := OfRecords[mixed]().Encode(mixed{7: 1, tc.key: 2})
		if !errors.Is(err, failures.ErrBadValue) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %q", name, err, tc.want)
		}
	}
	good := mixed{7: 1, "7": 2, 7.5: 3, [2]any{1, "a"}: 4, netip.MustParseAddr("fe80::1%eth0"): 5, rounded{10}: 6, nil: 7, true: 8, Inner{1, 2}: 9}
	if _, err := OfRecords[mixed]().Encode(good); err != nil {
		t.Error(err)
	}
}

// TestRecordsOfInterfaces: whatever is in an interface is looked at as what it is, nil and pointers too.
func TestRecordsOfInterfaces(t *testing.T) {
	anything, texts := OfRecords[any](), OfRecords[fmt.Stringer]()
	for _, v := range []any{nil, 7, "a", map[string]int{"a": 1}, Inner{}, &Inner{}, (*Inner)(nil), []any{1, Inner{}}, time.Unix(0, 0)} {
		if _, err := anything.Encode(v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	for _, v := range []fmt.Stringer{nil, time.Second, time.Unix(0, 0), &url.URL{}} {
		if _, err := texts.Encode(v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	for _, v := range []any{secret{}, &secret{}, []any{secret{}}, make(chan int), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), toItself(nil)} {
		if _, err := anything.Encode(v); !errors.Is(err, failures.ErrBadValue) {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// TestNilRawMessage: it is the one value of a common type that does not come back, and the type says so.
func TestNilRawMessage(t *testing.T) {
	values := Of[struct{ R cbor.RawMessage }]()
	for _, r := range []cbor.RawMessage{nil, {}, {0xf6}} {
		data, err := values.Encode(struct{ R cbor.RawMessage }{r})
		var got struct{ R cbor.RawMessage }
		if err := errors.Join(err, codec.Decode(data, &got)); err != nil || !bytes.Equal(got.R, []byte{0xf6}) {
			t.Errorf("%x became %x, %v", r, got.R, err)
		}
	}
}

// TestLimitsOfValues: as many levels and elements as MaxLevels and MaxElements come back, and one more is refused.
func TestLimitsOfValues(t *testing.T) {
	lists, bools := Of[*list](), Of[[]bool]()
	for over, want := range []error{nil, failures.ErrBadValue} {
		if _, err := lists.Encode(chain(codec.MaxLevels + over)); !errors.Is(err, want) {
			t.Errorf("%d levels: %v", codec.MaxLevels+over, err)
		}
		if _, err := bools.Encode(make([]bool, codec.MaxElements+over)); !errors.Is(err, want) {
			t.Errorf("%d elements: %v", codec.MaxElements+over, err)
		}
	}
}

// TestManyPathsToOneValue: a value of a few pointers whose encoding would be endless is refused, in bounded time.
func TestManyPathsToOneValue(t *testing.T) {
	n := &fork{}
	for range codec.MaxLevels - 1 {
		n = &fork{n, n}
	}
	if _, err := Of[*fork]().Encode(n); !errors.Is(err, failures.ErrBadValue) || !strings.Contains(err.Error(), "parts") {
		t.Errorf("got %v", err)
	}
	w := looking{limit: 7}
	small := &fork{Left: &fork{}, Right: &fork{}} // three pointers, three structs, and four that are nil
	if l := w.look(Of[*fork]().root, reflect.ValueOf(small)); l == nil || w.parts != 8 {
		t.Errorf("of %d parts: %v", w.parts, l)
	}
	w = looking{limit: 10}
	if l := w.look(Of[*fork]().root, reflect.ValueOf(small)); l != nil {
		t.Errorf("of %d parts: %v", w.parts, l)
	}
}
