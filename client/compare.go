package client

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// catalogue is the functions that a client was opened with.
type catalogue struct {
	types    map[string]*instances.Type
	routines map[string]*routines.Function
}

func newCatalogue(parts []functions.Part) (*catalogue, error) {
	c := &catalogue{types: map[string]*instances.Type{}, routines: map[string]*routines.Function{}}
	var errs []error
	for i, part := range parts {
		if part == nil || part.Definition() == nil {
			errs = append(errs, fmt.Errorf("client: part %d is nil or a zero value: make it with New or NewType", i+1))
			continue
		}
		d := part.Definition()
		if err := d.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("client: part %d (%q): %w", i+1, d.DefinedName(), err))
		}
		switch d := d.(type) {
		case *instances.Type:
			if c.types[d.Name] != nil {
				errs = append(errs, fmt.Errorf("client: two function types are named %q", d.Name))
			}
			c.types[d.Name] = d
		case *routines.Function:
			if c.routines[d.Name] != nil {
				errs = append(errs, fmt.Errorf("client: two coordinator functions are named %q", d.Name))
			}
			c.routines[d.Name] = d
		}
	}
	return c, errors.Join(errs...)
}

// check reports why the client cannot send a message, or nil.
func (c *catalogue) check(e *instances.Envelope) error {
	switch {
	case e.Err != nil:
		return e.Err
	case e.Op == nil && c.routines[e.Coordinator] == nil:
		return fmt.Errorf("%w: the client was not opened with the coordinator function %q", functions.ErrBadCall, e.Coordinator)
	case e.Op == nil:
		return nil
	case c.types[e.Op.Type.Name] != e.Op.Type:
		return fmt.Errorf("%w: %s; the client was not opened with its type", functions.ErrUnknownOperation, e.Op.FullName())
	}
	return instances.CheckID("instance", e.ID)
}

// compare reports what the server has otherwise than the client, a line for each function.
func (c *catalogue) compare(server *concordatv1.DescribeResponse) error {
	types, runs := map[string]map[string]*concordatv1.Operation{}, map[string]*concordatv1.Coordinator{}
	for _, t := range server.Types {
		types[t.Name] = map[string]*concordatv1.Operation{}
		for _, op := range t.Operations {
			types[t.Name][op.Name] = op
		}
	}
	for _, r := range server.Coordinators {
		runs[r.Name] = r
	}
	var errs []error
	differs := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrDiffers}, args...)...))
	}
	for name, t := range c.types {
		if types[name] == nil {
			differs("it has no function type %q", name)
			continue
		}
		for _, op := range t.Operations() {
			there := types[name][op.Name]
			if there == nil {
				differs("it has no operation %s", op.FullName())
				continue
			}
			compareShape(differs, "argument of "+op.FullName(), op.Arg(), there.Argument)
			compareShape(differs, "result of "+op.FullName(), op.Result(), there.Result)
		}
	}
	for name, f := range c.routines {
		there := runs[name]
		if there == nil {
			differs("it has no coordinator function %q", name)
			continue
		}
		if isSaga := there.Protocol == "saga"; isSaga != (f.Protocol == routines.Saga) {
			differs("the coordinator function %q is %s there", name, there.Protocol)
		}
		compareShape(differs, "input of "+name, f.Input, there.Input)
		compareShape(differs, "result of "+name, f.Result, there.Result)
	}
	return errors.Join(errs...)
}

func compareShape(differs func(string, ...any), what string, own *values.Type, there *concordatv1.Shape) {
	switch {
	case own == nil && there == nil:
	case own == nil:
		differs("the %s is a value of %s there, and nothing here", what, there.Schema)
	case there == nil:
		differs("the %s is a %v here, and nothing there", what, own.Go())
	case own.Shape() != there.Hash:
		differs("the %s is a %v here, and encoded otherwise there: %s", what, own.Go(), there.Schema)
	}
}
