package values

import (
	"cmp"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
)

// node is a type, as a part of the type that [Type] are of. It is there once, wherever it is used.
type node struct {
	typ  reflect.Type
	what nodeKind

	elem, key *node
	fields    []fieldNode // of a struct: those that are encoded

	open    bool    // it is being made
	ring    bool    // it contains itself
	careful bool    // its values are looked at before they are encoded
	keys    keyCare // of a map
	levels  int     // how deep its values are nested; without rings
}

type fieldNode struct {
	index []int
	name  string
	tag   fieldTag
	node  *node
}

// key is the field's key in the encoded struct.
func (f *fieldNode) key() item {
	var key any = cmp.Or(f.tag.name, f.name)
	if f.tag.asInt {
		key, _ = strconv.Atoi(f.tag.name) // it is one: see parseTag
	}
	data, err := codec.Encode(key)
	if err != nil {
		panic("values: the name of a field always encodes: " + err.Error())
	}
	return item(data)
}

type nodeKind uint8

const (
	leaf     nodeKind = iota // comes back, whatever it is
	moment                   // a time.Time
	opaque                   // has a codec of its own
	dynamic                  // an interface
	endless                  // a pointer to nothing but pointers
	pointer                  // to elem
	sequence                 // an array or slice of elem
	dict                     // a map of key to elem
	record                   // a struct
)

// builder makes the nodes of the values of a type.
type builder struct {
	nodes map[reflect.Type]*node
	order []*node // in the order in which they were met
	maps  []mapAt
	errs  []error

	records bool // interfaces may be: see OfRecords
}

// mapAt is a map, and the path where it stands. Its keys are checked once all nodes are made: a key may have a map of such keys in it.
type mapAt struct {
	node *node
	at   string
}

// maxLost bounds how many fields one error names.
const maxLost = 20

// lose notes that what stands at a path does not come back.
func (b *builder) lose(at, format string, args ...any) {
	if len(b.errs) < maxLost {
		b.errs = append(b.errs, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
	}
}

// node is the node of a type that stands at a path.
func (b *builder) node(t reflect.Type, at string) *node {
	if n := b.nodes[t]; n != nil {
		n.ring = n.ring || n.open
		return n
	}
	n := &node{typ: t, open: true}
	b.nodes[t] = n
	b.order = append(b.order, n)
	b.fill(n, at)
	n.open = false
	return n
}

func (b *builder) fill(n *node, at string) {
	t := n.typ
	switch {
	case t == reflect.TypeFor[time.Time]():
		n.what, n.careful = moment, true
		return
	case t == reflect.TypeFor[big.Int]():
		return
	case b.hasCodec(t, at):
		n.what = opaque
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		b.fillPointer(n, at)
	case reflect.Slice, reflect.Array:
		b.fillSequence(n, at)
	case reflect.Map:
		n.what, n.key, n.elem = dict, b.node(t.Key(), at+" (key)"), b.node(t.Elem(), at+"[]")
		b.maps = append(b.maps, mapAt{n, at})
	case reflect.Struct:
		n.what = record
		for _, f := range b.fieldsOf(t, at) {
			n.fields = append(n.fields, fieldNode{f.index, f.field.Name, f.tag, b.node(f.field.Type, f.at)})
		}
	case reflect.Interface:
		n.what, n.careful = dynamic, true
		if b.records {
			return
		}
		b.lose(at, "an interface comes back as another type, or not at all: use a type that is none")
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128, reflect.Uintptr:
		b.lose(at, "a %s has no encoding", t.Kind())
	}
}

func (b *builder) fillPointer(n *node, at string) {
	seen := map[reflect.Type]bool{}
	for t := n.typ; t.Kind() == reflect.Pointer; t = t.Elem() {
		if seen[t] {
			b.lose(at, "%s is a pointer to nothing but pointers", nameOf(n.typ))
			n.what, n.careful = endless, true
			return
		}
		seen[t] = true
	}
	n.what, n.elem = pointer, b.node(n.typ.Elem(), at)
	switch n.elem.typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map: // a pointer to nil comes back as nil
		n.careful = true
	}
}

func (b *builder) fillSequence(n *node, at string) {
	t := n.typ
	if t.Elem().Kind() == reflect.Uint8 {
		return // one item, whatever its length
	}
	if t.Kind() == reflect.Array && t.Len() > codec.MaxElements {
		b.lose(at, "an array of %d elements does not decode: at most %d", t.Len(), codec.MaxElements)
	}
	n.what, n.elem = sequence, b.node(t.Elem(), at+"[]")
}

// spread makes each node careful that has a careful one below it, or a ring.
func (b *builder) spread() {
	for changed := true; changed; {
		changed = false
		for _, n := range b.order {
			if !n.careful && (n.ring || n.hasCareful()) {
				n.careful, changed = true, true
			}
		}
	}
}

func (n *node) hasCareful() bool {
	for _, f := range n.fields {
		if f.node.careful {
			return true
		}
	}
	return n.elem != nil && n.elem.careful || n.key != nil && n.key.careful
}

// countLevels counts how deep values of a type without rings are nested. It is 1 for a struct of numbers.
func (n *node) countLevels() int {
	if n.levels > 0 || n.ring {
		return n.levels
	}
	for _, f := range n.fields {
		n.levels = max(n.levels, f.node.countLevels())
	}
	for _, below := range []*node{n.elem, n.key} {
		if below != nil {
			n.levels = max(n.levels, below.countLevels())
		}
	}
	if n.what == sequence || n.what == dict || n.what == record {
		n.levels++
	}
	return n.levels
}

// pathAt is the path to what is nested deepest, cut after so many levels.
func (n *node) pathAt(levels int, at string) string {
	for levels > 0 {
		if n.what == sequence || n.what == dict || n.what == record {
			levels--
		}
		next, name := n.elem, "[]"
		if n.what == pointer {
			name = ""
		}
		if n.key != nil && n.key.levels > next.levels {
			next, name = n.key, " (key)"
		}
		for _, f := range n.fields {
			if next == nil || f.node.levels > next.levels {
				next, name = f.node, "."+f.name
			}
		}
		n, at = next, at+name
	}
	return at
}

// maxTypeName bounds how much of the name of a type an error quotes, in bytes: a type without a name is quoted in full.
const maxTypeName = 80

func nameOf(t reflect.Type) string {
	if name := t.String(); len(name) > maxTypeName {
		return name[:maxTypeName] + "…"
	}
	return t.String()
}
