package values

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// A stored state is taken as it is only if nothing of it is lost, and nothing becomes something else. The codec takes more than that: a
// list of numbers for bytes, a number for a time, a number for another one that is near it, nil for any zero. So a state that was read
// is encoded again. Nearly always that gives the bytes that were read. If it does not, the two are compared, item by item, along the
// type: see sameItem.

// checkWhole returns failures.ErrBadState if a state that data decoded to does not have all of it, see [Migrate].
func (s *Type) CheckWhole(data []byte, state any) error {
	own, err := s.encodeAgain(state)
	switch {
	case err == nil && bytes.Equal(own, data):
		return nil
	case err != nil && s.runsCode: // of a codec method, which may not write all that it reads
		return nil
	case err != nil:
		return failures.Match(failures.ErrBadState, err)
	}
	if l := sameItem(s.root, item(data), item(own)); l != nil {
		return fmt.Errorf("%w: %s", failures.ErrBadState, l.inside(nameOf(s.typ)).Error())
	}
	return nil
}

// encodeAgain encodes a state that was decoded.
func (s *Type) encodeAgain(state any) (data []byte, err error) {
	if s.runsCode {
		defer func() {
			if r := recover(); r != nil {
				err = failures.NewPanicError(r)
			}
		}()
	}
	return codec.Encode(state)
}

// item is an encoded value. It can be the key of a map, whatever it is.
type item string

// UnmarshalCBOR takes the bytes as they are.
func (i *item) UnmarshalCBOR(data []byte) error {
	*i = item(data)
	return nil
}

// The kinds of items, as the upper three bits of their first byte have them (RFC 8949, 3.1).
const (
	itemBytes = 2
	itemText  = 3
	itemArray = 4
	itemMap   = 5
)

func (i item) kind() byte { return i[0] >> 5 }

const itemNull = item("\xf6")

// items are the elements of an array.
func (i item) items() (items []item, err error) {
	err = codec.Decode([]byte(i), &items)
	return items, err
}

// pairs are the entries of a map.
func (i item) pairs() (pairs map[item]item, err error) {
	err = codec.Decode([]byte(i), &pairs)
	return pairs, err
}

// sameItem compares what was stored with what it decodes to. These may differ:
//
//   - of structs, fields that are in one of the two only were added or removed;
//   - arrays may have been cut;
//   - numbers are the same if they have the same value, whatever their size and kind;
//   - what a codec method wrote may be its newer form.
//
// It returns nil if nothing else does.
func sameItem(n *node, old, now item) *lostValue {
	if old == now || n.what == opaque || n.what == dynamic {
		return nil
	}
	if n.what == pointer {
		return sameItem(n.elem, old, now)
	}
	same := false
	switch kind := old.kind(); {
	case kind != now.kind() || n.what == leaf || n.what == moment:
		same = sameLeaf(n, old, now)
	case n.what == sequence && kind == itemArray:
		return sameElements(n, old, now)
	case n.what == dict && kind == itemMap:
		return sameEntries(n, old, now)
	case n.what == record && kind == itemMap:
		return sameFields(n, old, now)
	case n.what == record && kind == itemArray:
		return sameFieldsInOrder(n, old, now)
	}
	if !same {
		return lost("%s is stored, which would become %s", describe(old), describe(now))
	}
	return nil
}

// sameLeaf compares two values that have no parts.
func sameLeaf(n *node, old, now item) bool {
	if n.typ.Kind() == reflect.Array && old.kind() == itemBytes && now.kind() == itemBytes {
		var was, is []byte
		err := codec.Decode([]byte(old), &was)
		return err == nil && codec.Decode([]byte(now), &is) == nil && sameBytes(was, is)
	}
	x, ok := old.number()
	y, too := now.number()
	return ok && too && sameNumber(x, y)
}

// sameBytes reports whether two arrays of bytes are the same as far as both go.
func sameBytes(was, is []byte) bool {
	both := min(len(was), len(is))
	return bytes.Equal(was[:both], is[:both])
}

// number is the number that an item is: a *big.Int or a float64.
func (i item) number() (n any, ok bool) {
	var v any
	if codec.Decode([]byte(i), &v) != nil {
		return nil, false
	}
	switch v := v.(type) {
	case uint64:
		return new(big.Int).SetUint64(v), true
	case int64:
		return big.NewInt(v), true
	case big.Int:
		return &v, true
	case float64:
		return v, true
	}
	return nil, false
}

// sameNumber compares two numbers by their value. A NaN is the same as another one.
func sameNumber(a, b any) bool {
	x, isFloat := a.(float64)
	y, too := b.(float64)
	switch {
	case isFloat && too:
		return x == y || math.IsNaN(x) && math.IsNaN(y)
	case isFloat:
		return isInteger(x, b.(*big.Int))
	case too:
		return isInteger(y, a.(*big.Int))
	}
	return a.(*big.Int).Cmp(b.(*big.Int)) == 0
}

func isInteger(f float64, n *big.Int) bool {
	exact := new(big.Rat).SetFloat64(f) // nil of what is not finite
	return exact != nil && exact.Cmp(new(big.Rat).SetInt(n)) == 0
}

func sameElements(n *node, old, now item) *lostValue {
	was, err := old.items()
	is, err2 := now.items()
	if err != nil || err2 != nil || len(was) != len(is) && n.typ.Kind() != reflect.Array {
		return lost("%s is stored, which would become %s", describe(old), describe(now))
	}
	for i := range min(len(was), len(is)) {
		if l := sameItem(n.elem, was[i], is[i]); l != nil {
			return l.inside(fmt.Sprintf("[%d]", i))
		}
	}
	return nil
}

// sameEntries compares two maps. Keys may be encoded in another way than they were, as numbers of another kind and structs with other
// fields are, but no two may have become one.
func sameEntries(n *node, old, now item) *lostValue {
	was, err := old.pairs()
	is, err2 := now.pairs()
	if err != nil || err2 != nil || len(was) != len(is) {
		return lost("keys of a map would become one")
	}
	keys := make([]item, 0, len(was))
	for key := range was { //purity: they are sorted
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		is, other, ok := findEntry(n.key, is, key)
		if !ok {
			return lost("%s would become another key", describe(key)).inside(" (key)")
		}
		if l := sameItem(n.key, key, other); l != nil {
			return l.inside(" (key)")
		}
		if l := sameItem(n.elem, was[key], is); l != nil {
			return l.inside("[]")
		}
	}
	return nil
}

// findEntry finds the entry of a key, and the key as it is encoded now.
func findEntry(n *node, in map[item]item, key item) (value, now item, ok bool) {
	if value, ok = in[key]; ok {
		return value, key, true
	}
	typed := reflect.New(n.typ)
	if codec.Decode([]byte(key), typed.Interface()) != nil {
		return "", "", false
	}
	data, err := codec.Encode(typed.Interface())
	value, ok = in[item(data)]
	return value, item(data), ok && err == nil
}

func sameFields(n *node, old, now item) *lostValue {
	was, err := old.pairs()
	is, err2 := now.pairs()
	if err != nil || err2 != nil {
		return lost("it is no struct")
	}
	for i := range n.fields {
		f := &n.fields[i]
		before, had := was[f.key()]
		after, has := is[f.key()]
		var l *lostValue
		switch {
		case !had: // it was added, or left out
		case has:
			l = sameItem(f.node, before, after)
		case !f.mayOmit(before):
			l = lost("%s is stored, which would be left out", describe(before))
		}
		if l != nil {
			return l.inside("." + f.name)
		}
	}
	return nil
}

// sameFieldsInOrder is sameFields of structs that are encoded as arrays.
func sameFieldsInOrder(n *node, old, now item) *lostValue {
	was, err := old.items()
	is, err2 := now.items()
	if err != nil || err2 != nil || len(was) != len(is) || len(is) != len(n.fields) {
		return lost("it is stored with %d fields, and has %d", len(was), len(n.fields))
	}
	for i, f := range n.inOrder() {
		if l := sameItem(f.node, was[i], is[i]); l != nil {
			return l.inside("." + f.name)
		}
	}
	return nil
}

// inOrder are the fields of a struct in the order in which they are encoded in an array.
func (n *node) inOrder() []fieldNode {
	fields := slices.Clone(n.fields)
	slices.SortFunc(fields, func(a, b fieldNode) int { return slices.Compare(a.index, b.index) })
	return fields
}

// mayOmit reports whether what a field was stored as is nothing, now that the field is left out. If a method of its type left it out,
// that knows.
func (f *fieldNode) mayOmit(was item) bool {
	return f.tag.omitZero && saysZero(f.node.typ) || isEmptyItem(f.node, was)
}

// isEmptyItem reports whether an item is nothing in a type.
func isEmptyItem(n *node, i item) bool {
	switch n.what {
	case opaque, dynamic:
		return true
	case pointer:
		return i == itemNull || isEmptyItem(n.elem, i)
	}
	switch i {
	case "\x40", "\x60", "\x80", "\xa0", "\xf4": // no bytes, text, elements, entries; false
		return true
	case itemNull:
		return n.what == moment || n.typ.Kind() == reflect.Slice || n.typ.Kind() == reflect.Map
	}
	switch i.kind() {
	case itemBytes:
		var data []byte
		return n.typ.Kind() == reflect.Array && codec.Decode([]byte(i), &data) == nil && len(bytes.Trim(data[:min(len(data), n.typ.Len())], "\x00")) == 0
	case itemText, itemArray, itemMap:
		return hasEmptyParts(n, i)
	}
	v, ok := i.number()
	return ok && sameNumber(v, new(big.Int))
}

// hasEmptyParts reports whether all parts of an array or struct are nothing, of an array those that are not cut.
func hasEmptyParts(n *node, i item) bool {
	switch {
	case n.what == sequence && n.typ.Kind() == reflect.Array && i.kind() == itemArray:
		items, err := i.items()
		return err == nil && !slices.ContainsFunc(items[:min(len(items), n.typ.Len())], func(i item) bool { return !isEmptyItem(n.elem, i) })
	case n.what == record && i.kind() == itemArray:
		items, err := i.items()
		fields := n.inOrder()
		empty := err == nil && len(items) == len(fields)
		for i := 0; empty && i < len(items); i++ {
			empty = isEmptyItem(fields[i].node, items[i])
		}
		return empty
	case n.what == record && i.kind() == itemMap:
		pairs, err := i.pairs()
		return err == nil && !slices.ContainsFunc(n.fields, func(f fieldNode) bool {
			was, had := pairs[f.key()]
			return had && !f.mayOmit(was)
		})
	}
	return false
}

// maxDescribed bounds the items that an error shows, in bytes.
const maxDescribed = 40

// describe is an item as an error shows it: in diagnostic notation (RFC 8949, 8), if it is short.
func describe(i item) string {
	if len(i) <= maxDescribed {
		if text, err := cbor.Diagnose([]byte(i)); err == nil {
			return text
		}
	}
	return fmt.Sprintf("a value of %d bytes", len(i))
}
