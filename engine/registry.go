package engine

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// registry knows the parts that an engine was opened with. It does not change after that.
type registry struct {
	types        map[*functions.TypeInfo]*typeEntry
	typesByName  map[string]*functions.TypeInfo
	operations   map[*functions.Operation]*typeEntry
	coordinators map[string]*coordEntry
	egresses     map[string]int // index into Engine.egresses
	shards       uint64
}

// typeEntry is a function type in an engine.
type typeEntry struct {
	info  *functions.TypeInfo
	index int
	hash  uint64
	shape uint64 // of its states
	alike bool   // all states in the directory are of this shape
	ops   map[string]*functions.Operation
}

// coordEntry is a coordinator function in an engine.
type coordEntry struct {
	*routines.Function
	target uint64 // of its requests; see identity
}

func newRegistry(parts []functions.Part) (*registry, error) {
	r := &registry{
		types:        map[*functions.TypeInfo]*typeEntry{},
		typesByName:  map[string]*functions.TypeInfo{},
		operations:   map[*functions.Operation]*typeEntry{},
		coordinators: map[string]*coordEntry{},
		egresses:     map[string]int{},
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
func definition(part functions.Part) (d functions.Definition, err error) {
	if part == nil {
		return nil, errors.New("is nil")
	}
	defer func() {
		if p := recover(); p != nil { // of a nil pointer to a type that embeds a part
			err = fmt.Errorf("is a %T whose Definition method panics: %v", part, p)
		}
	}()
	if d = part.Definition(); d == nil {
		return nil, fmt.Errorf("is a %T that is nil or a zero value: make it with New or NewType", part)
	}
	return d, nil
}

func (r *registry) add(d functions.Definition) error {
	if err := d.Validate(); err != nil {
		return err
	}
	switch d := d.(type) {
	case *functions.TypeInfo:
		if r.typesByName[d.Name] != nil {
			return fmt.Errorf("two function types are named %q", d.Name)
		}
		entry := &typeEntry{info: d, index: len(r.types), hash: format.TypeHash(d.Name), shape: d.Shape(), ops: map[string]*functions.Operation{}}
		r.types[d], r.typesByName[d.Name] = entry, d
		for _, op := range d.Operations() {
			entry.ops[op.Name], r.operations[op] = op, entry
		}
	case *routines.Function:
		if r.coordinators[d.Name] != nil {
			return fmt.Errorf("two coordinator functions are named %q", d.Name)
		}
		r.coordinators[d.Name] = &coordEntry{d, targetOf(d.Name)}
	default:
		return fmt.Errorf("%q is neither a function type nor a coordinator function", d.DefinedName())
	}
	return nil
}

// isAlike reports whether all states of a type in the directory are of its shape. It is not for another one of that name.
func (r *registry) isAlike(d functions.Definition) bool {
	info, _ := d.(*functions.TypeInfo)
	entry := r.types[info]
	return entry != nil && entry.alike
}

// Operation implements functions.Resolver.
func (r *registry) Operation(typeName, operation string) (*functions.Operation, bool) {
	info := r.typesByName[typeName]
	if info == nil {
		return nil, false
	}
	op, ok := r.types[info].ops[operation]
	return op, ok
}

// check reports why a message cannot be delivered, or nil.
func (r *registry) check(e *functions.Envelope, maxBytes int) error {
	_, err := r.find(e, maxBytes)
	return err
}

// destination is what a message is for: an instance of a type, or a coordinator function.
type destination struct {
	entry    *typeEntry
	function *coordEntry
}

// find returns what a message is for, or why it cannot be delivered.
func (r *registry) find(e *functions.Envelope, maxBytes int) (to destination, err error) {
	if e.Err != nil {
		return to, e.Err
	}
	if len(e.Arg) > maxBytes {
		return to, fmt.Errorf("%w: the argument of %s has %d bytes, at most %d", functions.ErrTooLarge, e.Target(), len(e.Arg), maxBytes)
	}
	if e.Op == nil {
		if to.function = r.coordinators[e.Coordinator]; to.function == nil {
			return to, fmt.Errorf("%w: %q", ErrUnknownCoordinator, e.Coordinator)
		}
		return to, nil
	}
	if to.entry = r.operations[e.Op]; to.entry == nil {
		return to, r.unknown(e.Op)
	}
	return to, functions.CheckID("instance", e.ID)
}

// entryOf returns the type that an operation belongs to; nil if the engine does not know it. Most workers have a few operations in turn.
func (w *worker) entryOf(op *functions.Operation) *typeEntry {
	for i := range w.lately {
		if w.lately[i].op == op {
			return w.lately[i].of
		}
	}
	of := w.engine.registry.operations[op]
	w.lately[w.nextLately] = knownOperation{op, of}
	w.nextLately = (w.nextLately + 1) % len(w.lately)
	return of
}

// find is registry.find of a call.
func (w *worker) find(e *functions.Envelope, maxBytes int) (*typeEntry, error) {
	if e.Err == nil && e.Op != nil && len(e.Arg) <= maxBytes {
		if of := w.entryOf(e.Op); of != nil {
			return of, functions.CheckID("instance", e.ID)
		}
	}
	to, err := w.engine.registry.find(e, maxBytes)
	return to.entry, err
}

// unknown says why the engine does not know an operation.
func (r *registry) unknown(op *functions.Operation) error {
	why := "the engine was not opened with its type"
	switch {
	case r.types[op.Type] != nil:
		why = "it was made after the engine was opened with its type"
	case r.typesByName[op.Type.Name] != nil:
		why = "the engine was opened with another type of that name"
	}
	return fmt.Errorf("%w: %s; %s", functions.ErrUnknownOperation, op.FullName(), why)
}

// checkEffects reports why effects cannot all be carried out, or nil.
func (r *registry) checkEffects(e *functions.Effects, maxBytes int) error {
	for i := range e.Sends {
		if err := r.check(&e.Sends[i], maxBytes); err != nil {
			return err
		}
	}
	for i := range e.Timers {
		if err := r.check(&e.Timers[i].Message, maxBytes); err != nil {
			return err
		}
	}
	for i := range e.Emits {
		if _, ok := r.egresses[e.Emits[i].Egress]; !ok {
			return fmt.Errorf("%w: %q", ErrNoEgress, e.Emits[i].Egress)
		}
		if size := len(e.Emits[i].Key) + len(e.Emits[i].Value); size > maxBytes {
			return fmt.Errorf("%w: a record for egress %q has %d bytes, at most %d", functions.ErrTooLarge, e.Emits[i].Egress, size, maxBytes)
		}
	}
	return nil
}

// shardOf is the shard of an instance: it depends on nothing but type name, id and the number of shards.
func (r *registry) shardOf(t *typeEntry, id string) uint16 {
	return format.InstanceShard(t.hash, id, r.shards)
}

// requestShard is the shard that keeps the outcome of a request.
func (r *registry) requestShard(id string) uint16 {
	return format.RequestShard(format.RequestHash(id), r.shards)
}

// numberShard is the shard of a coordinator function that no request id belongs to.
func (r *registry) numberShard(number uint64) uint16 { return uint16(format.Mix(number) % r.shards) }
