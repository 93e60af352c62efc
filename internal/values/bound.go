package values

import (
	"reflect"
	"unsafe"
)

// headBytes is the longest head of a CBOR item: its kind, and a number of 8 bytes.
const headBytes = 9

// Texts adds up the lengths of the texts in a value of a type, which is at the address. All states that are encoded late are measured after
// each operation, for which reflection takes too long.
type Texts func(at unsafe.Pointer) int

// Bound is what the encoding of a value of a faithful type takes at most besides its texts, and the length of those; nil if it has none.
func (s *Type) Bound() (fixed int, all Texts) { return boundOf(s.typ) }

// boundOf returns what the encoding of a faithful type takes at most besides its texts, and the length of those; nil if it has
// none.
func boundOf(t reflect.Type) (fixed int, all Texts) {
	switch t.Kind() {
	case reflect.String:
		return headBytes, func(at unsafe.Pointer) int { return len(*(*string)(at)) }
	case reflect.Array:
		one, textsOfOne := boundOf(t.Elem())
		fixed = headBytes + t.Len()*one
		switch n, size := t.Len(), t.Elem().Size(); {
		case textsOfOne == nil:
			return fixed, nil
		case t.Elem().Kind() == reflect.String:
			return fixed, func(at unsafe.Pointer) (sum int) {
				for _, s := range unsafe.Slice((*string)(at), n) {
					sum += len(s)
				}
				return sum
			}
		default:
			return fixed, func(at unsafe.Pointer) (sum int) {
				for i := range n {
					sum += textsOfOne(unsafe.Add(at, uintptr(i)*size))
				}
				return sum
			}
		}
	case reflect.Struct:
		return boundOfStruct(t)
	}
	return headBytes, nil
}

func boundOfStruct(t reflect.Type) (fixed int, all Texts) {
	type part struct {
		offset uintptr
		texts  Texts
	}
	var parts []part
	fixed = headBytes
	for i := range t.NumField() {
		f := t.Field(i)
		one, textsOfOne := boundOf(f.Type)
		fixed += headBytes + len(f.Name) + len(f.Tag) + one // its key is the field's name, or in the tag
		if textsOfOne != nil {
			parts = append(parts, part{f.Offset, textsOfOne})
		}
	}
	if parts == nil {
		return fixed, nil
	}
	return fixed, func(at unsafe.Pointer) (sum int) {
		for _, p := range parts {
			sum += p.texts(unsafe.Add(at, p.offset))
		}
		return sum
	}
}
