package instances

import (
	"bytes"
	"unsafe"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/values"
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
	if err := codec.EncodeTo(buffer, i.value); err != nil {
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
func newLate[S any](states *values.Type) *late {
	if !states.Faithful() {
		return nil
	}
	fixed, texts := states.Bound()
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
