package functions

import (
	"bytes"
	"reflect"
	"unsafe"
)

// Image is the state of an instance at one moment. It never changes: whoever has one may keep it, and read it while the
// instance's next operations run. The zero Image is that of an instance that does not exist.
//
// A state that decodes to exactly what was encoded need not be encoded after each operation, only when it is written: until then
// the image refers to the decoded value, which operations do not change but replace by a copy. That costs a tenth of encoding it,
// and a state that changes several times before it is written is encoded once.
type Image struct {
	Exists bool
	whole  bool   // see Cell
	bytes  []byte // the encoded state; nil if only value has it
	value  any    // the decoded state, a *S, if the type is encoded late and it is at hand
	bound  int    // without bytes: how long they would be at most
}

// Stored is the image of an instance whose encoded state was read. alike: it was written by a program whose type had the same shape.
func Stored(state []byte, alike bool) Image { return Image{Exists: true, whole: alike, bytes: state} }

// Bytes is the encoded state, or nil if there is none. The caller must not write to it.
func (i Image) Bytes() []byte { return i.BytesIn(new(bytes.Buffer)) }

// BytesIn is [Image.Bytes], with memory to encode in: what it returns is valid until the buffer is used again.
func (i Image) BytesIn(buffer *bytes.Buffer) []byte {
	if i.bytes != nil || !i.Exists {
		return i.bytes
	}
	buffer.Reset()
	if err := encodeTo(buffer, i.value); err != nil {
		panic("functions: a state that is encoded late always encodes: " + err.Error())
	}
	return buffer.Bytes()
}

// late is how a type's states are handled that are encoded late.
type late struct {
	copy  func(value any) any
	bound func(value any) int // of a *S: no encoding is longer
}

// newLate returns nil for a type whose states are encoded after each operation, because decoding them may give something else.
func newLate[S any](states *Values) *late {
	if !states.faithful {
		return nil
	}
	fixed, texts := boundOf(states.typ)
	return &late{
		copy: func(value any) any {
			state := *value.(*S)
			return &state
		},
		bound: func(value any) int {
			if texts == nil {
				return fixed
			}
			return fixed + texts(unsafe.Pointer(value.(*S)))
		},
	}
}

// headBytes is the longest head of a CBOR item: its kind, and a number of 8 bytes.
const headBytes = 9

// texts adds up the lengths of the texts in a value of a type, which is at the address. All states that are encoded late are measured after
// each operation, for which reflection takes too long.
type texts func(at unsafe.Pointer) int

// boundOf returns what the encoding of a faithful type takes at most besides its texts, and the length of those; nil if it has
// none.
func boundOf(t reflect.Type) (fixed int, all texts) {
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

func boundOfStruct(t reflect.Type) (fixed int, all texts) {
	type part struct {
		offset uintptr
		texts  texts
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
