package engine

import (
	"cmp"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Definitions are the function types and coordinator functions that the engine was opened with, sorted by name. For a server.
func (e *Engine) Definitions() []instances.Definition {
	var all []instances.Definition
	for _, t := range e.registry.TypesByName {
		all = append(all, t)
	}
	for _, f := range e.registry.Coordinators {
		all = append(all, f.Function)
	}
	slices.SortFunc(all, func(a, b instances.Definition) int { return cmp.Compare(a.DefinedName(), b.DefinedName()) })
	return all
}

// WalkNamed is [Walk] for who has only the name of a type: states are values of the type's state type.
func (e *Engine) WalkNamed(typeName, from string) iter.Seq2[Instance[any], error] {
	t := e.registry.TypesByName[typeName]
	if t == nil {
		return func(yield func(Instance[any], error) bool) {
			yield(Instance[any]{}, fmt.Errorf("%w: %q", ErrUnknownType, typeName))
		}
	}
	return walkStates(e, t, from, func(state any) any { return reflect.ValueOf(state).Elem().Interface() })
}
