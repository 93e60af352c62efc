package values

import (
	"math"
	"reflect"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// A key of a map comes back if what its encoding decodes to is == to it: then it is found again, and no two keys become one. Of most
// types all do. A type of which some never would is refused when an engine is opened; of others each key is looked at.

// keyCare is how closely the keys of a map are looked at before they are encoded.
type keyCare uint8

const (
	keysComeBack keyCare = iota // not at all
	keysMayBeNaN                // there are floats in them
	keysAreCoded                // and each is decoded again: there are codecs in them
	keysAreMixed                // and no two may be encoded alike: there are interfaces in them
)

// checkKeys checks the keys of all maps.
func (b *builder) checkKeys() {
	for _, m := range b.maps {
		m.node.keys = b.checkKey(m.node.key, m.at+" (key)")
		m.node.careful = m.node.keys != keysComeBack
	}
}

// checkKey says how closely keys of a type are looked at, and refuses types whose values would come back as other keys.
func (b *builder) checkKey(n *node, at string) keyCare {
	switch n.what {
	case moment:
		b.lose(at, "a time comes back as another key: use its UnixNano")
	case pointer:
		b.lose(at, "a pointer comes back as another key")
	case opaque:
		return keysAreCoded
	case dynamic:
		return keysAreMixed
	case sequence:
		return b.checkKey(n.elem, at+"[]")
	case record:
		return b.checkKeyFields(n, at)
	case leaf:
		if k := n.typ.Kind(); k == reflect.Float32 || k == reflect.Float64 {
			return keysMayBeNaN
		}
	}
	return keysComeBack
}

func (b *builder) checkKeyFields(n *node, at string) (care keyCare) {
	b.checkKeyTags(n.typ, at)
	for _, f := range n.fields {
		care = max(care, b.checkKey(f.node, at+"."+f.name))
	}
	return care
}

// checkKeyTags refuses fields that two keys may differ in, and that are left out all the same. A field that is left out only where it is
// zero comes back as that.
func (b *builder) checkKeyTags(t reflect.Type, at string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _ := parseTag(f.Tag)
		at := at + "." + f.Name
		switch {
		case f.Name == "_" || f.Type.Size() == 0: // == does not compare it, or has nothing to compare
		case tag.left:
			b.lose(at, "it is not encoded, so that two keys may become one")
		case tag.omitZero && saysZero(f.Type):
			b.lose(at, "it is left out where its method IsZero says so, so that two keys may become one")
		case f.Anonymous && f.Type.Kind() == reflect.Pointer:
			b.lose(at, "a pointer comes back as another key")
		case f.Anonymous && f.Type.Kind() == reflect.Struct && tag.name == "":
			b.checkKeyTags(f.Type, at)
		}
	}
}

// saysZero reports whether values of a type say themselves whether they are zero.
func saysZero(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ IsZero() bool }]())
}

// keyLook is a look at the keys of one map.
type keyLook struct {
	looking *looking
	care    keyCare
	seen    map[string]bool // as they are encoded, if they are mixed
}

// look returns nil if a key comes back. The values in it are looked at before.
func (k *keyLook) look(n *node, v reflect.Value) *lostValue {
	if l := k.looking.lookAtKey(n, v); l != nil || k.care < keysAreCoded {
		return l
	}
	data, err := codec.Encode(v.Interface())
	if err != nil {
		return lost("it does not encode: %v", failures.Plain(err))
	}
	if k.care == keysAreMixed {
		if k.seen[string(data)] {
			return lost("two keys would become one")
		}
		if k.seen == nil {
			k.seen = map[string]bool{}
		}
		k.seen[string(data)] = true
		return nil
	}
	back := reflect.New(n.typ)
	if err := codec.Decode(data, back.Interface()); err != nil {
		return lost("it does not decode: %v", failures.Plain(err))
	}
	if !back.Elem().Equal(v) {
		return lost("a %s comes back as another key", nameOf(n.typ))
	}
	return nil
}

// lookAtKey looks at what is in a key, besides codecs.
func (w *looking) lookAtKey(n *node, v reflect.Value) *lostValue {
	switch n.what {
	case leaf:
		if v.CanFloat() && math.IsNaN(v.Float()) {
			return lost("a NaN is no key that can be found again")
		}
	case sequence:
		for i := range v.Len() {
			if l := w.lookAtKey(n.elem, v.Index(i)); l != nil {
				return l
			}
		}
	case record:
		for _, f := range n.fields {
			if l := w.lookAtKey(f.node, v.FieldByIndex(f.index)); l != nil {
				return l.inside("." + f.name)
			}
		}
	case dynamic:
		if !v.IsNil() {
			return w.lookAtKeyInside(v.Elem())
		}
	}
	return nil
}

// lookAtKeyInside looks at what an interface in a key has, as a key of its own type.
func (w *looking) lookAtKeyInside(v reflect.Value) *lostValue {
	values := w.valuesOf(reflect.MapOf(v.Type(), reflect.TypeFor[bool]()))
	if values.err != nil {
		return lost("%v", values.err)
	}
	k := keyLook{looking: w, care: values.root.keys}
	return k.look(values.root.key, v)
}
