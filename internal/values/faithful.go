package values

import (
	"cmp"
	"encoding"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
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
