// Package registry knows the parts of a program that an engine was opened with ([Registry]), and what a request with an id is by which it is
// told from others under that id ([Identity]). It is pure.
package registry

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/enginerr"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// Failures of what is for something that an engine was not opened with.
const (
	ErrNoEgress           functions.Failure = "concordat: unknown egress"
	ErrUnknownCoordinator functions.Failure = "concordat: unknown coordinator function"
)

// Registry knows the parts that an engine was opened with. It does not change after that.
type Registry struct {
	Types        map[*instances.Type]*Type
	TypesByName  map[string]*instances.Type
	Operations   map[*instances.Operation]*Type
	Coordinators map[string]*Function
	Egresses     map[string]int    // index into Engine.egresses
	Declared     map[string]bool   // egresses that are parts
	names        map[uint64]string // of types and coordinator functions, by hash
	Shards       uint64
}

// Type is a function type in an engine.
type Type struct {
	Info  *instances.Type
	Index int
	hash  uint64
	Shape uint64 // of its states
	Alike bool   // all states in the directory are of this shape
	ops   map[string]*instances.Operation
}

// Function is a coordinator function in an engine.
type Function struct {
	*routines.Function
	hash   uint64
	target uint64 // of its requests; see identity
}

func New(parts []functions.Part) (*Registry, error) {
	r := &Registry{
		Types:        map[*instances.Type]*Type{},
		TypesByName:  map[string]*instances.Type{},
		Operations:   map[*instances.Operation]*Type{},
		Coordinators: map[string]*Function{},
		Egresses:     map[string]int{},
		Declared:     map[string]bool{},
		names:        map[uint64]string{},
	}
	var errs []error
	for i, part := range parts {
		d, err := definition(part)
		if err == nil {
			if err = r.add(d); err != nil {
				err = fmt.Errorf("(%q): %w", d.DefinedName(), err)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("engine: part %d %w", i+1, err))
		}
	}
	return r, errors.Join(errs...)
}

// definition is what stands behind a part. A part that nobody made, as a variable is that was not set yet, is an error.
func definition(part functions.Part) (d instances.Definition, err error) {
	if part == nil {
		return nil, errors.New("is nil")
	}
	unmade := fmt.Errorf("is a %T that is nil or a zero value: make it with New, NewType or NewEgress", part)
	if v := reflect.ValueOf(part); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, unmade
	}
	defer func() {
		if p := recover(); p != nil { // of a type that embeds a pointer to a part, which is nil
			err = fmt.Errorf("is a %T whose Definition method panics: %v", part, p)
		}
	}()
	if d = part.Definition(); d == nil {
		return nil, unmade
	}
	return d, nil
}

func (r *Registry) add(d instances.Definition) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if d, ok := d.(*instances.Egress); ok {
		if r.Declared[d.Name] {
			return fmt.Errorf("two egresses are named %q", d.Name)
		}
		r.Declared[d.Name] = true
		return nil
	}
	hash := format.NameHash(d.DefinedName())
	if other, taken := r.names[hash]; taken && other != d.DefinedName() {
		return fmt.Errorf("has the same hash as %q: give it another name", other) // in 64 bits: nobody has seen it
	}
	r.names[hash] = d.DefinedName()
	switch d := d.(type) {
	case *instances.Type:
		if r.TypesByName[d.Name] != nil {
			return fmt.Errorf("two function types are named %q", d.Name)
		}
		entry := &Type{Info: d, Index: len(r.Types), hash: format.NameHash(d.Name), Shape: d.Shape(), ops: map[string]*instances.Operation{}}
		r.Types[d], r.TypesByName[d.Name] = entry, d
		for _, op := range d.Operations() {
			entry.ops[op.Name], r.Operations[op] = op, entry
		}
	case *routines.Function:
		if r.Coordinators[d.Name] != nil {
			return fmt.Errorf("two coordinator functions are named %q", d.Name)
		}
		r.Coordinators[d.Name] = &Function{d, format.NameHash(d.Name), TargetOf(d.Name)}
	default:
		return fmt.Errorf("%q is no function type, coordinator function or egress", d.DefinedName())
	}
	return nil
}

// IsAlike reports whether all states of a type in the directory are of its shape. It is not for another one of that name.
func (r *Registry) IsAlike(d instances.Definition) bool {
	info, _ := d.(*instances.Type)
	entry := r.Types[info]
	return entry != nil && entry.Alike
}

// Operation implements instances.Resolver.
func (r *Registry) Operation(typeName, operation string) (*instances.Operation, bool) {
	info := r.TypesByName[typeName]
	if info == nil {
		return nil, false
	}
	op, ok := r.Types[info].ops[operation]
	return op, ok
}

// Check reports why a message cannot be delivered, or nil.
func (r *Registry) Check(e *instances.Envelope, maxBytes int) error {
	_, err := r.Find(e, maxBytes)
	return err
}

// Destination is what a message is for: an instance of a type, or a coordinator function.
type Destination struct {
	Entry    *Type
	Function *Function
}

// Request names a request with an id.
func (d Destination) Request(env *instances.Envelope) format.Request {
	if d.Function != nil {
		return format.Request{Name: d.Function.hash, ID: env.RequestID}
	}
	return format.Request{Name: d.Entry.hash, Instance: env.ID, ID: env.RequestID}
}

// RequestFor names a request with an id for an instance, or for the coordinator function that the type names if there is no id of one.
func (r *Registry) RequestFor(of functions.Address, requestID string) (q format.Request, err error) {
	if err := instances.CheckID("request", requestID); err != nil {
		return q, err
	}
	q = format.Request{Name: format.NameHash(of.Type), Instance: of.ID, ID: requestID}
	switch {
	case of.ID == "" && r.Coordinators[of.Type] == nil:
		return q, fmt.Errorf("%w: %q", ErrUnknownCoordinator, of.Type)
	case of.ID != "" && r.TypesByName[of.Type] == nil:
		return q, fmt.Errorf("%w: %q", enginerr.ErrUnknownType, of.Type)
	case of.ID != "":
		return q, instances.CheckID("instance", of.ID)
	}
	return q, nil
}

// Find returns what a message is for, or why it cannot be delivered.
func (r *Registry) Find(e *instances.Envelope, maxBytes int) (to Destination, err error) {
	if e.Err != nil {
		return to, e.Err
	}
	if len(e.Arg) > maxBytes {
		return to, fmt.Errorf("%w: the argument of %s has %d bytes, at most %d", functions.ErrTooLarge, e.Target(), len(e.Arg), maxBytes)
	}
	if e.Op == nil {
		if to.Function = r.Coordinators[e.Coordinator]; to.Function == nil {
			return to, fmt.Errorf("%w: %q", ErrUnknownCoordinator, e.Coordinator)
		}
		return to, nil
	}
	if to.Entry = r.Operations[e.Op]; to.Entry == nil {
		return to, r.unknown(e.Op)
	}
	return to, instances.CheckID("instance", e.ID)
}

// unknown says why the engine does not know an operation.
func (r *Registry) unknown(op *instances.Operation) error {
	why := "the engine was not opened with its type"
	switch {
	case r.Types[op.Type] != nil:
		why = "it was made after the engine was opened with its type"
	case r.TypesByName[op.Type.Name] != nil:
		why = "the engine was opened with another type of that name"
	}
	return fmt.Errorf("%w: %s; %s", functions.ErrUnknownOperation, op.FullName(), why)
}

// CheckEffects reports why effects cannot all be carried out, or nil.
func (r *Registry) CheckEffects(e *instances.Effects, maxBytes int) error {
	for i := range e.Sends {
		if err := r.Check(&e.Sends[i], maxBytes); err != nil {
			return err
		}
	}
	for i := range e.Timers {
		if err := r.Check(&e.Timers[i].Message, maxBytes); err != nil {
			return err
		}
	}
	for i := range e.Emits {
		if _, ok := r.Egresses[e.Emits[i].Egress]; !ok {
			return fmt.Errorf("%w: %q", ErrNoEgress, e.Emits[i].Egress)
		}
		if size := len(e.Emits[i].Key) + len(e.Emits[i].Value); size > maxBytes {
			return fmt.Errorf("%w: a record for egress %q has %d bytes, at most %d", functions.ErrTooLarge, e.Emits[i].Egress, size, maxBytes)
		}
	}
	return nil
}

// ShardOf is the shard of an instance: it depends on nothing but type name, id and the number of shards.
func (r *Registry) ShardOf(t *Type, id string) uint16 {
	return format.InstanceShard(t.hash, id, r.Shards)
}

// NumberShard is the shard of a coordinator function that no request id belongs to.
func (r *Registry) NumberShard(number uint64) uint16 { return uint16(format.Mix(number) % r.Shards) }
