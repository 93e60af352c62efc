// Package values tells whether values of a type come back from their encoding as they were, and encodes those that do.
//
// A [Type] is what is known of the values of a type: whether all come back, which have to be looked at first, and what that costs. Its
// shape ([ShapeOf]) tells whether two versions of a program encode it alike. A state that an earlier version wrote is compared with what
// it decodes to ([Type.CheckWhole]). The package is pure.
package values

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Type is what is known of the values of a type before there is one: whether they come back from their encoding as they were. What
// goes in comes out: a type whose values do not is refused when an engine is opened, with the path of the field ([Type.Err]); of
// other types a value is looked at before it is encoded if one may be lost ([Type.Encode]). The comment of functions.NewType says which
// these are, and what of a value that comes back may be another all the same.
type Type struct {
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

// Of looks at a type. It takes microseconds: do it once for a type.
func Of[A any]() *Type { return newType(reflect.TypeFor[A](), false) }

// OfRecords looks at a type of records. They leave the program and need not come back as the same type, so it may have interfaces: what
// is in one is looked at when a record is made.
func OfRecords[A any]() *Type { return newType(reflect.TypeFor[A](), true) }

func newType(t reflect.Type, records bool) *Type {
	b := builder{nodes: map[reflect.Type]*node{}, records: records}
	s := &Type{typ: t, root: b.node(t, nameOf(t))}
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
	if s.proof != proofLevels && s.proof != proofDynamic && s.root.countLevels() > codec.MaxLevels {
		b.lose(s.root.pathAt(codec.MaxLevels, nameOf(t)), "it is nested deeper than %d levels", codec.MaxLevels)
	}
	s.err = errors.Join(b.errs...)
	s.faithful = s.err == nil && isFaithful(t)
	s.fixed = s.faithful && isFixed(t)
	return s
}

// Err says which values of the type would not come back, one line each with the path of the field; nil if all do.
func (s *Type) Err() error { return s.err }

// Refuse is the error of a part that uses the type, as what it says; nil if all values come back, or if there is no shape.
func (s *Type) Refuse(as string) error {
	if s == nil || s.err == nil {
		return nil
	}
	return fmt.Errorf("functions: %s: %w", as, s.err)
}

// Go is the type of the values.
func (s *Type) Go() reflect.Type { return s.typ }

// Flat reports whether a copy of a value shares no memory with it that could be written through.
func (s *Type) Flat() bool { return isFlat(s.typ) }

// Fixed reports whether all values are faithful and of one size, which needs no check against a limit.
func (s *Type) Fixed() bool { return s.fixed }

// Size is how many bytes a value takes in memory, without what it points to.
func (s *Type) Size() int { return int(s.typ.Size()) }

// DecodingRunsCode reports whether codec methods of the program's may run when a value is decoded.
func (s *Type) DecodingRunsCode() bool { return s.proof >= proofDecode }

// Look reports whether a value, which pointer points to, comes back; if not the error is failures.ErrBadValue. It looks at those only of
// which that is not known before.
func (s *Type) Look(pointer any) error {
	if !s.root.careful {
		return nil
	}
	return s.look(reflect.ValueOf(pointer).Elem())
}

// Faithful reports whether a copy of a value is what decoding its encoding gives, and shares no memory with it that could be written
// through. Such values are handed on as they are within a process.
func (s *Type) Faithful() bool { return s.faithful }

// Encode encodes a value of its type like [Encode], if it certainly comes back; if not the error is failures.ErrBadValue. So is a panic of a
// codec method.
func (s *Type) Encode(v any) ([]byte, error) {
	if s.runsCode {
		return s.encodeGuarded(v)
	}
	return s.encode(v)
}

// encodeGuarded is encode where codec methods of the program's may run.
func (s *Type) encodeGuarded(v any) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("%w: a codec method: %w", failures.ErrBadValue, failures.NewPanicError(r))
		}
	}()
	return s.encode(v)
}

func (s *Type) encode(v any) ([]byte, error) {
	if s.err != nil {
		return nil, fmt.Errorf("%w: %w", failures.ErrBadValue, s.err)
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
	data, err := codec.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failures.ErrBadValue, failures.Plain(err)) // it may be of a codec method
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
func (s *Type) prove(data []byte) (err error) {
	switch {
	case s.proof == proofDecode:
		err = codec.Decode(data, reflect.New(s.typ).Interface())
	case s.proof == proofLevels || s.proof == proofDynamic || len(data) > codec.MaxElements: // with fewer bytes there cannot be more elements
		err = codec.WellFormed(data)
	}
	if err != nil {
		return fmt.Errorf("%w: what it is encoded as does not decode: %w", failures.ErrBadValue, failures.Plain(err))
	}
	return nil
}

// Encode encodes a value as CBOR, the way states, arguments and results are. Equal values give equal bytes. (A map with several keys
// that are NaN equals nothing, itself included; their order is not determined.) A value that contains itself is failures.ErrBadValue.
func Encode(v any) ([]byte, error) {
	if err := refuseRing(v); err != nil {
		return nil, err
	}
	return codec.Encode(v)
}

// EncodeTo is [Encode] into a buffer.
func EncodeTo(buffer *bytes.Buffer, v any) error {
	if err := refuseRing(v); err != nil {
		return err
	}
	return codec.EncodeTo(buffer, v)
}
