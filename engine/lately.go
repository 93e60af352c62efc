package engine

import (
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
)

// knownOperation is an operation and the type that it belongs to.
type knownOperation struct {
	op *instances.Operation
	of *registry.Type
}

// entryOf returns the type that an operation belongs to; nil if the engine does not know it. Most workers have a few operations in turn.
func (x *executor) entryOf(op *instances.Operation) *registry.Type {
	for i := range x.lately {
		if x.lately[i].op == op {
			return x.lately[i].of
		}
	}
	of := x.group.registry.Operations[op]
	x.lately[x.nextLately] = knownOperation{op, of}
	x.nextLately = (x.nextLately + 1) % len(x.lately)
	return of
}

// find is registry.find of a call.
func (x *executor) find(e *instances.Envelope, maxBytes int) (*registry.Type, error) {
	if e.Err == nil && e.Op != nil && len(e.Arg) <= maxBytes {
		if of := x.entryOf(e.Op); of != nil {
			return of, instances.CheckID("instance", e.ID)
		}
	}
	to, err := x.group.registry.Find(e, maxBytes)
	return to.Entry, err
}
