package functions

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
// whatever order they are written down (maps are encoded with sorted keys); of types with codec methods, times, big integers and
// interfaces the type's name. Names of other types do not matter, nor does the width of integers.

// ShapeOf is the shape of a type. It is the same in every process; 0 is that of no type. It may be slow: take it once.
func ShapeOf(t reflect.Type) uint64 {
	if t == nil {
		return 0
	}
	s := shaper{index: map[reflect.Type]int{}}
	s.add(t)
	return s.hash()
}

// ShapeFor is [ShapeOf] of A.
func ShapeFor[A any]() uint64 { return ShapeOf(reflect.TypeFor[A]()) }

// shaper is the graph of the types that a type is made of. Types may refer to themselves, so it is hashed as graphs are compared:
// in as many rounds as it has types, each type with what the types that it refers to had in the round before. (Following the
// references instead takes time that grows exponentially with types that refer to each other.)
type shaper struct {
	index map[reflect.Type]int
	nodes []shapeNode
}

type shapeNode struct {
	own   string // what does not depend on other types
	parts []shapePart
}

type shapePart struct {
	label string
	node  int
}

func (s *shaper) add(t reflect.Type) int {
	if i, ok := s.index[t]; ok {
		return i
	}
	i := len(s.nodes)
	s.index[t] = i
	s.nodes = append(s.nodes, shapeNode{})
	own, parts := s.describe(t)
	s.nodes[i] = shapeNode{own, parts}
	return i
}

func (s *shaper) describe(t reflect.Type) (own string, parts []shapePart) {
	if isOpaque(t) {
		return "as " + t.String(), nil
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer", nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		return "list", []shapePart{{"of", s.add(t.Elem())}}
	case reflect.Array:
		return "array " + strconv.Itoa(t.Len()), []shapePart{{"of", s.add(t.Elem())}}
	case reflect.Pointer:
		return "pointer", []shapePart{{"to", s.add(t.Elem())}}
	case reflect.Map:
		return "map", []shapePart{{"from", s.add(t.Key())}, {"to", s.add(t.Elem())}}
	case reflect.Struct:
		return s.describeStruct(t)
	case reflect.Interface:
		return "interface " + t.String(), nil
	}
	return t.Kind().String(), nil // includes those that do not encode
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
		case f.Name == "_" || name == "-" && options == "" || !f.IsExported() && !embedded:
		case embedded && name == "":
			parts = s.fields(inner, inside, parts)
		case name == "":
			parts = append(parts, shapePart{f.Name + "," + options, s.add(f.Type)})
		default:
			parts = append(parts, shapePart{name + "," + options, s.add(f.Type)})
		}
	}
	return parts
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

// isOpaque reports whether values of a type are encoded in a way of their own.
func isOpaque(t reflect.Type) bool {
	if name := t.String(); name == "time.Time" || name == "big.Int" || name == "cbor.Tag" {
		return true
	}
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
