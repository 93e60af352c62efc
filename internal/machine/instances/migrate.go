package instances

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Migrate adds a migration, which gets the stored bytes of a state and returns the state, a *S, that they stand for. It is nil if nobody
// wrote it; see functions.Migrate.
func (t *Type) Migrate(from func(old []byte) (state any, err error)) {
	t.migrations = append(t.migrations, from)
}

// migration returns the state, a *S, that old bytes stand for.
type migration func(old []byte) (state any, err error)

// decodeState decodes a stored state, a *S, as it is or by a migration. It is taken as it is if it is known to be whole, or turns out to
// be, see values.Type.CheckWhole; whole says that it is from now on.
func (t *Type) decodeState(data []byte, known bool) (state any, whole bool, err error) {
	state, err = t.decodeOwn(data)
	if err == nil && !known {
		err = t.states.CheckWhole(data, state)
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
func (t *Type) decodeOwn(data []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil { // in a codec method of the program's
			value, err = nil, fmt.Errorf("%w: %w", failures.ErrBadState, failures.NewPanicError(r))
		}
	}()
	value = t.newState()
	if err := codec.Decode(data, value); err != nil {
		return nil, failures.Match(failures.ErrBadState, err)
	}
	return value, nil
}

// migrate runs one migration. The state is encoded and decoded, so that an operation finds what it would find if it had been written.
func (t *Type) migrate(from migration, data []byte) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, failures.NewPanicError(r)
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

// DecodeState decodes the stored state of an instance, with the type's migrations: it returns a *S. alike: it was written by a program
// whose type had the same shape. An error is failures.ErrBadState.
func (t *Type) DecodeState(data []byte, alike bool) (state any, err error) {
	state, _, err = t.decodeState(data, alike)
	return state, err
}

// Shape tells states of this type from those of another version of the program; see values.ShapeOf.
func (t *Type) Shape() uint64 { return t.states.Shape() }

// RunsCode reports whether the decoding of a state may run code of users: migrations, or codec methods.
func (t *Type) RunsCode() bool { return len(t.migrations) > 0 || t.states.DecodingRunsCode() }
