package functions

import (
	"bytes"
	"cmp"
	"encoding"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// The one codec of states, arguments, results and records: CBOR (RFC 8949), times with nanoseconds, map keys sorted so that
// equal values have equal bytes.
var (
	encMode = mustEnc(cbor.EncOptions{Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339Nano, NaNConvert: cbor.NaNConvertNone})
	decMode = mustDec(cbor.DecOptions{
		MaxArrayElements: MaxElements, MaxMapPairs: MaxElements, MaxNestedLevels: MaxLevels, UTF8: cbor.UTF8DecodeInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive, // a removed field is no other field whose name looks like it
	})
)

func mustEnc(o cbor.EncOptions) cbor.UserBufferEncMode {
	mode, err := o.UserBufferEncMode()
	if err != nil {
		panic("functions: codec options: " + err.Error())
	}
	return mode
}

func mustDec(o cbor.DecOptions) cbor.DecMode {
	mode, err := o.DecMode()
	if err != nil {
		panic("functions: codec options: " + err.Error())
	}
	return mode
}

// Encode encodes a value as CBOR, the way states, arguments and results are. Equal values give equal bytes. (A map with several keys
// that are NaN equals nothing, itself included; their order is not determined.) A value that contains itself is [ErrBadValue].
func Encode(v any) ([]byte, error) {
	if err := refuseRing(v); err != nil {
		return nil, err
	}
	return encode(v)
}

// EncodeTo is [Encode] into a buffer.
func EncodeTo(buffer *bytes.Buffer, v any) error {
	if err := refuseRing(v); err != nil {
		return err
	}
	return encodeTo(buffer, v)
}

// EncodeRow is [Encode] for values whose type contains neither itself nor an interface, such as the engine's rows.
func EncodeRow(v any) ([]byte, error) { return encode(v) }

func encode(v any) ([]byte, error) { return encMode.Marshal(v) }

func encodeTo(buffer *bytes.Buffer, v any) error { return encMode.MarshalToBuffer(v, buffer) }

// Decode decodes what [Encode] wrote into the value that v points to. Bytes left over are an error.
func Decode(data []byte, v any) error { return decMode.Unmarshal(data, v) }

// Limits of values: what the decoder takes. A type that is over them is refused at engine.Open, a value by the operation that makes
// it.
const (
	// MaxLevels bounds how deep lists, maps and structs are nested in a value.
	MaxLevels = 64
	// MaxElements bounds the elements of an array, slice or map, and the parts of a value that have to be looked at; see [Values].
	MaxElements = 1 << 24
)

// codecMethods are what a type implements that encodes itself.
var codecMethods = []reflect.Type{
	reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler](),
	reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
}

// isFaithful reports whether a value of type t certainly encodes and decodes, into one that no program can tell from it. Slices,
// maps and pointers do not: two that share their memory come back apart. Nor do fields that are not encoded, interfaces and codec
// methods.
func isFaithful(t reflect.Type) bool {
	for _, methods := range codecMethods {
		if reflect.PointerTo(t).Implements(methods) {
			return false
		}
	}
	switch t.Kind() {
	case reflect.Array:
		return isFaithful(t.Elem())
	case reflect.Struct:
		return hasFaithfulFields(t)
	case reflect.Complex64, reflect.Complex128, reflect.Uintptr:
		return false
	}
	return isFlat(t)
}

func hasFaithfulFields(t reflect.Type) bool {
	names := make(map[string]bool, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			continue
		}
		tag, problem := parseTag(f.Tag)
		name := cmp.Or(tag.name, f.Name)
		switch {
		case problem != "" || tag.left || tag.hidden || !f.IsExported() || f.Anonymous || !isFaithful(f.Type):
			return false
		case names[name]: // of two with one name, neither is encoded
			return false
		case tag.omitZero, tag.omit && hasFloat(f.Type): // a method IsZero may say anything, and -0 is empty
			return false
		}
		names[name] = true
	}
	return true
}

// hasFloat reports whether a faithful type is a float or has one.
func hasFloat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64:
		return true
	case reflect.Array:
		return hasFloat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasFloat(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// isFixed reports whether values of type t are flat and of one size, which needs no check against a limit.
func isFixed(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String:
		return false
	case reflect.Array:
		return t.Len() <= 16 && isFixed(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !isFixed(t.Field(i).Type) {
				return false
			}
		}
	}
	return isFlat(t)
}

// IsFaithful reports whether a copy of an A is what decoding its encoding gives, and shares no memory with it that could be
// written through. Such inputs are handed on as they are within a process.
func IsFaithful[A any]() bool { return ValuesOf[A]().faithful }

// isFlat reports whether a copy of a value of type t shares no memory that could be written through it.
func isFlat(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Time]() {
		return true // its location is never written
	}
	switch t.Kind() {
	case reflect.Array:
		return isFlat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !isFlat(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	}
	return true
}
