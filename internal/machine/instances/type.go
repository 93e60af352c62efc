package instances

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/values"
)

// NewType describes a function type whose state is an S.
func NewType[S any](name string) *Type {
	t := &Type{Name: name, newState: func() any { return new(S) }, states: values.Of[S]()}
	t.flat, t.late = t.states.Flat(), newLate[S](t.states)
	booleans := values.Of[bool]()
	t.Exists = t.Add("concordat.exists", KindProbe, func(_ *Ctx, c *Cell, _ []byte) (*Result, error) {
		return NewResult(booleans, c.Exists)
	}).Gives(booleans)
	return t
}

// Part is embedded in what a program hands to engine.Open, and gives it what stands behind it: see [PartOf].
type Part struct{ definition Definition }

// Defined is functions.Part.
type Defined interface{ Definition() Definition }

// PartOf is a part with a description. The zero Part is one that nobody made.
func PartOf(d Definition) Part { return Part{d} }

// Definition is the description; nil if nobody made the part.
func (p Part) Definition() Definition { return p.definition }

// Definition is the description of a part.
type Definition interface {
	DefinedName() string
	Validate() error
}

// DefinedName implements [Definition].
func (t *Type) DefinedName() string { return t.Name }

// Failed is functions.Failed.
type Failed struct {
	Operation string
	Arg       []byte
	Err       error
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

// Type is a function type: what functions.Type is to the engine. All instances of it have a state of one Go type.
type Type struct {
	Name   string
	Exists *Operation // asks whether an instance exists

	newState   func() any
	flat       bool  // a shallow copy shares nothing that can be written
	late       *late // of a type whose states are encoded late
	states     *values.Type
	migrations []migration
	ops        []*Operation
	onFailure  func(*Ctx, Failed) error
}

// Operation is an operation of a function type.
type Operation struct {
	Type *Type
	Name string
	Kind Kind
	// Shape is that of the argument's type, see values.ShapeOf; 0 without an argument.
	Shape uint64
	// ArgSize is how many bytes a value of the argument's type takes in memory, without what it points to; 0 without an argument.
	ArgSize int

	arg, result *values.Type // nil if it has none
	body        Body
}

// Body runs an operation on the state that a cell has ready.
type Body func(ctx *Ctx, cell *Cell, arg []byte) (*Result, error)

// Takes gives an operation an argument.
func (o *Operation) Takes(arg *values.Type) *Operation {
	o.arg, o.Shape, o.ArgSize = arg, arg.Shape(), arg.Size()
	return o
}

// Arg is what is known of the values of the operation's argument; nil if it takes none.
func (o *Operation) Arg() *values.Type { return o.arg }

// Result is what is known of the values of the operation's result; nil if it has none.
func (o *Operation) Result() *values.Type { return o.result }

// Gives gives an operation a result.
func (o *Operation) Gives(result *values.Type) *Operation {
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

// States is what is known of the values of the type's states.
func (t *Type) States() *values.Type { return t.states }

// Operations lists the type's operations in the order in which they were made.
func (t *Type) Operations() []*Operation { return t.ops }

// OnFailure sets the handler for the failure of a message; see functions.OnFailure.
func (t *Type) OnFailure(handle func(*Ctx, Failed) error) { t.onFailure = handle }

// Handler returns what [Type.OnFailure] set, or nil.
func (t *Type) Handler() func(*Ctx, Failed) error { return t.onFailure }

// Add adds an operation to the type. Its body is nil if nobody wrote it.
func (t *Type) Add(name string, kind Kind, body Body) *Operation {
	op := &Operation{Type: t, Name: name, Kind: kind, body: body}
	t.ops = append(t.ops, op)
	return op
}

// Validate reports bad and duplicate names, operations without a function, and types whose values do not survive encoding.
func (t *Type) Validate() error {
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

// Handle runs the type's failure handler for a message whose operation failed. It changes no state. Without a handler it
// returns the failure.
func (t *Type) Handle(ctx *Ctx, failed Failed) (err error) {
	if t.onFailure == nil {
		return failed.Err
	}
	defer func() {
		if r := recover(); r != nil {
			err = failures.NewPanicError(r)
		}
	}()
	failed.Err = failures.Cause(failed.Err)
	return failures.Plain(errors.Join(t.onFailure(ctx, failed), ctx.Err()))
}
