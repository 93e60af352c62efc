package server

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// catalogue is what a server knows of the functions of its engine. It does not change.
type catalogue struct {
	types        []*instances.Type
	byType       map[string]*instances.Type
	operations   map[operationName]*function
	coordinators map[string]*function
	all          []*function          // in the order of types and their operations, coordinator functions last
	byPath       map[string]*function // see function.path
}

type operationName struct{ of, name string }

// function is an operation or a coordinator function.
type function struct {
	op          *instances.Operation // nil of a coordinator function
	run         *routines.Function   // nil of an operation
	name        string               // for people
	path        string               // in URLs
	arg, result *values.Type         // nil if it has none
}

// internalPrefix is how the names of operations begin that the library makes itself.
const internalPrefix = "concordat."

func newCatalogue(definitions []instances.Definition) *catalogue {
	c := &catalogue{
		byType: map[string]*instances.Type{}, operations: map[operationName]*function{}, coordinators: map[string]*function{},
		byPath: map[string]*function{},
	}
	for _, d := range definitions {
		if t, ok := d.(*instances.Type); ok {
			c.addType(t)
		}
	}
	for _, d := range definitions {
		if f, ok := d.(*routines.Function); ok {
			run := &function{run: f, name: f.Name, path: "run/" + escape(f.Name), arg: f.Input, result: f.Result}
			c.coordinators[f.Name] = run
			c.add(run)
		}
	}
	return c
}

func (c *catalogue) addType(t *instances.Type) {
	c.types = append(c.types, t)
	c.byType[t.Name] = t
	for _, op := range t.Operations() {
		how := "call/"
		if op.Kind.Reads() {
			how = "ask/"
		}
		f := &function{op: op, name: op.FullName(), path: how + escape(t.Name) + "/" + url.PathEscape(op.Name), arg: op.Arg(), result: op.Result()}
		c.operations[operationName{t.Name, op.Name}] = f
		c.add(f)
	}
}

func (c *catalogue) add(f *function) {
	c.all = append(c.all, f)
	c.byPath[f.path] = f
}

// escape writes a name as segments of a URL's path: its slashes divide them.
func escape(name string) string {
	segments := strings.Split(name, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return strings.Join(segments, "/")
}

// canonical writes a part of a URL's path that is escaped somehow as [escape] would.
func canonical(path string) (string, error) {
	segments := strings.Split(path, "/")
	for i := range segments {
		plain, err := url.PathUnescape(segments[i])
		if err != nil {
			return "", err
		}
		segments[i] = url.PathEscape(plain)
	}
	return strings.Join(segments, "/"), nil
}

// isOwn reports whether the library has made the function, not the user.
func (f *function) isOwn() bool { return f.op != nil && strings.HasPrefix(f.op.Name, internalPrefix) }

// role is the least role that may use the function.
func (f *function) role() Role {
	if f.op != nil && f.op.Kind.Reads() {
		return Reader
	}
	return Caller
}

// find finds the function that a request is for.
func (c *catalogue) find(typeName, operation, coordinatorName string) (*function, *fault) {
	if coordinatorName != "" {
		if typeName != "" || operation != "" {
			return nil, faultf(codeInvalid, "the request names both an operation and a coordinator function")
		}
		if f := c.coordinators[coordinatorName]; f != nil {
			return f, nil
		}
		return nil, faultf(codeNotFound, "there is no coordinator function %.200q", coordinatorName)
	}
	if f := c.operations[operationName{typeName, operation}]; f != nil {
		return f, nil
	}
	switch {
	case typeName == "" && operation == "":
		return nil, faultf(codeInvalid, "the request names neither an operation nor a coordinator function")
	case c.byType[typeName] == nil:
		return nil, faultf(codeNotFound, "there is no function type %.200q", typeName)
	}
	return nil, faultf(codeNotFound, "the function type %q has no operation %.200q", typeName, operation)
}

// target finds what a request with an id was for: an instance, or a coordinator function. The function is the one whose result it has; nil
// if the operation on the instance is not told.
func (c *catalogue) target(typeName, id, operation, coordinatorName string) (of functions.Address, f *function, _ *fault) {
	switch {
	case coordinatorName != "" && id != "":
		return of, nil, faultf(codeInvalid, "the coordinator function %.200q runs on no instance, and the request names one", coordinatorName)
	case coordinatorName == "" && typeName == "":
		return of, nil, faultf(codeInvalid, "what was the request for? It names neither an instance nor a coordinator function")
	case coordinatorName == "" && id == "":
		return of, nil, faultf(codeInvalid, "the request names no instance of %.200s", typeName)
	case coordinatorName == "" && operation == "" && c.byType[typeName] != nil:
		return functions.Address{Type: typeName, ID: id}, nil, nil
	}
	f, refused := c.find(typeName, operation, coordinatorName)
	if refused != nil {
		return of, nil, refused
	}
	if f.run != nil {
		return functions.Address{Type: f.run.Name}, f, nil
	}
	return functions.Address{Type: typeName, ID: id}, f, nil
}

// anyTarget is something that requests may be for; false if there is nothing.
func (c *catalogue) anyTarget() (of functions.Address, ok bool) {
	if len(c.all) == 0 {
		return of, false
	}
	if f := c.all[0]; f.op != nil {
		return functions.Address{Type: f.op.Type.Name, ID: "concordat"}, true
	}
	return functions.Address{Type: c.all[0].name}, true
}

// argument is an encoded argument or input.
type argument struct {
	json  []byte
	cbor  []byte
	given bool
}

// envelope makes the message that asks for the function.
func (f *function) envelope(id string, arg argument, requestID string) (e instances.Envelope, err error) {
	value, err := f.read(arg)
	if err != nil {
		return e, err
	}
	switch {
	case f.op != nil:
		e = instances.CallOf(f.op, id, value)
	case id != "":
		return e, faultf(codeInvalid, "%s is a coordinator function: it runs on no instance, and the request names one", f.name)
	default:
		e = instances.Envelope{Coordinator: f.run.Name}
		if e.Arg, err = f.arg.Encode(value); err != nil {
			return e, faultf(codeInvalid, "input of %s: %v", f.name, err)
		}
		if f.run.ByValue {
			e.Value = value
		}
	}
	if e.Err != nil {
		return e, faultOf(e.Err)
	}
	if requestID != "" {
		e.RequestID = requestID
		if err := instances.CheckID("request", requestID); err != nil {
			return e, faultOf(err)
		}
	}
	return e, nil
}

// read reads an argument as a value of the function's type; nil if it takes none.
func (f *function) read(arg argument) (value any, err error) {
	switch {
	case f.arg == nil && arg.given:
		return nil, faultf(codeInvalid, "%s takes no argument, and the request has one", f.name)
	case f.arg == nil:
		return nil, nil
	case !arg.given:
		return nil, faultf(codeInvalid, "%s takes an argument of type %v, and the request has none", f.name, f.arg.Go())
	case arg.cbor != nil:
		return fromCBOR(f.arg.Go(), arg.cbor)
	}
	return fromJSON(f.arg.Go(), arg.json)
}

// resultJSON is a result as JSON; nil if the function has none.
func (f *function) resultJSON(stored []byte) ([]byte, *fault) {
	if f.result == nil || len(stored) == 0 {
		return nil, nil
	}
	text, err := toJSON(f.result.Go(), stored)
	if err != nil {
		return nil, faultf(codeUnknown, "the request succeeded, but its result has no form in JSON; CBOR has one: %v", err)
	}
	return text, nil
}

// describe is the catalogue as clients see it.
func (c *catalogue) describe() *concordatv1.DescribeResponse {
	d := &concordatv1.DescribeResponse{}
	for _, t := range c.types {
		described := &concordatv1.FunctionType{Name: t.Name, State: shape(t.States())}
		for _, op := range t.Operations() {
			described.Operations = append(described.Operations, &concordatv1.Operation{
				Name: op.Name, Kind: kindName(op.Kind), Argument: shape(op.Arg()), Result: shape(op.Result()),
			})
		}
		d.Types = append(d.Types, described)
	}
	for _, f := range c.all {
		if f.run != nil {
			d.Coordinators = append(d.Coordinators, &concordatv1.Coordinator{
				Name: f.run.Name, Protocol: protocolName(f.run.Protocol), Input: shape(f.arg), Result: shape(f.result),
			})
		}
	}
	return d
}

func kindName(k instances.Kind) string {
	names := map[instances.Kind]string{
		instances.KindView: "view", instances.KindProbe: "view", instances.KindUpdate: "update", instances.KindCreate: "create",
		instances.KindDelete: "delete", instances.KindUpsert: "upsert",
	}
	if names[k] == "" {
		panic(fmt.Sprintf("server: operations of kind %d have no name", k))
	}
	return names[k]
}

func protocolName(p routines.Protocol) string {
	if p == routines.Saga {
		return "saga"
	}
	return "serializable"
}

// shape describes a type of values; nil if there is none.
func shape(of *values.Type) *concordatv1.Shape {
	if of == nil {
		return nil
	}
	return &concordatv1.Shape{Hash: of.Shape(), Schema: schemaText(of.Go())}
}
