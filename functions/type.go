package functions

import (
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Limits of names and ids, in bytes.
const (
	// MaxName bounds the name of a type, operation, coordinator function or egress: 128.
	MaxName = instances.MaxName
	// MaxID bounds the id of an instance and of a request: 512.
	MaxID = instances.MaxID
)

// Part is what a program hands to engine.Open: a [Type], a coordinator function or an [Egress].
type Part interface{ instances.Defined }

// Type is a function type: a named kind of instance whose state is an S. Make it once, at package level, with [NewType], and
// hand it to engine.Open. What lasts of the state is what its encoding as CBOR holds; a type with fields that it would not hold is
// refused at engine.Open, see [NewType].
type Type[S any] struct{ instances.Part }

// NewType makes a function type. The name is part of every stored row: it must not change while data exists. By convention
// it is "package/kind". A bad name (empty, longer than [MaxName], with a zero byte) is an error at engine.Open.
//
// What goes in comes out: a type whose values do not come back from their encoding as they were is refused at engine.Open, with the path of
// the field. That is so of states, and in the same way of arguments, results and inputs. Of other types a value is looked at before it is
// encoded if one may be lost, and what makes it fails with [ErrBadValue]. That is so for
//
//   - types that contain themselves: a ring of pointers has no encoding, nor has a value in which lists, maps and structs are nested
//     deeper than 64 levels;
//   - times: years from 0 to 9999 are encoded, and offsets of whole minutes;
//   - maps with floats in their keys: a NaN is no key that could be found again;
//   - maps with codec methods in their keys: one that decodes to another key is refused (each is decoded again, which takes time);
//   - pointers to what is nil, or to the zero time: they would come back nil themselves;
//   - arrays, slices and maps of more than 1 << 24 elements.
//
// A value comes back equal, but not always the same: pointers and slices that shared memory come back apart; a time comes back with
// its instant and its offset, without the name of its location and without its monotonic reading; fields that omitempty, omitzero or
// the tag cbor:"-" leaves out come back as their zero value. Nil and empty slices and maps, texts that are no UTF-8, -0 and NaN come
// back as they were (a signalling NaN of 32 bits comes back quiet). A type with codec methods comes back as they have it: in particular a
// cbor.RawMessage that is nil or empty has no encoding but that of nil, and comes back as those bytes (0xf6).
func NewType[S any](name string) *Type[S] {
	return &Type[S]{instances.PartOf(instances.NewType[S](name))}
}

// info is what the engine knows of the type; nil if nobody made it.
func (t *Type[S]) info() *instances.Type {
	if t == nil {
		return nil
	}
	info, _ := t.Definition().(*instances.Type)
	return info
}

// Exists asks whether the instance exists. It never fails; in a transaction it locks the answer, also an absence.
func (t *Type[S]) Exists(id string) Query[bool] {
	info := t.info()
	if info == nil {
		return Query[bool]{query0[bool](nil, id)}
	}
	return Query[bool]{query0[bool](info.Exists, id)}
}

// OnFailure sets the handler for the failure of a message that nobody waits for: a [Ctx.Send] whose operation on an instance
// of this type failed. The handler runs in the place of the operation; it can send and emit, but the instance stays as it
// was. An error or a panic of the handler drops its effects. Without a handler such a failure is logged.
func OnFailure[S any](t *Type[S], handle func(ctx *Ctx, failed Failed) error) {
	if handle == nil {
		t.info().OnFailure(nil)
		return
	}
	t.info().OnFailure(func(ctx *instances.Ctx, failed instances.Failed) error { return handle((*Ctx)(ctx), Failed(failed)) })
}

// Failed is a message whose operation failed, as the handler set with [OnFailure] gets it.
type Failed struct {
	Operation string // the operation's name
	Arg       []byte // its argument as encoded; see [Decode]
	Err       error  // the failure; errors.Is works
}

// Decode decodes what the engine has encoded, such as the argument of a message that [Failed], an old state in [Migrate] or a record in an
// egress, into the value that v points to. Bytes left over are an error.
func Decode(data []byte, v any) error { return codec.Decode(data, v) }
