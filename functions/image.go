package functions

import (
	"bytes"
	"reflect"
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

// Stored is the image of an instance whose encoded state was read.
func Stored(state []byte) Image { return Image{Exists: true, bytes: state} }

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
	bound func(value reflect.Value) int // no encoding is longer
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
		bound: func(value reflect.Value) int {
			if texts == nil {
				return fixed
			}
			return fixed + texts(value)
		},
	}
}

// headBytes is the longest head of a CBOR item: its kind, and a number of 8 bytes.
const headBytes = 9

// boundOf returns what the encoding of a faithful type takes at most besides its texts, and the length of those; nil if it has
// none.
func boundOf(t reflect.Type) (fixed int, texts func(reflect.Value) int) {
	switch t.Kind() {
	case reflect.String:
		return headBytes, func(v reflect.Value) int { return len(v.String()) } // a third of the time of Len
	case reflect.Array:
		one, textsOfOne := boundOf(t.Elem())
		if textsOfOne == nil {
			return headBytes + t.Len()*one, nil
		}
		return headBytes + t.Len()*one, func(v reflect.Value) (sum int) {
			for i := range v.Len() {
				sum += textsOfOne(v.Index(i))
			}
			return sum
		}
	case reflect.Struct:
		return boundOfStruct(t)
	}
	return headBytes, nil
}

func boundOfStruct(t reflect.Type) (fixed int, texts func(reflect.Value) int) {
	type part struct {
		field int
		texts func(reflect.Value) int
	}
	var parts []part
	fixed = headBytes
	for i := range t.NumField() {
		f := t.Field(i)
		one, textsOfOne := boundOf(f.Type)
		fixed += headBytes + len(f.Name) + len(f.Tag) + one // its key is the field's name, or in the tag
		if textsOfOne != nil {
			parts = append(parts, part{i, textsOfOne})
		}
	}
	if parts == nil {
		return fixed, nil
	}
	return fixed, func(v reflect.Value) (sum int) {
		for _, p := range parts {
			sum += p.texts(v.Field(p.field))
		}
		return sum
	}
}
