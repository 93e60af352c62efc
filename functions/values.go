package functions

import (
	"errors"
	"fmt"
	"reflect"
)

// Values is what is known of the values of a type before there is one: whether they come back from their encoding as they were. What
// goes in comes out: a type whose values do not is refused when an engine is opened, with the path of the field ([Values.Err]); of
// other types a value is looked at before it is encoded if one may be lost ([Values.Encode]). That is so for
//
//   - types that contain themselves: a ring of pointers has no encoding, nor has a value of more than [MaxLevels] levels;
//   - times: years from 0 to 9999 are encoded, and offsets of whole minutes;
//   - maps with floats in their keys: a NaN is no key that could be found again;
//   - maps with codec methods in their keys: one that decodes to another key is refused (each is decoded again, which takes time);
//   - pointers to what is nil, or to the zero time: they would come back nil themselves.
//
// A value comes back equal, but not always the same: pointers and slices that shared memory come back apart; a time comes back with
// its instant and its offset, without the name of its location and without its monotonic reading; fields that omitempty, omitzero or
// the tag cbor:"-" leaves out come back as their zero value. Nil and empty slices and maps, texts that are no UTF-8, -0 and NaN come
// back as they were (a signalling NaN of 32 bits comes back quiet). A type with codec methods comes back as they have it: in particular a
// cbor.RawMessage that is nil or empty has no encoding but that of nil, and comes back as those bytes (0xf6).
type Values struct {
	typ   reflect.Type
	root  *node
	err   error
	proof proof

	endless  bool // it has a pointer to nothing but pointers, which the codec would follow forever
	runsCode bool // codec methods of the program's may run when a value is encoded

	fixed    bool // all values are flat, faithful and of one size
	faithful bool // see isFaithful
}

// proof is what it takes to know that an encoded value decodes.
type proof uint8

const (
	proofType    proof = iota // nothing: its type does
	proofLevels               // its levels are counted: the type contains itself
	proofDecode               // it is decoded: a type of it has a codec of its own
	proofDynamic              // its levels are counted: it has interfaces, which do not decode as they were
)

// ValuesOf looks at a type. It takes microseconds: do it once for a type.
func ValuesOf[A any]() *Values { return newValues(reflect.TypeFor[A](), false) }

// RecordsOf looks at a type of records. They leave the program and need not come back as the same type, so it may have interfaces: what
// is in one is looked at when a record is made.
func RecordsOf[A any]() *Values { return newValues(reflect.TypeFor[A](), true) }

func newValues(t reflect.Type, records bool) *Values {
	b := builder{nodes: map[reflect.Type]*node{}, records: records}
	s := &Values{typ: t, root: b.node(t, nameOf(t))}
	b.checkKeys()
	b.spread()
	for _, n := range b.order {
		s.endless = s.endless || n.what == endless
		s.runsCode = s.runsCode || n.what == opaque || n.what == dynamic
		switch {
		case n.what == opaque:
			s.proof = max(s.proof, proofDecode)
		case n.what == dynamic:
			s.proof = proofDynamic
		case n.ring:
			s.proof = max(s.proof, proofLevels)
		}
	}
	if s.proof != proofLevels && s.proof != proofDynamic && s.root.countLevels() > MaxLevels {
		b.lose(s.root.pathAt(MaxLevels, nameOf(t)), "it is nested deeper than %d levels", MaxLevels)
	}
	s.err = errors.Join(b.errs...)
	s.faithful = s.err == nil && isFaithful(t)
	s.fixed = s.faithful && isFixed(t)
	return s
}

// Err says which values of the type would not come back, one line each with the path of the field; nil if all do.
func (s *Values) Err() error { return s.err }

// Refuse is the error of a part that uses the type, as what it says; nil if all values come back, or if there is no shape.
func (s *Values) Refuse(as string) error {
	if s == nil || s.err == nil {
		return nil
	}
	return fmt.Errorf("functions: %s: %w", as, s.err)
}

// Faithful reports whether a copy of a value is what decoding its encoding gives, and shares no memory with it that could be written
// through. Such values are handed on as they are within a process.
func (s *Values) Faithful() bool { return s.faithful }

// Encode encodes a value of its type like [Encode], if it certainly comes back; if not the error is [ErrBadValue]. So is a panic of a
// codec method.
func (s *Values) Encode(v any) ([]byte, error) {
	if s.runsCode {
		return s.encodeGuarded(v)
	}
	return s.encode(v)
}

// encodeGuarded is encode where codec methods of the program's may run.
func (s *Values) encodeGuarded(v any) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("%w: a codec method: %w", ErrBadValue, NewPanicError(r))
		}
	}()
	return s.encode(v)
}

func (s *Values) encode(v any) ([]byte, error) {
	if s.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, s.err)
	}
	if s.root.careful {
		at := reflect.ValueOf(v)
		if s.root.what == dynamic {
			at = asInterface(v)
		}
		if err := s.look(at); err != nil {
			return nil, err
		}
	}
	data, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, Plain(err)) // it may be of a codec method
	}
	if err := s.prove(data); err != nil {
		return nil, err
	}
	return data, nil
}

// asInterface is the interface v itself, where reflect.ValueOf gives what it has. It is a function of its own, so that v is only copied
// to the heap where it is called.
func asInterface(v any) reflect.Value { return reflect.ValueOf(&v).Elem() }

// prove makes sure that an encoded value decodes.
func (s *Values) prove(data []byte) (err error) {
	switch {
	case s.proof == proofDecode:
		err = Decode(data, reflect.New(s.typ).Interface())
	case s.proof == proofLevels || s.proof == proofDynamic || len(data) > MaxElements: // with fewer bytes there cannot be more elements
		err = decMode.Wellformed(data)
	}
	if err != nil {
		return fmt.Errorf("%w: what it is encoded as does not decode: %w", ErrBadValue, Plain(err))
	}
	return nil
}
