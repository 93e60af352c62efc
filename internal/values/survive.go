package values

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// maxHops bounds how many pointers, lists, maps and structs are followed into a value, one inside the other. A value of codec.MaxLevels has
// fewer; a ring has more.
const maxHops = 1000

// lostValue says where in a value something is that would not come back.
type lostValue struct {
	path []string // from the inside to the outside
	why  string
}

// maxPath bounds the steps of a path that an error names.
const maxPath = 12

func (l *lostValue) Error() string {
	path := slices.Clone(l.path)
	slices.Reverse(path)
	if len(path) > maxPath {
		path = append(path[:maxPath], "…")
	}
	return strings.Join(path, "") + ": " + l.why
}

// Unwrap returns failures.ErrBadValue.
func (l *lostValue) Unwrap() error { return failures.ErrBadValue }

func lost(format string, args ...any) *lostValue {
	return &lostValue{why: fmt.Sprintf(format, args...)}
}

// inside adds a step to the path of what was lost.
func (l *lostValue) inside(step string) *lostValue {
	if l != nil {
		l.path = append(l.path, step)
	}
	return l
}

// looking is one look at a value.
type looking struct {
	hops  int
	parts int                    // that were looked at
	limit int                    // of parts
	types map[reflect.Type]*Type // of what interfaces have
	rings bool                   // only rings matter
}

// look reports what of a value, which is of its type, would not come back.
func (s *Type) look(v reflect.Value) error {
	w := looking{limit: codec.MaxElements}
	if l := w.look(s.root, v); l != nil {
		return fmt.Errorf("%w: %w", failures.ErrBadValue, l.inside(nameOf(s.typ)))
	}
	return nil
}

// look returns nil if a value comes back. It follows what is careful only.
func (w *looking) look(n *node, v reflect.Value) (l *lostValue) {
	if !n.careful {
		return nil
	}
	// Pointers that meet again are followed again, as often as they are encoded: without a bound on the parts a few dozen levels of
	// two pointers to one value take forever.
	if w.parts++; w.parts > w.limit {
		return lost("it has more than %d parts", w.limit)
	}
	if w.hops++; w.hops > maxHops {
		return lost("its pointers form a ring, or it is nested deeper than %d levels", codec.MaxLevels)
	}
	l = w.lookInto(n, v)
	w.hops--
	return l
}

func (w *looking) lookInto(n *node, v reflect.Value) *lostValue {
	switch n.what {
	case moment:
		if !w.rings {
			return lookAtTime(timeIn(v))
		}
	case pointer:
		return w.lookAtPointer(n, v)
	case sequence:
		for i := range v.Len() {
			if l := w.look(n.elem, v.Index(i)); l != nil {
				return l.inside(fmt.Sprintf("[%d]", i))
			}
		}
	case dict:
		return w.lookAtMap(n, v)
	case record:
		return w.lookAtStruct(n, v)
	case dynamic:
		if !v.IsNil() {
			return w.lookAtInterface(v.Elem())
		}
	}
	return nil
}

// timeIn is the time that v is; from where it has an address it is not copied to the heap first.
func timeIn(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

// lookAtTime: a time is encoded as RFC 3339 has it.
func lookAtTime(at time.Time) *lostValue {
	if at.IsZero() {
		return nil
	}
	if year := at.Year(); year < 0 || year > 9999 {
		return lost("a time in the year %d has no encoding: years are from 0 to 9999", year)
	}
	if _, offset := at.Zone(); offset%60 != 0 || offset <= -24*60*60 || offset >= 24*60*60 {
		return lost("a time %d seconds east of UTC has no encoding: use its UTC", offset)
	}
	return nil
}

func (w *looking) lookAtPointer(n *node, v reflect.Value) *lostValue {
	if v.IsNil() {
		return nil
	}
	v = v.Elem()
	if !w.rings {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if v.IsNil() {
				return lost("a pointer to a nil %s would come back as nil", v.Kind())
			}
		}
		if n.elem.what == moment && timeIn(v).IsZero() {
			return lost("a pointer to the zero time would come back as nil")
		}
	}
	return w.look(n.elem, v)
}

// lookAtMap looks at a map in whatever order; of several things that are lost it returns the one whose text is first.
func (w *looking) lookAtMap(n *node, v reflect.Value) (first *lostValue) {
	keys := keyLook{looking: w, care: n.keys}
	for entries := v.MapRange(); entries.Next(); { //purity: the result does not depend on the order
		l := w.look(n.key, entries.Key())
		if l == nil && n.keys != keysComeBack && !w.rings {
			l = keys.look(n.key, entries.Key())
		}
		l = l.inside(" (key)")
		if l == nil {
			l = w.look(n.elem, entries.Value()).inside("[]")
		}
		if l != nil && (first == nil || l.Error() < first.Error()) {
			first = l
		}
		if w.parts > w.limit {
			break
		}
	}
	return first
}

func (w *looking) lookAtStruct(n *node, v reflect.Value) *lostValue {
	for i := range n.fields {
		f := &n.fields[i]
		if !f.node.careful {
			continue
		}
		field, err := v.FieldByIndexErr(f.index)
		if err != nil {
			continue // behind an embedded pointer that is nil
		}
		if l := w.look(f.node, field); l != nil {
			return l.inside("." + f.name)
		}
	}
	return nil
}

// lookAtInterface looks at what an interface has.
func (w *looking) lookAtInterface(v reflect.Value) *lostValue {
	values := w.valuesOf(v.Type())
	if values.endless || values.err != nil && !w.rings {
		return lost("%v", values.err)
	}
	return w.look(values.root, v)
}

// valuesOf is what is known of a type that an interface has, looked up once.
func (w *looking) valuesOf(t reflect.Type) *Type {
	values := w.types[t]
	if values == nil {
		if w.types == nil {
			w.types = map[reflect.Type]*Type{}
		}
		values = newType(t, true)
		w.types[t] = values
	}
	return values
}

// refuseRing reports a value of whatever type whose pointers form a ring.
func refuseRing(v any) error {
	t := reflect.TypeOf(v)
	if t == nil || !new(ringSearch).mayRing(t) {
		return nil
	}
	w, values := looking{limit: codec.MaxElements, rings: true}, newType(t, true)
	if values.endless {
		return fmt.Errorf("%w: %w", failures.ErrBadValue, values.err)
	}
	if l := w.look(values.root, reflect.ValueOf(v)); l != nil {
		return fmt.Errorf("%w: %w", failures.ErrBadValue, l.inside(nameOf(t)))
	}
	return nil
}

// ringSearch looks for types that contain themselves, without the memory that a [Type] takes.
type ringSearch struct{ inside []reflect.Type }

// mayRing reports whether a value of type t may contain itself: t does, or has an interface.
func (r *ringSearch) mayRing(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return r.mayRing(t.Elem())
	case reflect.Map:
		return r.mayRing(t.Key()) || r.mayRingBelow(t)
	case reflect.Pointer, reflect.Slice:
		return r.mayRingBelow(t)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return false
		}
		for i := range t.NumField() {
			if r.mayRing(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// mayRingBelow is mayRing of what a pointer, slice or map of type t refers to.
func (r *ringSearch) mayRingBelow(t reflect.Type) bool {
	if elem := t.Elem().Kind(); elem <= reflect.Complex128 || elem == reflect.String {
		return false
	}
	if slices.Contains(r.inside, t) {
		return true
	}
	r.inside = append(r.inside, t)
	if r.mayRing(t.Elem()) {
		return true
	}
	r.inside = r.inside[:len(r.inside)-1]
	return false
}
