package functions

import (
	"fmt"
	"reflect"
	"slices"
)

// Migrate lets a type read states that an earlier version of the program wrote and that do not decode into an S any more: from gets the
// stored bytes and returns the state that they stand for. Usually it decodes them into what S was, with [Decode], and converts that. An
// error says that they are of another version: of several migrations each is tried, in the order in which they were made, and only once
// the bytes did not decode as they are. Like an operation it does no I/O, and it must return the same for the same bytes: it is run
// whenever the state is read, by operations and walks, until an operation changes the instance and the state is written in its new form.
//
// Which states decode as they are? A field that was added is zero. Of a field that was removed, or got another name, the bytes are
// skipped, and gone with the next change of the instance; so is what an array has beyond its new length. To keep the values of a renamed
// field, name the old field in its tag. All else has to be there in full. A number decodes into any type of numbers that has its value
// (so 2^53+1 is no float64, 0.1 no float32; nor does a float decode into an integer). Nil is nil, and no zero of a type without a nil,
// but for a field that is left out where it is empty. All other changes of a type do not decode where the two are told apart by their
// encoding: a time, which is encoded as text, is what it was to a string; a struct may become a map, and a slice an array, which is
// cut. What a type with codec methods wrote is for them to read. No migration is asked about what decodes.
//
// Make migrations before engine.Open, next to the operations. Without one that reads them, the instances can still be deleted; see
// [Delete]. All other operations on them fail with [ErrBadState], but [Type.Exists], which says that they exist, and [Create], which
// does too, with [ErrExists]. A transaction that deletes an instance and creates it replaces it.
func Migrate[S any](t *Type[S], from func(old []byte) (S, error)) {
	if from == nil {
		t.info.migrations = append(t.info.migrations, nil)
		return
	}
	t.info.migrations = append(t.info.migrations, func(old []byte) (any, error) {
		state, err := from(old)
		if err != nil {
			return nil, err
		}
		return &state, nil
	})
}

// migration returns the state, a *S, that old bytes stand for.
type migration func(old []byte) (state any, err error)

// DecodeState decodes the stored state of an instance, with the type's migrations. alike: it was written by a program whose type had the
// same shape. An error is [ErrBadState]. For the engine.
func (t *Type[S]) DecodeState(data []byte, alike bool) (state S, err error) {
	value, _, err := t.info.decodeState(data, alike)
	if err != nil {
		return state, err
	}
	return *value.(*S), nil
}

// Shape tells states of this type from those of another version of the program; see [ShapeOf]. For the engine.
func (t *TypeInfo) Shape() uint64 { return ShapeOf(t.states.typ) }

// RunsCode reports whether the decoding of a state may run code of users: migrations, or codec methods. For the engine.
func (t *Type[S]) RunsCode() bool {
	return len(t.info.migrations) > 0 || t.info.states.proof >= proofDecode
}

// decodeState decodes a stored state, a *S, as it is or by a migration. It is taken as it is if it is known to be whole, or turns out to
// be, see checkWhole; whole says that it is from now on.
func (t *TypeInfo) decodeState(data []byte, known bool) (state any, whole bool, err error) {
	state, err = t.decodeOwn(data)
	if err == nil && !known {
		err = t.checkWhole(data, state)
	}
	if err == nil {
		return state, true, nil
	}
	for i, from := range t.migrations {
		state, failure := t.migrate(from, data)
		if failure == nil {
			return state, false, nil
		}
		err = fmt.Errorf("%w; migration %d: %w", err, i+1, failure)
	}
	return nil, false, err
}

// decodeOwn decodes a state as this version of the program encodes it.
func (t *TypeInfo) decodeOwn(data []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil { // in a codec method of the program's
			value, err = nil, fmt.Errorf("%w: %w", ErrBadState, NewPanicError(r))
		}
	}()
	value = t.newState()
	if err := Decode(data, value); err != nil {
		return nil, asFailure(ErrBadState, err)
	}
	return value, nil
}

// migrate runs one migration. The state is encoded and decoded, so that an operation finds what it would find if it had been written.
func (t *TypeInfo) migrate(from migration, data []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, NewPanicError(r)
		}
	}()
	if value, err = from(slices.Clone(data)); err != nil {
		return nil, err
	}
	own, err := t.states.Encode(reflect.ValueOf(value).Elem().Interface())
	if err != nil {
		return nil, err
	}
	return t.decodeOwn(own)
}
