package values

import (
	"encoding/binary"
	"hash/fnv"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A shape tells whether two versions of a program encode values of a type alike. Arguments are kept over restarts with the shape
// of their type, so that one that differs because the program did is told from one that differs because it is another one.
//
// It is a hash of what the encoding depends on: the kinds; of structs the names of fields as encoded, with their options, in
// whatever order they are written down (maps are encoded with sorted keys); of times, big integers and interfaces the type's name; of
// types with codec methods the name, and what they are made of, since that is what the methods write. Names of other types do not
// matter, nor does the width of integers but in bytes and under a codec.

// ShapeOf is the shape of a type. It is the same in every process; 0 is that of no type. It may be slow: take it once.
func ShapeOf(t reflect.Type) uint64 {
	if t == nil {
		return 0
	}
	s := shaper{index: map[shapeKey]int{}}
	s.add(shapeKey{typ: t})
	return s.hash()
}

// Shape is the shape of the type; see [ShapeOf].
func (s *Type) Shape() uint64 { return ShapeOf(s.typ) }

// ShapeFor is [ShapeOf] of A.
func ShapeFor[A any]() uint64 { return ShapeOf(reflect.TypeFor[A]()) }

// shaper is the graph of the types that a type is made of. Types may refer to themselves, so it is hashed as graphs are compared:
// in as many rounds as it has types, each type with what the types that it refers to had in the round before. (Following the
// references instead takes time that grows exponentially with types that refer to each other.)
type shaper struct {
	index map[shapeKey]int
	nodes []shapeNode
}

// shapeKey is a type, as it is encoded, or as a codec method of the program's finds it.
type shapeKey struct {
	typ   reflect.Type
	under bool // it is under a codec: all of it counts, whatever tags say
}

type shapeNode struct {
	own   string // what does not depend on other types
	parts []shapePart
}

type shapePart struct {
	label string
	node  int
}

func (s *shaper) add(k shapeKey) int {
	if i, ok := s.index[k]; ok {
		return i
	}
	i := len(s.nodes)
	s.index[k] = i
	s.nodes = append(s.nodes, shapeNode{})
	own, parts := s.describe(k)
	s.nodes[i] = shapeNode{own, parts}
	return i
}

func (s *shaper) part(label string, t reflect.Type, under bool) shapePart {
	return shapePart{label, s.add(shapeKey{t, under})}
}

func (s *shaper) describe(k shapeKey) (own string, parts []shapePart) {
	t := k.typ
	switch {
	case isNamedAlone(t):
		return "as " + t.String(), nil
	case !k.under && isCoded(t):
		return "as " + t.String(), []shapePart{s.part("made of", t, true)}
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if k.under {
			return t.Kind().String(), nil
		}
		return "integer", nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		return "list", []shapePart{s.part("of", t.Elem(), k.under)}
	case reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes " + strconv.Itoa(t.Len()), nil
		}
		return "array " + strconv.Itoa(t.Len()), []shapePart{s.part("of", t.Elem(), k.under)}
	case reflect.Pointer:
		return "pointer", []shapePart{s.part("to", t.Elem(), k.under)}
	case reflect.Map:
		return "map", []shapePart{s.part("from", t.Key(), k.under), s.part("to", t.Elem(), k.under)}
	case reflect.Struct:
		if k.under {
			return "struct", s.allFields(t)
		}
		return s.describeStruct(t)
	case reflect.Interface:
		return "interface " + t.String(), nil
	}
	return t.Kind().String(), nil // includes those that do not encode
}

// allFields returns the fields of a struct under a codec.
func (s *shaper) allFields(t reflect.Type) (parts []shapePart) {
	for i := range t.NumField() {
		parts = append(parts, s.part(t.Field(i).Name, t.Field(i).Type, true))
	}
	return parts
}

func (s *shaper) describeStruct(t reflect.Type) (own string, parts []shapePart) {
	own = "struct"
	if f, ok := t.FieldByName("_"); ok && strings.Contains(f.Tag.Get("cbor"), ",toarray") {
		own = "struct as array"
	}
	parts = s.fields(t, map[reflect.Type]bool{}, nil)
	if own == "struct" {
		slices.SortStableFunc(parts, func(a, b shapePart) int { return strings.Compare(a.label, b.label) })
	}
	return own, parts
}

// fields appends the fields of a struct, with those of the structs that are embedded in it. One that another field hides is not
// encoded, but counts: it costs no more than a report too many.
func (s *shaper) fields(t reflect.Type, inside map[reflect.Type]bool, parts []shapePart) []shapePart {
	if inside[t] {
		return parts
	}
	inside[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		if f.Anonymous && inner.Kind() == reflect.Pointer { // others may point to themselves forever
			inner = inner.Elem()
		}
		embedded := f.Anonymous && inner.Kind() == reflect.Struct
		name, options := fieldName(f)
		switch {
		case f.Name == "_" || isLeftOut(f) || !f.IsExported() && !embedded:
		case embedded && name == "":
			parts = s.fields(inner, inside, parts)
		case name == "":
			parts = append(parts, s.part(f.Name+","+options, f.Type, false))
		default:
			parts = append(parts, s.part(name+","+options, f.Type, false))
		}
	}
	return parts
}

// isLeftOut reports whether a field's tag is nothing but a dash. One with a comma behind it names the field so.
func isLeftOut(f reflect.StructField) bool {
	tag, _ := parseTag(f.Tag)
	return tag.left || tag.hidden
}

// fieldName is the name that a field's tag gives it, or "", and the tag's options that change how it is encoded.
func fieldName(f reflect.StructField) (name, options string) {
	tag := f.Tag.Get("cbor")
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	name, rest, _ := strings.Cut(tag, ",")
	var kept []string
	for option := range strings.SplitSeq(rest, ",") {
		if option == "omitempty" || option == "omitzero" || option == "keyasint" {
			kept = append(kept, option)
		}
	}
	slices.Sort(kept)
	return name, strings.Join(kept, ",")
}

// isNamedAlone reports whether a type is one of those that the codec encodes in ways of its own: there the name says it all.
func isNamedAlone(t reflect.Type) bool {
	name := t.String()
	return name == "time.Time" || name == "big.Int" || name == "cbor.Tag"
}

// isCoded reports whether a type has codec methods.
func isCoded(t reflect.Type) bool {
	for _, methods := range codecMethods {
		if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(methods) {
			return true
		}
	}
	return false
}

// hash is the hash of the first node.
func (s *shaper) hash() uint64 {
	hashes, next := make([]uint64, len(s.nodes)), make([]uint64, len(s.nodes))
	for range len(s.nodes) + 1 {
		for i := range s.nodes {
			next[i] = s.nodes[i].hash(hashes)
		}
		hashes, next = next, hashes
	}
	return max(hashes[0], 1)
}

func (n *shapeNode) hash(of []uint64) uint64 {
	h := fnv.New64a()
	write := func(text string) {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(text)))
		h.Write(length[:])
		h.Write([]byte(text))
	}
	write(n.own)
	for _, part := range n.parts {
		write(part.label)
		var hash [8]byte
		binary.BigEndian.PutUint64(hash[:], of[part.node])
		h.Write(hash[:])
	}
	return h.Sum64()
}
