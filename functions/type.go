package functions

import (
	"errors"
	"fmt"
	"reflect"
)

// Limits of names and ids, in bytes.
const (
	// MaxName bounds the name of a type, operation, coordinator function or egress.
	MaxName = 128
	// MaxID bounds the id of an instance and of a request.
	MaxID = 512
)

// Type is a function type: a named kind of instance whose state is an S. Make it once, at package level, with [NewType], and
// hand it to engine.Open. What lasts of the state is what its encoding as CBOR holds; a type with fields that it would not hold is
// refused at engine.Open, see [Values].
type Type[S any] struct{ info *TypeInfo }

// NewType makes a function type. The name is part of every stored row: it must not change while data exists. By convention
// it is "package/kind". A bad name (empty, longer than [MaxName], with a zero byte) is an error at engine.Open.
func NewType[S any](name string) *Type[S] {
	info := &TypeInfo{
		Name:     name,
		newState: func() any { return new(S) },
		flat:     isFlat(reflect.TypeFor[S]()),
		states:   ValuesOf[S](),
	}
	info.late = newLate[S](info.states)
	t := &Type[S]{info: info}
	booleans := ValuesOf[bool]()
	info.exists = info.add("concordat.exists", KindProbe, func(_ *Ctx, c *Cell, _ []byte) (*Result, error) {
		return booleans.Result(c.Exists)
	})
	return t
}

// Definition implements [Part]. It is nil for a type that was not made with [NewType].
func (t *Type[S]) Definition() Definition {
	if t == nil || t.info == nil {
		return nil
	}
	return t.info
}

// Part is what a program hands to engine.Open: a [Type] or a coordinator function. Its Definition is nil if nobody made it.
type Part interface{ Definition() Definition }

// Definition is the description behind a [Part]. Programs have no use for it.
type Definition interface {
	DefinedName() string
	Validate() error
}

// DefinedName implements [Definition].
func (t *TypeInfo) DefinedName() string { return t.Name }

// Exists asks whether the instance exists. It never fails; in a transaction it locks the answer, also an absence.
func (t *Type[S]) Exists(id string) Query[bool] {
	if t == nil || t.info == nil {
		return Query[bool]{call: newCall0(nil, id)}
	}
	return Query[bool]{call: newCall0(t.info.exists, id)}
}

// OnFailure sets the handler for the failure of a message that nobody waits for: a [Ctx.Send] whose operation on an instance
// of this type failed. The handler runs in the place of the operation; it can send and emit, but the instance stays as it
// was. An error or a panic of the handler drops its effects. Without a handler such a failure is logged.
func OnFailure[S any](t *Type[S], handle func(ctx *Ctx, failed Failed) error) {
	t.info.onFailure = handle
}

// Failed is a message whose operation failed, as the handler set with [OnFailure] gets it.
type Failed struct {
	Operation string // the operation's name
	Arg       []byte // its argument as encoded; see [Decode]
	Err       error  // the failure; errors.Is works
}

// Kind is what an operation does to its instance.
type Kind uint8

// The kinds of operations. All but KindView and KindProbe take the exclusive lock.
const (
	KindView   Kind = iota + 1 // reads an instance that exists
	KindProbe                  // reads, whether the instance exists or not
	KindUpdate                 // changes an instance that exists
	KindCreate                 // makes an instance that does not exist
	KindDelete                 // removes an instance that exists
	KindUpsert                 // changes an instance, or makes it if it does not exist
)

// Reads reports whether operations of this kind leave the state alone and can share their lock.
func (k Kind) Reads() bool { return k == KindView || k == KindProbe }

// TypeInfo describes a type to the engine. Programs have no use for it.
type TypeInfo struct {
	Name string

	newState   func() any
	flat       bool  // a shallow copy shares nothing that can be written
	late       *late // of a type whose states are encoded late
	states     *Values
	migrations []migration
	ops        []*Operation
	exists     *Operation
	onFailure  func(ctx *Ctx, failed Failed) error
}

// Operation describes an operation to the engine. Programs have no use for it.
type Operation struct {
	Type *TypeInfo
	Name string
	Kind Kind
	// Shape is that of the argument's type, see [ShapeOf]; 0 without an argument.
	Shape uint64
	// ArgSize is how many bytes a value of the argument's type takes in memory, without what it points to; 0 without an argument.
	ArgSize int

	arg, result *Values // nil if it has none
	body        body
}

// body runs an operation on the state that a cell has ready.
type body func(ctx *Ctx, cell *Cell, arg []byte) (*Result, error)

func (o *Operation) takes(arg *Values) *Operation {
	o.arg, o.Shape, o.ArgSize = arg, ShapeOf(arg.typ), int(arg.typ.Size())
	return o
}

func (o *Operation) gives(result *Values) *Operation {
	o.result = result
	return o
}

// validate reports what is wrong with an operation.
func (o *Operation) validate() error {
	errs := []error{CheckName("operation of "+o.Type.Name, o.Name)}
	if o.body == nil {
		errs = append(errs, fmt.Errorf("functions: operation %s has no function: it is nil", o.FullName()))
	}
	return errors.Join(append(errs, o.arg.Refuse("argument of "+o.FullName()), o.result.Refuse("result of "+o.FullName()))...)
}

// FullName is the type's name, a dot and the operation's name.
func (o *Operation) FullName() string { return o.Type.Name + "." + o.Name }

// Operations lists the type's operations in the order in which they were made.
func (t *TypeInfo) Operations() []*Operation { return t.ops }

// Handler returns what [OnFailure] set, or nil.
func (t *TypeInfo) Handler() func(*Ctx, Failed) error { return t.onFailure }

func (t *TypeInfo) add(name string, kind Kind, body body) *Operation {
	op := &Operation{Type: t, Name: name, Kind: kind, body: body}
	t.ops = append(t.ops, op)
	return op
}

// Validate reports bad and duplicate names, operations without a function, and types whose values do not survive encoding.
func (t *TypeInfo) Validate() error {
	errs := []error{CheckName("type", t.Name), t.states.Refuse("state of " + t.Name)}
	for i, from := range t.migrations {
		if from == nil {
			errs = append(errs, fmt.Errorf("functions: migration %d of type %q is nil", i+1, t.Name))
		}
	}
	seen := make(map[string]bool, len(t.ops))
	for _, op := range t.ops {
		errs = append(errs, op.validate())
		if seen[op.Name] {
			errs = append(errs, fmt.Errorf("functions: type %q has two operations named %q", t.Name, op.Name))
		}
		seen[op.Name] = true
	}
	return errors.Join(errs...)
}

// CheckName reports what is wrong with the name of a type, operation, coordinator function or egress, or nil.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("functions: the name of a %s is empty", what)
	case len(name) > MaxName:
		return fmt.Errorf("functions: the name of a %s has %d bytes, at most %d; it begins with %.20q", what, len(name), MaxName, name)
	}
	for i := range len(name) {
		if name[i] == 0 {
			return fmt.Errorf("functions: the name of a %s has a zero byte: %q", what, name)
		}
	}
	return nil
}

// CheckID reports what is wrong with the id of an instance or a request, or nil.
func CheckID(what, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: the id of a %s is empty", ErrBadCall, what)
	case len(id) > MaxID:
		return fmt.Errorf("%w: the id of a %s has %d bytes, at most %d; it begins with %.20q", ErrTooLarge, what, len(id), MaxID, id)
	}
	return nil
}
